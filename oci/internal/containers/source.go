// Package containers turns the sources and destinations of go.podman.io/image into
// those of package oci.
//
// That library logs through logrus's standard logger. As long as nobody has
// redirected that logger, a source or sink of this package sends it to nowhere.
package containers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/opencontainers/go-digest"
	"github.com/sirupsen/logrus"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/types"

	"github.com/treenail/treenail/oci"
)

// A Source reads one image through the library.
type Source struct {
	image types.ImageSource

	mu       sync.Mutex
	instance *digest.Digest                // of the manifest that was taken from an index
	layers   map[oci.DiffID]types.BlobInfo // where the medium has layers unpacked
}

// OpenSource opens an image.
func OpenSource(ctx context.Context, ref types.ImageReference, sys *types.SystemContext) (*Source, error) {
	SilenceLogger()
	image, err := ref.NewImageSource(ctx, sys)
	if err != nil {
		return nil, err
	}
	return &Source{image: image}, nil
}

// Image is the image as the library has it, for verification.
func (s *Source) Image([]byte, string) types.ImageSource { return s.image }

// Manifest returns the manifest or index, and the type that the medium says it has.
func (s *Source) Manifest(ctx context.Context) ([]byte, string, error) {
	return s.image.GetManifest(ctx, nil)
}

// Blob opens a blob, or a manifest of an index. Where the medium is a registry, a
// connection that breaks while a blob is read is made again, and the rest asked for,
// if there was progress.
func (s *Source) Blob(ctx context.Context, d oci.Descriptor) (io.ReadCloser, error) {
	if d.IsManifest() {
		instance := digest.Digest(d.Digest)
		raw, _, err := s.image.GetManifest(ctx, &instance)
		s.mu.Lock()
		s.instance = &instance
		s.mu.Unlock()
		return io.NopCloser(bytes.NewReader(raw)), err
	}
	info := types.BlobInfo{Digest: digest.Digest(d.Digest), Size: d.Size, MediaType: d.MediaType}
	body, size, err := s.image.GetBlob(ctx, info, none.NoCache)
	if err != nil {
		return nil, fmt.Errorf("blob %s: %w", d.Digest, err)
	}
	if size >= 0 && d.Size >= 0 && size != d.Size {
		body.Close()
		return nil, &oci.DigestError{Blob: d.Digest, What: "size", Want: fmt.Sprint(d.Size), Got: fmt.Sprint(size)}
	}
	return &blob{body, ctx, d, 0}, nil
}

// Layer returns d or, where the medium has layers unpacked, their tars.
func (s *Source) Layer(ctx context.Context, d oci.Descriptor, diffID oci.DiffID) (oci.Descriptor, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.layers == nil {
		infos, err := s.image.LayerInfosForCopy(ctx, s.instance)
		if err != nil {
			return d, err
		}
		s.layers = make(map[oci.DiffID]types.BlobInfo)
		for _, info := range infos {
			s.layers[oci.DiffID(info.Digest)] = info
		}
	}
	if info, ok := s.layers[diffID]; ok {
		return oci.Descriptor{MediaType: oci.MediaTypeLayer, Digest: oci.Digest(info.Digest), Size: info.Size}, nil
	}
	return d, nil
}

// Close ends connections.
func (s *Source) Close() error { return s.image.Close() }

// A blob names itself in the errors of its reads.
type blob struct {
	io.ReadCloser
	ctx  context.Context
	desc oci.Descriptor
	n    int64
}

func (b *blob) Read(p []byte) (int, error) {
	if err := b.ctx.Err(); err != nil {
		return 0, fmt.Errorf("blob %s: %w", b.desc.Digest, err)
	}
	n, err := b.ReadCloser.Read(p)
	b.n += int64(n)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("blob %s: after %d of %d bytes: %w", b.desc.Digest, b.n, b.desc.Size, plain(err))
	}
	return n, err
}

// plain shortens what the library says about a connection that broke: it adds
// its heuristics for reconnecting, with times.
func plain(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) && strings.Contains(err.Error(), "heuristic tuning data") {
		return io.ErrUnexpectedEOF
	}
	return err
}

// SilenceLogger sends the library's log to nowhere, unless somebody has redirected it.
var SilenceLogger = sync.OnceFunc(func() {
	if logger := logrus.StandardLogger(); logger.Out == os.Stderr {
		logger.SetOutput(io.Discard)
	}
})
