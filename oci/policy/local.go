package policy

import (
	"context"
	"path/filepath"
	"strings"

	"go.podman.io/image/v5/directory"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/oci/archive"
	"go.podman.io/image/v5/oci/layout"
	"go.podman.io/image/v5/types"

	"github.com/treenail/treenail/oci/internal/containers"
)

// Layout looks up the image in an OCI layout. It has no signatures.
func Layout(path string) (Lookup, error) { return unsigned(layout.Transport, path) }

// Archive looks up the image in an OCI archive. It has no signatures.
func Archive(path string) (Lookup, error) { return unsigned(archive.Transport, path) }

func unsigned(transport types.ImageTransport, path string) (Lookup, error) {
	path, err := filepath.Abs(path)
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		return nil, err
	}
	return func(raw []byte, mediaType string) types.ImageSource {
		return containers.Document(place{transport: transport, path: path}, raw, mediaType)
	}, nil
}

// Dir looks up the image in a directory, which may have signatures.
func Dir(path string) (Lookup, error) {
	ref, err := directory.NewReference(path)
	if err != nil {
		return nil, err
	}
	image, err := ref.NewImageSource(context.Background(), nil)
	return func([]byte, string) types.ImageSource { return image }, err
}

// place is an image by its path, which is what policies know of it. The library's own
// references do not take paths with a colon.
type place struct {
	types.ImageReference // nil: nothing else is asked for
	transport            types.ImageTransport
	path                 string
}

func (p place) Transport() types.ImageTransport     { return p.transport }
func (p place) StringWithinTransport() string       { return p.path }
func (p place) DockerReference() reference.Named    { return nil }
func (p place) PolicyConfigurationIdentity() string { return p.path }

// PolicyConfigurationNamespaces are the directories above, but for the root.
func (p place) PolicyConfigurationNamespaces() []string {
	var dirs []string
	for dir := p.path; strings.Count(dir, "/") > 1; {
		dir = filepath.Dir(dir)
		dirs = append(dirs, dir)
	}
	return dirs
}
