package oci

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/treenail/treenail/format/zstdchunked"
)

// A LayerWriter compresses a tar and computes its diffID. What it writes is a
// function of the tar and the compression alone: neither the number of cores nor
// the sizes of the writes matter.
//
// It works on at most four cores and holds a few MiB for each; with zstd:chunked,
// on one core, and it holds what it will write about each file. A LayerWriter is
// for one goroutine, but several can work at the same time.
type LayerWriter struct {
	zip io.WriteCloser // nil when closed
	out *countingWriter
	sum hash.Hash
	n   int64
	err error // the first, or errClosed

	annotations map[string]string
}

var errClosed = errors.New("layer writer: closed")

// NewLayerWriter returns a LayerWriter whose compressed stream goes to w. With a
// compression that doesn't exist each Write fails. The caller must call Close,
// also after an error.
func NewLayerWriter(w io.Writer, c Compression) *LayerWriter {
	l := &LayerWriter{out: &countingWriter{w: w}, sum: sha256.New()}
	c, err := c.Complete()
	if err == nil {
		l.zip, err = compressors[c.Format].open(l.out, c.Level)
	}
	if err != nil {
		l.zip, l.err = nil, fmt.Errorf("layer writer: %w", err)
	}
	return l
}

// Write compresses tar data. An error of the underlying writer may show up in a
// later call.
func (l *LayerWriter) Write(p []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	l.sum.Write(p)
	l.n += int64(len(p))
	n, err := l.zip.Write(p)
	l.err = err
	return n, err
}

// Close completes the stream; it does not close the underlying writer. It returns
// the first error of the whole stream, and is needed to free the writer's
// goroutines. More than one call does nothing more.
func (l *LayerWriter) Close() error {
	if l.zip == nil {
		return l.closeError()
	}
	if err := l.zip.Close(); l.err == nil {
		l.err = err
	}
	if chunked, ok := l.zip.(*zstdchunked.Writer); ok {
		l.annotations = chunked.Annotations()
	}
	l.zip = nil
	err := l.closeError()
	if l.err == nil {
		l.err = errClosed
	}
	return err
}

func (l *LayerWriter) closeError() error {
	if l.err == errClosed {
		return nil
	}
	return l.err
}

// DiffID returns the diffID of what was written so far; after Close it is the
// layer's.
func (l *LayerWriter) DiffID() DiffID { return DiffID(sumOf(l.sum)) }

// Uncompressed returns the number of tar bytes written so far.
func (l *LayerWriter) Uncompressed() int64 { return l.n }

// Compressed returns, after Close, the number of bytes of the compressed stream.
// It must equal the size a [Sink] reports for the blob.
func (l *LayerWriter) Compressed() int64 { return l.out.n }

// Annotations returns, after Close, what the layer's descriptor has to say for
// zstd:chunked to be found; nil with other formats.
func (l *LayerWriter) Annotations() map[string]string { return l.annotations }

// A countingWriter is used by the compressor's goroutines, one at a time.
type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
