package oci

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"

	"github.com/treenail/treenail/format/zstdchunked"
)

// A Compression says how a layer is compressed.
type Compression struct {
	Format Format // default: Gzip
	Level  int    // of gzip 1 to 9, default 6; of zstd 1 to 22, default 3
}

// A Format is the way in which layers are compressed.
type Format string

// The formats of layers. ZstdChunked is zstd with a table of contents, by which
// clients that know it fetch single files (see package zstdchunked).
const (
	Gzip         Format = "gzip"
	Zstd         Format = "zstd"
	ZstdChunked  Format = "zstd:chunked"
	Uncompressed Format = "none"
)

// A compressor is how one format is written.
type compressor struct {
	mediaType  string
	level, max int // default and highest
	open       func(w io.Writer, level int) (io.WriteCloser, error)
}

var compressors = map[Format]compressor{
	Gzip:         {MediaTypeLayerGzip, 6, 9, openGzip},
	Zstd:         {MediaTypeLayerZstd, 3, 22, openZstd},
	ZstdChunked:  {MediaTypeLayerZstd, 3, 22, openChunked},
	Uncompressed: {MediaTypeLayer, 0, 0, func(w io.Writer, _ int) (io.WriteCloser, error) { return nopCloser{w}, nil }},
}

// Complete returns the compression with its defaults filled in, or says what is
// wrong with it.
func (c Compression) Complete() (Compression, error) {
	if c.Format == "" {
		c.Format = Gzip
	}
	how, ok := compressors[c.Format]
	switch {
	case !ok:
		return c, fmt.Errorf("compression %q is not one of gzip, zstd, zstd:chunked, none", c.Format)
	case c.Level != 0 && how.max == 0:
		return c, errors.New("without compression there is no level of it")
	case c.Level < 0 || c.Level > how.max:
		return c, fmt.Errorf("%s level %d is not between 1 and %d", c.Format, c.Level, how.max)
	case c.Level == 0:
		c.Level = how.level
	}
	return c, nil
}

// MediaType returns the type of layers with this compression.
func (c Compression) MediaType() string {
	c, _ = c.Complete()
	return compressors[c.Format].mediaType
}

// Identity names everything but the tar that determines the bytes of a layer: the
// format, its level, and the versions of the compressors in this program. It is
// for keys of a cache.
func (c Compression) Identity() string {
	c, _ = c.Complete()
	return fmt.Sprintf("%s level %d, %s", c.Format, c.Level, compressorVersions())
}

var compressorVersions = sync.OnceValue(func() string {
	versions := make(map[string]string)
	info, _ := debug.ReadBuildInfo()
	for i := 0; info != nil && i < len(info.Deps); i++ {
		switch m := info.Deps[i]; m.Path {
		case "github.com/klauspost/compress", "github.com/klauspost/pgzip", "github.com/vbatts/tar-split":
			versions[m.Path] = m.Path + " " + m.Version
		}
	}
	return strings.Join(slices.Sorted(maps.Values(versions)), ", ")
})

// blockSize is the amount of tar that gzip compresses as one piece. It is part of
// the format of our layers: another size gives other digests.
const blockSize = 1 << 20

// cores is how many of them one layer is compressed on.
func cores() int { return max(1, min(4, runtime.GOMAXPROCS(0))) }

// gzipWriters keeps writers with their buffers for the next layer.
var gzipWriters [10]sync.Pool // of *pgzip.Writer, by level

// A gzipWriter goes back to its pool.
type gzipWriter struct {
	*pgzip.Writer
	level int
}

func openGzip(w io.Writer, level int) (_ io.WriteCloser, err error) {
	zip, ok := gzipWriters[level].Get().(*pgzip.Writer)
	if !ok {
		if zip, err = pgzip.NewWriterLevel(io.Discard, level); err != nil {
			return nil, err
		}
	}
	zip.Reset(w)
	zip.ModTime = time.Unix(0, 0) // pgzip writes the zero Time as garbage, not as 0
	// Reset forgets the concurrency. pgzip works on one block more than it is told.
	return &gzipWriter{zip, level}, zip.SetConcurrency(blockSize, max(1, cores()-1))
}

func (g *gzipWriter) Close() error {
	err := g.Writer.Close()
	// After an error Close leaves goroutines waiting; Reset ends them and waits.
	g.Writer.Reset(io.Discard)
	gzipWriters[g.level].Put(g.Writer)
	return err
}

// openZstd's writers give the same bytes for any number of cores.
func openZstd(w io.Writer, level int) (io.WriteCloser, error) {
	return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(level)), zstd.WithEncoderConcurrency(cores()))
}

func openChunked(w io.Writer, level int) (io.WriteCloser, error) {
	return zstdchunked.NewWriter(w, level)
}

type nopCloser struct{ io.Writer }

func (nopCloser) Close() error { return nil }
