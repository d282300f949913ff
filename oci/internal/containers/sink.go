package containers

import (
	"context"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/types"

	"github.com/treenail/treenail/oci"
)

// A Sink writes one image through the library.
type Sink struct{ image types.ImageDestination }

// OpenSink prepares to write an image.
func OpenSink(ctx context.Context, ref types.ImageReference, sys *types.SystemContext) (*Sink, error) {
	SilenceLogger()
	image, err := ref.NewImageDestination(ctx, sys)
	if err != nil {
		return nil, err
	}
	return &Sink{image}, nil
}

// PutBlob writes a blob while it is read, and learns its digest on the way.
func (s *Sink) PutBlob(ctx context.Context, mediaType string, r io.Reader) (oci.Descriptor, error) {
	source := &sourceReader{ctx: ctx, r: r}
	unknown := types.BlobInfo{Size: -1, MediaType: mediaType}
	isConfig := mediaType == oci.MediaTypeConfig || mediaType == oci.MediaTypeDockerConfig
	info, err := s.image.PutBlob(ctx, source, unknown, none.NoCache, isConfig)
	if source.err != nil {
		err = source.err // the cause, without the words of the library
	}
	if err != nil {
		return oci.Descriptor{}, fmt.Errorf("put blob: %w", err)
	}
	return oci.Descriptor{MediaType: mediaType, Digest: oci.Digest(info.Digest), Size: info.Size}, nil
}

// Reuse reports whether the medium has a blob already.
func (s *Sink) Reuse(ctx context.Context, d oci.Descriptor) (bool, error) {
	info := types.BlobInfo{Digest: digest.Digest(d.Digest), Size: d.Size, MediaType: d.MediaType}
	has, found, err := s.image.TryReusingBlob(ctx, info, none.NoCache, false)
	if err != nil {
		return false, fmt.Errorf("blob %s: %w", d.Digest, err)
	}
	return has && found.Size == d.Size, nil
}

// PutListed writes a manifest that an index will list, under its digest.
func (s *Sink) PutListed(ctx context.Context, mediaType string, r io.Reader) (oci.Descriptor, error) {
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

// A sourceReader remembers the error that ended its reads. Its context ends them, too.
type sourceReader struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (s *sourceReader) Read(p []byte) (int, error) {
	if s.err = s.ctx.Err(); s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// PutManifest writes the manifest, and makes the image visible.
func (s *Sink) PutManifest(ctx context.Context, raw []byte, mediaType string) (oci.Digest, error) {
	// The library goes by the type it finds in the document.
	if found := manifest.GuessMIMEType(raw); found != mediaType {
		return "", fmt.Errorf("put manifest: content is %s, not %s", found, mediaType)
	}
	if err := s.image.PutManifest(ctx, raw, nil); err != nil {
		return "", fmt.Errorf("put manifest: %w", err)
	}
	whole := image.UnparsedInstance(Document(s.image.Reference(), raw, mediaType), nil)
	if err := s.image.Commit(ctx, whole); err != nil {
		return "", fmt.Errorf("put manifest: %w", err)
	}
	return oci.Sum(raw), nil
}

// Close ends connections, and removes what was staged.
func (s *Sink) Close() error { return s.image.Close() }

// document is an image of which the library sees no more than the manifest.
type document struct {
	types.ImageSource // nil: nothing else is asked for
	ref               types.ImageReference
	raw               []byte
	mediaType         string
}

// Document gives the library an image by its manifest. It has no signatures.
func Document(ref types.ImageReference, raw []byte, mediaType string) types.ImageSource {
	return document{ref: ref, raw: raw, mediaType: mediaType}
}

func (d document) Reference() types.ImageReference { return d.ref }
func (d document) Close() error                    { return nil }
func (d document) HasThreadSafeGetBlob() bool      { return true }

func (d document) GetManifest(context.Context, *digest.Digest) ([]byte, string, error) {
	return d.raw, d.mediaType, nil
}

func (d document) GetSignatures(context.Context, *digest.Digest) ([][]byte, error) { return nil, nil }
