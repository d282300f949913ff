package registry

import (
	"context"
	"io"

	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/oci/internal/containers"
)

// A Sink pushes one image to a registry. Blobs are uploaded while they are read, and
// the registry compares their digests with what it received. Blobs without a manifest
// are the registry's to collect.
type Sink struct {
	*containers.Sink
	pinned oci.Digest
}

// OpenSink prepares to push an image under name, which is HOST[:PORT]/NAME with
// a :TAG (if missing, "latest"); with an @DIGEST instead, the manifest must have
// that digest. Nothing is sent yet.
func OpenSink(ctx context.Context, name string, o Options) (*Sink, error) {
	ref, pinned, err := parse(name)
	if err != nil {
		return nil, err
	}
	sys, err := o.system()
	if err != nil {
		return nil, err
	}
	sink, err := containers.OpenSink(ctx, ref, sys)
	if err != nil {
		return nil, err
	}
	return &Sink{sink, pinned}, nil
}

// HasBlob asks the registry whether the repository has a blob.
func (s *Sink) HasBlob(ctx context.Context, d oci.Descriptor) (bool, error) {
	return s.Reuse(ctx, d)
}

// PutBlob uploads a blob, or a manifest that an index will list.
func (s *Sink) PutBlob(ctx context.Context, mediaType string, r io.Reader) (oci.Descriptor, error) {
	if d := (oci.Descriptor{MediaType: mediaType}); d.IsManifest() {
		return s.PutListed(ctx, mediaType, r)
	}
	return s.Sink.PutBlob(ctx, mediaType, r)
}

// PutManifest uploads the manifest, which sets the tag.
func (s *Sink) PutManifest(ctx context.Context, raw []byte, mediaType string) (oci.Digest, error) {
	if err := checkPinned(raw, s.pinned); err != nil {
		return "", err
	}
	return s.Sink.PutManifest(ctx, raw, mediaType)
}
