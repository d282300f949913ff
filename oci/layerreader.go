package oci

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxZstdWindow bounds the memory a zstd frame may ask for. It is the limit of
// the zstd program; levels up to 19 ask for 8 MiB.
const maxZstdWindow = 128 << 20

// OpenLayer opens the layer d of src as an uncompressed tar. It takes the layer
// types of OCI and Docker: tar, tar with gzip (also of several members) and tar
// with zstd (also with skippable frames); for others the error says "unhandled
// layer type". A layer whose digest is its diffID is a tar, whichever of these its
// type is: the manifests that stand for Docker's archives call all layers gzip.
//
// Only io.EOF vouches for what was read: at the end the reader also consumes
// what the blob has behind the compressed stream, and verifies size and digest
// of the blob and the diffID of the tar. A *[DigestError] says that they differ.
// A reader of the tar format must therefore go on to io.EOF behind the archive's
// end. Memory does not depend on the layer's size.
func OpenLayer(ctx context.Context, src Source, d Descriptor, diffID DiffID) (io.ReadCloser, error) {
	d, err := src.Layer(ctx, d, diffID)
	if err != nil {
		return nil, named(src, err)
	}
	decompress, err := decompressor(d.MediaType)
	if err != nil {
		return nil, named(src, err)
	}
	if string(d.Digest) == string(diffID) {
		decompress = io.NopCloser
	}
	body, err := src.Blob(ctx, d)
	if err != nil {
		return nil, named(src, err)
	}
	blob := newBlobReader(body, d)
	return &layerReader{
		src:    src,
		body:   body,
		blob:   blob,
		tar:    decompress(blob),
		sum:    sha256.New(),
		diffID: diffID,
	}, nil
}

// Decompress reads a layer as a tar, going by what it begins with. Nothing is verified,
// and bytes behind the compressed stream may be left.
func Decompress(r io.Reader) (io.ReadCloser, error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	magic, err := buffered.Peek(4)
	switch {
	case err != nil && err != io.EOF:
		return nil, err
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		return newGunzipper(buffered), nil
	case bytes.HasPrefix(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}), // RFC 8878, a frame
		len(magic) == 4 && magic[0]>>4 == 5 && bytes.HasSuffix(magic, []byte{0x2a, 0x4d, 0x18}): // and one to be skipped
		return newUnzstder(buffered), nil
	}
	return io.NopCloser(buffered), nil
}

func decompressor(mediaType string) (func(io.Reader) io.ReadCloser, error) {
	switch mediaType {
	case MediaTypeLayer, MediaTypeDockerLayer:
		return io.NopCloser, nil
	case MediaTypeLayerGzip, MediaTypeDockerLayerGzip:
		return newGunzipper, nil
	case MediaTypeLayerZstd, MediaTypeDockerLayerZstd:
		return newUnzstder, nil
	}
	return nil, fmt.Errorf("unhandled layer type: %s", mediaType)
}

type layerReader struct {
	src    Source // for its name
	body   io.Closer
	blob   *blobReader   // the compressed side, verified
	tar    io.ReadCloser // the uncompressed side
	sum    hash.Hash     // of what tar yielded
	diffID DiffID
	err    error
}

func (l *layerReader) Read(p []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	n, err := l.tar.Read(p)
	l.sum.Write(p[:n])
	if err != nil {
		l.err = named(l.src, l.finish(err))
	}
	return n, l.err
}

// finish turns the end of the tar stream, or what broke it, into the verdict on
// the layer. A stream that cannot be decompressed is read to its end too: if its
// digest is wrong, that is the cause to report.
func (l *layerReader) finish(cause error) error {
	if _, err := io.Copy(io.Discard, l.blob); err != nil {
		return err
	}
	if cause != io.EOF {
		return fmt.Errorf("layer %s: decompress: %w", l.blob.desc.Digest, cause)
	}
	if got := sumOf(l.sum); got != string(l.diffID) {
		return l.blob.mismatch("diffID", string(l.diffID), got)
	}
	return io.EOF
}

func (l *layerReader) Close() error {
	l.tar.Close()
	return l.body.Close()
}

// A gunzipper reads the members of a gzip file one after the other, and stops
// where something else follows; gzip(1) does the same.
type gunzipper struct {
	src    *bufio.Reader
	member *gzip.Reader // nil before the first
}

func newGunzipper(r io.Reader) io.ReadCloser {
	return &gunzipper{src: bufio.NewReaderSize(r, 64<<10)}
}

func (g *gunzipper) Read(p []byte) (int, error) {
	for {
		if g.member == nil {
			if err := g.first(); err != nil {
				return 0, err
			}
		}
		n, err := g.member.Read(p)
		if err != io.EOF {
			return n, err
		}
		if err := g.next(); err != nil || n > 0 {
			return n, err
		}
	}
}

func (g *gunzipper) first() (err error) {
	g.member, err = gzip.NewReader(g.src)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		g.member.Multistream(false)
	}
	return err
}

func (g *gunzipper) next() error {
	magic, err := g.src.Peek(2)
	if err != nil || magic[0] != 0x1f || magic[1] != 0x8b {
		return io.EOF
	}
	if err := g.member.Reset(g.src); err != nil {
		return err
	}
	g.member.Multistream(false)
	return nil
}

func (g *gunzipper) Close() error { return nil }

// An unzstder decodes without goroutines of its own: layers are read in
// parallel, and its buffers are then bounded by one window.
type unzstder struct {
	src io.Reader
	dec *zstd.Decoder // nil before the first read
}

func newUnzstder(r io.Reader) io.ReadCloser { return &unzstder{src: r} }

func (z *unzstder) Read(p []byte) (n int, err error) {
	if z.dec == nil {
		z.dec, err = zstd.NewReader(z.src,
			zstd.WithDecoderConcurrency(1),
			zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return 0, err
		}
	}
	return z.dec.Read(p)
}

func (z *unzstder) Close() error {
	if z.dec != nil {
		z.dec.Close()
	}
	return nil
}
