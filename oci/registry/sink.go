package registry

import (
	"context"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/types"

	"github.com/treenail/treenail/oci"
)

// A Sink pushes one image to a registry.
type Sink struct {
	image  types.ImageDestination
	pinned oci.Digest
}

// OpenSink prepares to push an image under name, which is HOST[:PORT]/NAME with
// a :TAG (if missing, "latest"); with an @DIGEST instead, the manifest must have
// that digest. Nothing is sent yet.
func OpenSink(ctx context.Context, name string, o Options) (*Sink, error) {
	silenceLogger()
	ref, pinned, err := parse(name)
	if err != nil {
		return nil, err
	}
	sys, err := o.system()
	if err != nil {
		return nil, err
	}
	image, err := ref.NewImageDestination(ctx, sys)
	if err != nil {
		return nil, err
	}
	return &Sink{image, pinned}, nil
}

// HasBlob asks the registry whether the repository has a blob.
func (s *Sink) HasBlob(ctx context.Context, d oci.Descriptor) (bool, error) {
	info := types.BlobInfo{Digest: digest.Digest(d.Digest), Size: d.Size, MediaType: d.MediaType}
	has, found, err := s.image.TryReusingBlob(ctx, info, none.NoCache, false)
	if err != nil {
		return false, fmt.Errorf("blob %s: %w", d.Digest, err)
	}
	return has && found.Size == d.Size, nil
}

// PutBlob uploads a blob while it is read, and learns its digest on the way. The
// registry compares that digest with what it received.
func (s *Sink) PutBlob(ctx context.Context, mediaType string, r io.Reader) (oci.Descriptor, error) {
	if d := (oci.Descriptor{MediaType: mediaType}); d.IsManifest() {
		return s.putListed(ctx, mediaType, r)
	}
	source := &sourceReader{r: r}
	unknown := types.BlobInfo{Size: -1, MediaType: mediaType}
	info, err := s.image.PutBlob(ctx, source, unknown, none.NoCache, false)
	if source.err != nil {
		err = source.err // the cause, without the words of the HTTP client
	}
	if err != nil {
		return oci.Descriptor{}, fmt.Errorf("put blob: %w", err)
	}
	return oci.Descriptor{MediaType: mediaType, Digest: oci.Digest(info.Digest), Size: info.Size}, nil
}

// putListed uploads a manifest that an index will list, under its digest.
func (s *Sink) putListed(ctx context.Context, mediaType string, r io.Reader) (oci.Descriptor, error) {
	raw, err := io.ReadAll(io.LimitReader(r, oci.MaxDocumentSize+1))
	if err != nil {
		return oci.Descriptor{}, err
	}
	if len(raw) > oci.MaxDocumentSize {
		return oci.Descriptor{}, fmt.Errorf("put manifest: larger than %d bytes", oci.MaxDocumentSize)
	}
	d := oci.Descriptor{MediaType: mediaType, Digest: oci.Sum(raw), Size: int64(len(raw))}
	name := digest.Digest(d.Digest)
	if err := s.image.PutManifest(ctx, raw, &name); err != nil {
		return oci.Descriptor{}, fmt.Errorf("put manifest: %w", err)
	}
	return d, nil
}

// A sourceReader remembers the error that ended its reads.
type sourceReader struct {
	r   io.Reader
	err error
}

func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// PutManifest uploads the manifest, which sets the tag.
func (s *Sink) PutManifest(ctx context.Context, raw []byte, mediaType string) (oci.Digest, error) {
	if err := checkPinned(raw, s.pinned); err != nil {
		return "", err
	}
	// The library sends the type it finds in the document.
	if found := manifest.GuessMIMEType(raw); found != mediaType {
		return "", fmt.Errorf("put manifest: content is %s, not %s", found, mediaType)
	}
	if err := s.image.PutManifest(ctx, raw, nil); err != nil {
		return "", fmt.Errorf("put manifest: %w", err)
	}
	if err := s.image.Commit(ctx, nil); err != nil {
		return "", fmt.Errorf("put manifest: %w", err)
	}
	return oci.Sum(raw), nil
}

// Close ends the connections. Blobs without a manifest are the registry's to
// collect.
func (s *Sink) Close() error { return s.image.Close() }
