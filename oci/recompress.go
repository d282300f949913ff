package oci

import (
	stdgzip "compress/gzip"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"
)

// A Compressor compresses as some program is known to do, so that a layer can be
// made again as it was.
type Compressor struct {
	Name string // for people
	New  func(io.Writer) (io.WriteCloser, error)
}

// Compressors are the ways in which a layer with a diffID may have been compressed,
// going by its media type, the likeliest first.
func Compressors(d Descriptor, diffID DiffID) []Compressor {
	if string(d.Digest) == string(diffID) { // see OpenLayer
		d.MediaType = MediaTypeLayer
	}
	switch d.MediaType {
	case MediaTypeLayer, MediaTypeDockerLayer:
		return []Compressor{{"none", func(w io.Writer) (io.WriteCloser, error) { return nopCloser{w}, nil }}}
	case MediaTypeLayerGzip, MediaTypeDockerLayerGzip:
		return gzipCompressors()
	case MediaTypeLayerZstd, MediaTypeDockerLayerZstd:
		return zstdCompressors()
	}
	return nil
}

// gzipLevels begins with what is usual.
var gzipLevels = []int{6, -1, 9, 1, 5, 4, 3, 7, 8, 2}

func gzipCompressors() []Compressor {
	var all []Compressor
	add := func(program string, open func(w io.Writer, level int) (io.WriteCloser, error)) {
		for _, level := range gzipLevels {
			name := fmt.Sprintf("%s, level %d", program, level)
			if level == -1 {
				name = program
			}
			all = append(all, Compressor{name, func(w io.Writer) (io.WriteCloser, error) { return open(w, level) }})
		}
	}
	add("treenail's gzip", func(w io.Writer, level int) (io.WriteCloser, error) {
		return NewLayerWriter(w, Compression{Level: max(level, 0)}), nil
	})
	add("pgzip", func(w io.Writer, level int) (io.WriteCloser, error) { return pgzip.NewWriterLevel(w, level) })
	add("klauspost's gzip", func(w io.Writer, level int) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, level) })
	add("Go's gzip", func(w io.Writer, level int) (io.WriteCloser, error) { return stdgzip.NewWriterLevel(w, level) })
	return all
}

func zstdCompressors() []Compressor {
	var all []Compressor
	for _, level := range []zstd.EncoderLevel{zstd.SpeedDefault, zstd.SpeedFastest, zstd.SpeedBetterCompression, zstd.SpeedBestCompression} {
		all = append(all, Compressor{"zstd, " + level.String(), func(w io.Writer) (io.WriteCloser, error) {
			return zstd.NewWriter(w, zstd.WithEncoderLevel(level))
		}})
	}
	return all
}
