// Package transport opens the images that references name. It alone knows all
// the media, and which of them a transport's name stands for.
package transport

import (
	"context"
	"errors"
	"fmt"
	"io"

	"go.podman.io/image/v5/types"

	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/oci/archive"
	"github.com/treenail/treenail/oci/layout"
	"github.com/treenail/treenail/oci/podman"
	"github.com/treenail/treenail/oci/policy"
	"github.com/treenail/treenail/oci/registry"
)

// Options says how to reach an image. The zero value works; only registries
// heed it.
type Options = registry.Options

// OpenSource opens the image that ref names for reading. Its errors, and those
// of [oci.ReadImage] and [oci.OpenLayer] with the source, begin with the
// reference.
//
// The source yields nothing that the host's signature policy does not allow (see
// package policy); a reference with [oci.SchemeSigned] wants signatures to be
// verified. What [oci.SchemeRemote] demands is beyond an image: the commit in it is
// for its reader to verify.
func OpenSource(ctx context.Context, ref oci.Reference, o Options) (oci.Source, error) {
	src, err := openSource(ctx, ref, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	return source{src, ref}, nil
}

func openSource(ctx context.Context, ref oci.Reference, o Options) (oci.Source, error) {
	p, err := policy.Read(ref.Scheme == oci.SchemeSigned)
	if err != nil {
		return nil, err
	}
	src, lookup, err := openUnverified(ctx, ref, o)
	if err != nil {
		return nil, err
	}
	return p.Guard(src, lookup), nil
}

// openUnverified opens an image, and returns how to look it up for verification.
func openUnverified(ctx context.Context, ref oci.Reference, o Options) (oci.Source, policy.Lookup, error) {
	path, tag := splitPath(ref.Name)
	switch ref.Transport {
	case oci.TransportRegistry:
		return looked(registry.OpenSource(ctx, ref.Name, o))
	case "containers-storage":
		return looked(podman.OpenStorageSource(ctx, ref.Name))
	case "dir":
		return lookup(ref.Name, policy.Dir, func() (*layout.Source, error) { return layout.OpenFlatSource(ref.Name) })
	}
	if path == "" {
		return nil, nil, errors.New("empty path")
	}
	switch ref.Transport {
	case "oci":
		return lookup(path, policy.Layout, func() (*layout.Source, error) { return layout.OpenSource(path, tag) })
	case "oci-archive":
		return lookup(path, policy.Archive, func() (*archive.Source, error) { return archive.OpenSource(path, tag) })
	case "docker-archive":
		return looked(podman.OpenArchiveSource(ctx, path, tag))
	}
	return nil, nil, fmt.Errorf("cannot read from transport %q", ref.Transport)
}

// looked is what openUnverified returns of a source that looks itself up.
func looked[S interface {
	oci.Source
	Image(raw []byte, mediaType string) types.ImageSource
}](src S, err error) (oci.Source, policy.Lookup, error) {
	if err != nil {
		return nil, nil, err
	}
	return src, src.Image, nil
}

// lookup is what it returns of a source at a path.
func lookup[S oci.Source](path string, look func(path string) (policy.Lookup, error), open func() (S, error)) (oci.Source, policy.Lookup, error) {
	src, err := open()
	if err != nil {
		return nil, nil, err
	}
	found, err := look(path)
	if err != nil {
		return nil, nil, errors.Join(err, src.Close())
	}
	return src, found, nil
}

// source names itself for errors.
type source struct {
	oci.Source
	ref oci.Reference
}

func (s source) String() string { return s.ref.String() }

// Helper does the work for which the program is started again by an image in
// containers-storage. A program that writes such images calls it before anything else,
// and ends when it returns true.
func Helper() bool { return podman.Helper() }

// OpenSink prepares to write an image to where ref names it. Its errors and
// those of the sink begin with the reference. How readers should verify the
// image is not the writer's to say, so a reference with such a scheme is refused.
func OpenSink(ctx context.Context, ref oci.Reference, o Options) (oci.Sink, error) {
	dst, err := openSink(ctx, ref, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	return sink{dst, ref}, nil
}

func openSink(ctx context.Context, ref oci.Reference, o Options) (oci.Sink, error) {
	if ref.Scheme != oci.NoScheme {
		return nil, fmt.Errorf("cannot write to a reference that says how to verify; use %s", ref.Image())
	}
	switch ref.Transport {
	case oci.TransportRegistry:
		return registry.OpenSink(ctx, ref.Name, o)
	case "oci":
		return atPath(ref.Name, taggable(layout.OpenSink))
	case "oci-archive":
		return atPath(ref.Name, taggable(archive.OpenSink))
	case "dir":
		return layout.OpenFlatSink(ref.Name)
	case "docker-archive":
		return atPath(ref.Name, podman.OpenArchiveSink)
	case "containers-storage":
		return podman.OpenStorageSink(ctx, ref.Name)
	}
	return nil, fmt.Errorf("cannot write to transport %q", ref.Transport)
}

// sink puts its reference before errors.
type sink struct {
	oci.Sink
	ref oci.Reference
}

func (s sink) PutBlob(ctx context.Context, mediaType string, r io.Reader) (oci.Descriptor, error) {
	d, err := s.Sink.PutBlob(ctx, mediaType, r)
	if err != nil {
		err = fmt.Errorf("%s: %w", s.ref, err)
	}
	return d, err
}

func (s sink) HasBlob(ctx context.Context, d oci.Descriptor) (bool, error) {
	has, err := oci.HasBlob(ctx, s.Sink, d)
	if err != nil {
		err = fmt.Errorf("%s: %w", s.ref, err)
	}
	return has, err
}

func (s sink) PutManifest(ctx context.Context, raw []byte, mediaType string) (oci.Digest, error) {
	digest, err := s.Sink.PutManifest(ctx, raw, mediaType)
	if err != nil {
		err = fmt.Errorf("%s: %w", s.ref, err)
	}
	return digest, err
}
