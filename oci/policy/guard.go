package policy

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/image"
	"go.podman.io/image/v5/types"

	"github.com/treenail/treenail/oci"
)

// Lookup is how verification gets at an image, given a manifest of it and that
// manifest's media type.
type Lookup func(raw []byte, mediaType string) types.ImageSource

// Guard returns a source that gives away of src only an index, manifests that the
// policy allows, and other blobs after one of those.
func (p *Policy) Guard(src oci.Source, lookup Lookup) oci.Source {
	return &guard{Source: src, policy: p, lookup: lookup}
}

type guard struct {
	oci.Source
	policy  *Policy
	lookup  Lookup
	allowed atomic.Bool // a manifest was
}

// Manifest verifies the manifest. Of an index, the manifests in it will be.
func (g *guard) Manifest(ctx context.Context) ([]byte, string, error) {
	raw, mediaType, err := g.Source.Manifest(ctx)
	if err != nil {
		return nil, "", err
	}
	isIndex, err := oci.IsIndex(raw)
	if isIndex || err != nil {
		return raw, mediaType, err
	}
	return g.verify(ctx, raw, mediaType, nil)
}

// Blob verifies a manifest of an index, and opens other blobs if one was.
func (g *guard) Blob(ctx context.Context, d oci.Descriptor) (io.ReadCloser, error) {
	if g.allowed.Load() && !d.IsManifest() {
		return g.Source.Blob(ctx, d)
	}
	if !d.IsManifest() || d.Size > oci.MaxDocumentSize {
		return nil, fmt.Errorf("blob %s: not the manifest of an image, but %d bytes of %s", d.Digest, d.Size, d.MediaType)
	}
	body, err := g.Source.Blob(ctx, d)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	raw, err := io.ReadAll(io.LimitReader(body, oci.MaxDocumentSize+1))
	if err != nil {
		return nil, err
	}
	instance := digest.Digest(d.Digest)
	raw, _, err = g.verify(ctx, raw, d.MediaType, &instance)
	return io.NopCloser(bytes.NewReader(raw)), err
}

// verify returns the manifest that was verified.
func (g *guard) verify(ctx context.Context, raw []byte, mediaType string, instance *digest.Digest) ([]byte, string, error) {
	manifest := image.UnparsedInstance(g.lookup(raw, mediaType), instance)
	if err := g.policy.check(ctx, manifest); err != nil {
		return nil, "", err
	}
	raw, mediaType, err := manifest.Manifest(ctx)
	if err == nil {
		g.allowed.Store(true)
	}
	return raw, mediaType, err
}
