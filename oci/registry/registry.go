// Package registry keeps container images in a registry that speaks the OCI
// distribution protocol.
//
// The protocol is spoken by go.podman.io/image, so the host's configuration
// counts as it does for podman and skopeo: registries.conf (mirrors, blocked and
// insecure registries), certs.d, and the authentication files. Signature
// policies are not consulted, and nothing is cached on disk.
//
// That library logs through logrus's standard logger. As long as nobody has
// redirected that logger, opening a source or sink here sends it to nowhere.
package registry

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/sirupsen/logrus"
	"go.podman.io/image/v5/docker"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/types"

	"github.com/treenail/treenail/oci"
)

// Options says how to talk to a registry.
type Options struct {
	// AuthFile is a file of credentials as "podman login" writes it. If empty,
	// $REGISTRY_AUTH_FILE is used, and if that is empty the files that podman
	// and docker use: $XDG_RUNTIME_DIR/containers/auth.json,
	// ~/.config/containers/auth.json, ~/.docker/config.json.
	AuthFile string

	// CertDir is a directory with *.crt, *.cert and *.key files for TLS. If
	// empty, certs.d directories are searched as by podman.
	CertDir string

	// Insecure accepts TLS certificates that cannot be verified and, where the
	// registry does not speak TLS, plain HTTP.
	Insecure bool

	// Anonymous sends no credentials, even where there are some.
	Anonymous bool

	// UserAgent is sent with each request; if empty, the library's own is.
	UserAgent string
}

func (o Options) system() (*types.SystemContext, error) {
	sys := &types.SystemContext{
		DockerCertPath:          o.CertDir,
		DockerRegistryUserAgent: o.UserAgent,
	}
	if o.Insecure {
		sys.DockerInsecureSkipTLSVerify = types.OptionalBoolTrue
	}
	if o.Anonymous {
		sys.DockerAuthConfig = &types.DockerAuthConfig{}
		sys.AuthFilePath = "/nonexistent" // for mirrors, which the line above does not concern
		return sys, nil
	}
	sys.AuthFilePath = o.AuthFile
	if sys.AuthFilePath == "" {
		sys.AuthFilePath = os.Getenv("REGISTRY_AUTH_FILE")
	}
	if sys.AuthFilePath != "" {
		// The library takes a missing file for an empty one.
		if _, err := os.Stat(sys.AuthFilePath); err != nil {
			return nil, fmt.Errorf("auth file: %w", err)
		}
	}
	return sys, nil
}

// parse parses [HOST[:PORT]/]NAME[:TAG][@DIGEST] and returns the digest apart. A
// tag beside a digest only informs the reader, so it is dropped.
func parse(name string) (types.ImageReference, oci.Digest, error) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return nil, "", err
	}
	canonical, ok := named.(reference.Canonical)
	if !ok {
		ref, err := docker.NewReference(reference.TagNameOnly(named))
		return ref, "", err
	}
	digest, err := oci.ParseDigest(canonical.Digest().String())
	if err != nil {
		return nil, "", err
	}
	pinned, err := reference.WithDigest(reference.TrimNamed(named), canonical.Digest())
	if err != nil {
		return nil, "", err
	}
	ref, err := docker.NewReference(pinned)
	return ref, digest, err
}

// checkPinned compares a manifest with the digest in its reference, if any.
func checkPinned(raw []byte, pinned oci.Digest) error {
	if pinned == "" {
		return nil
	}
	return pinned.Verify(raw)
}

var silenceLogger = sync.OnceFunc(func() {
	if logger := logrus.StandardLogger(); logger.Out == os.Stderr {
		logger.SetOutput(io.Discard)
	}
})

// plain shortens what the library says about a connection that broke: it adds
// its heuristics for reconnecting, with times.
func plain(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) && strings.Contains(err.Error(), "heuristic tuning data") {
		return io.ErrUnexpectedEOF
	}
	return err
}
