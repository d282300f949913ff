package oci

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"runtime"
	"sync"
	"time"

	"github.com/klauspost/pgzip"
)

const (
	// blockSize is the amount of tar that is compressed as one piece. It is part
	// of the format of our layers: another size gives other digests.
	blockSize = 1 << 20

	defaultLevel = 6
)

// A LayerWriter compresses a tar with gzip and computes its diffID. What it
// writes is a function of the tar and the level alone: neither the number of
// cores nor the sizes of the writes matter.
//
// Blocks of 1 MiB are compressed in parallel, on at most four cores; a writer
// holds a few MiB for each. A LayerWriter is for one goroutine, but several can
// work at the same time.
type LayerWriter struct {
	zip   *pgzip.Writer
	level int
	out   *countingWriter
	sum   hash.Hash
	n     int64
	err   error // the first, or errClosed
}

var errClosed = errors.New("layer writer: closed")

// NewLayerWriter returns a LayerWriter whose gzip stream goes to w. Levels are
// those of gzip, 1 to 9; 0 stands for 6. Other levels make each Write fail. The
// caller must call Close, also after an error.
func NewLayerWriter(w io.Writer, level int) *LayerWriter {
	if level == 0 {
		level = defaultLevel
	}
	l := &LayerWriter{level: level, out: &countingWriter{w: w}, sum: sha256.New()}
	if level < 1 || level > 9 {
		l.err = fmt.Errorf("layer writer: gzip level %d is not between 1 and 9", level)
		return l
	}
	l.zip = compressor(level)
	l.zip.Reset(l.out)
	// Reset forgets the concurrency. pgzip works on one block more than it is
	// told; these arguments cannot be refused.
	l.zip.SetConcurrency(blockSize, max(1, min(4, runtime.GOMAXPROCS(0))-1))
	l.zip.ModTime = time.Unix(0, 0) // pgzip writes the zero Time as garbage, not as 0
	return l
}

// compressors keeps writers with their buffers for the next layer.
var compressors [10]sync.Pool // of *pgzip.Writer, by level

func compressor(level int) *pgzip.Writer {
	if zip, ok := compressors[level].Get().(*pgzip.Writer); ok {
		return zip
	}
	zip, err := pgzip.NewWriterLevel(io.Discard, level)
	if err != nil {
		panic(err) // the level has been checked
	}
	return zip
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

// Close completes the gzip stream; it does not close the underlying writer. It
// returns the first error of the whole stream, and is needed to free the
// writer's goroutines. More than one call does nothing more.
func (l *LayerWriter) Close() error {
	if l.zip == nil {
		return l.closeError()
	}
	if err := l.zip.Close(); l.err == nil {
		l.err = err
	}
	// After an error Close leaves goroutines waiting; Reset ends them and waits.
	l.zip.Reset(io.Discard)
	compressors[l.level].Put(l.zip)
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

// Compressed returns, after Close, the number of bytes of the gzip stream. It
// must equal the size a [Sink] reports for the blob.
func (l *LayerWriter) Compressed() int64 { return l.out.n }

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
