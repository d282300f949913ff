package registry

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/types"

	"github.com/treenail/treenail/oci"
)

// A Source reads one image of a registry.
type Source struct {
	image  types.ImageSource
	pinned oci.Digest
}

// OpenSource opens the image called name, which is HOST[:PORT]/NAME with a :TAG
// (if missing, "latest") or an @DIGEST. The manifest is fetched, so a missing
// image or a refused login is an error here.
func OpenSource(ctx context.Context, name string, o Options) (*Source, error) {
	silenceLogger()
	ref, pinned, err := parse(name)
	if err != nil {
		return nil, err
	}
	sys, err := o.system()
	if err != nil {
		return nil, err
	}
	image, err := ref.NewImageSource(ctx, sys)
	if err != nil {
		return nil, err
	}
	return &Source{image, pinned}, nil
}

// Manifest returns the manifest or index of the tag, and the type the registry
// says it has. If the name has a digest, it has been verified.
func (s *Source) Manifest(ctx context.Context) ([]byte, string, error) {
	raw, mediaType, err := s.image.GetManifest(ctx, nil)
	if err != nil {
		return nil, "", err
	}
	return raw, mediaType, checkPinned(raw, s.pinned)
}

// Blob opens a blob, or a manifest of an index. A connection that breaks while a
// blob is read is made again, and the rest asked for, if there was progress.
func (s *Source) Blob(ctx context.Context, d oci.Descriptor) (io.ReadCloser, error) {
	if d.IsManifest() {
		instance := digest.Digest(d.Digest)
		raw, _, err := s.image.GetManifest(ctx, &instance)
		return io.NopCloser(bytes.NewReader(raw)), err
	}
	info := types.BlobInfo{Digest: digest.Digest(d.Digest), Size: d.Size, MediaType: d.MediaType}
	body, size, err := s.image.GetBlob(ctx, info, none.NoCache)
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", d.Digest, err)
	}
	if size >= 0 && size != d.Size {
		body.Close()
		return nil, &oci.DigestError{Blob: d.Digest, What: "size", Want: fmt.Sprint(d.Size), Got: fmt.Sprint(size)}
	}
	return &blob{body, d, 0}, nil
}

// Close ends the connections.
func (s *Source) Close() error { return s.image.Close() }

// A blob names itself in the errors of its reads.
type blob struct {
	io.ReadCloser
	desc oci.Descriptor
	n    int64
}

func (b *blob) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("blob %s: after %d of %d bytes: %w", b.desc.Digest, b.n, b.desc.Size, plain(err))
	}
	return n, err
}
