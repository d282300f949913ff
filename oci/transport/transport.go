// Package transport opens the images that references name. It alone knows all
// the media, and which of them a transport's name stands for.
package transport

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/oci/archive"
	"github.com/treenail/treenail/oci/layout"
	"github.com/treenail/treenail/oci/registry"
)

// Options says how to reach an image. The zero value works; only registries
// heed it.
type Options = registry.Options

// ErrVerification is the cause when a reference asks for its image to be
// verified, by the host's container policy or by the keys of an OSTree remote.
var ErrVerification = errors.New("the reference asks for signature verification, which this version cannot do")

// OpenSource opens the image that ref names for reading. Its errors, and those
// of [oci.ReadImage] and [oci.OpenLayer] with the source, begin with the
// reference.
//
// A reference that asks for verification is refused with [ErrVerification],
// rather than read without.
func OpenSource(ctx context.Context, ref oci.Reference, o Options) (oci.Source, error) {
	src, err := openSource(ctx, ref, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ref, err)
	}
	return source{src, ref}, nil
}

func openSource(ctx context.Context, ref oci.Reference, o Options) (oci.Source, error) {
	if ref.Scheme == oci.SchemeSigned || ref.Scheme == oci.SchemeRemote {
		return nil, ErrVerification
	}
	switch ref.Transport {
	case oci.TransportRegistry:
		return registry.OpenSource(ctx, ref.Name, o)
	case "oci":
		return atPath(ref.Name, layout.OpenSource)
	case "oci-archive":
		return atPath(ref.Name, archive.OpenSource)
	}
	return nil, fmt.Errorf("cannot read from transport %q", ref.Transport)
}

// source names itself for errors.
type source struct {
	oci.Source
	ref oci.Reference
}

func (s source) String() string { return s.ref.String() }

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
