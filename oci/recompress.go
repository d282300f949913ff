package oci

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"iter"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	stdflate "compress/flate"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"

	"github.com/treenail/treenail/format/deflate"
)

// A Compressor compresses as some program does, so that a layer can be made again
// as it was.
type Compressor struct {
	Name string // for people
	New  func(io.Writer) (io.WriteCloser, error)
}

// SampleHead and SampleTar are how many bytes of a layer a Sample has of either
// form. What is shorter is all there is.
const (
	SampleHead = 64 << 10
	SampleTar  = 2 << 20
)

// A Sample is how a layer begins.
type Sample struct {
	MediaType string
	Head      []byte // as it is stored in the image; none: that is not known
	Tar       []byte // and as a tar
}

// NewSample returns the sample of a layer.
func NewSample(d Descriptor, diffID DiffID, head, tar []byte) Sample {
	s := Sample{d.MediaType, head, tar}
	if string(d.Digest) == string(diffID) { // see OpenLayer
		s.MediaType = MediaTypeLayer
	}
	return s
}

// A Recognizer finds out what compressed layers. What it found last it tries first,
// because the layers of an image often come from one program. The zero value is
// ready, and for several goroutines.
type Recognizer struct {
	last sync.Map // from media types to names
}

// Compressors yields the known compressors that make the head of a sample out of its
// tar. There is rarely more than one, but only the digest of the whole layer tells.
func (r *Recognizer) Compressors(s Sample) iter.Seq[Compressor] {
	return func(yield func(Compressor) bool) {
		groups := knownCompressors(s)
		last, _ := r.last.Load(s.MediaType)
		for _, again := range []bool{true, false} {
			for _, g := range groups {
				if slices.ContainsFunc(g.members, func(c Compressor) bool { return c.Name == last }) != again || !g.possible(s) {
					continue
				}
				for _, c := range g.members {
					if !makes(c.New, s.Tar, s.Head, len(s.Tar) < SampleTar) {
						continue
					}
					r.last.Store(s.MediaType, c.Name)
					if !yield(c) {
						return
					}
				}
			}
		}
	}
}

// group is compressors that make the same of the first bytes of a tar.
type group struct {
	first   func(io.Writer) (io.WriteCloser, error) // makes that too; nil: nothing does
	members []Compressor
}

// sameStart is how many bytes of tar the members of a group begin alike with, and
// begin to tell groups apart.
const sameStart = 128 << 10

func (g *group) possible(s Sample) bool {
	return g.first == nil || makes(g.first, s.Tar[:min(len(s.Tar), sameStart)], s.Head, false)
}

// knownCompressors are the ways in which the layer of a sample may have been compressed,
// the likeliest first.
func knownCompressors(s Sample) []group {
	switch s.MediaType {
	case MediaTypeLayer, MediaTypeDockerLayer:
		return []group{{members: []Compressor{{"none", func(w io.Writer) (io.WriteCloser, error) { return nopCloser{w}, nil }}}}}
	case MediaTypeLayerGzip, MediaTypeDockerLayerGzip:
		return gzipCompressors(s.Head)
	case MediaTypeLayerZstd, MediaTypeDockerLayerZstd:
		return zstdCompressors()
	}
	return nil
}

// gzipCompressors takes the header from the file, so that only the stream behind it
// has to be recognised. Without a head it is what Go programs write.
func gzipCompressors(head []byte) (groups []group) {
	if len(head) == 0 {
		for _, level := range []int{6, 9, 1, 5, 4, 3, 7, 8, 2} {
			xfl := map[int]byte{1: 4, 9: 2}[level]
			groups = append(groups, gzipGroups([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, xfl, 0xff}, level)...)
		}
		return groups
	}
	header, ok := gzipHeader(head)
	if !ok {
		return nil
	}
	for _, level := range gzipLevels(header) {
		groups = append(groups, gzipGroups(header, level)...)
	}
	return groups
}

func gzipGroups(header []byte, level int) (groups []group) {
	add := func(first streamFunc, programs ...program) {
		g := group{first: framed(header, first, level)}
		for _, p := range programs {
			g.members = append(g.members, Compressor{fmt.Sprintf("%s, level %d", p.name, level), p.make(header, level)})
		}
		groups = append(groups, g)
	}
	zlib, gzip := imitated(deflate.Zlib), imitated(deflate.Gzip)
	add(klauspost, program{"pgzip", inBlocks(blockSize)}, program{"klauspost's gzip", stream(klauspost)}, program{"umoci", inBlocks(256 << 10)})
	add(zlib, program{"zlib", stream(zlib)}, program{"pigz", stream(imitated(deflate.Pigz))})
	add(standard, program{"Go's gzip", stream(standard)})
	add(gzip, program{"gzip", stream(gzip)})
	return groups
}

// program makes gzip files with a header.
type program struct {
	name string
	make func(header []byte, level int) func(io.Writer) (io.WriteCloser, error)
}

// streamFunc makes deflate streams.
type streamFunc func(w io.Writer, level int) (io.WriteCloser, error)

func klauspost(w io.Writer, level int) (io.WriteCloser, error) { return flate.NewWriter(w, level) }
func standard(w io.Writer, level int) (io.WriteCloser, error)  { return stdflate.NewWriter(w, level) }

func imitated(as deflate.Program) streamFunc {
	return func(w io.Writer, level int) (io.WriteCloser, error) { return deflate.NewWriter(w, as, level) }
}

// stream is for programs whose files are a stream with a frame.
func stream(s streamFunc) func([]byte, int) func(io.Writer) (io.WriteCloser, error) {
	return func(header []byte, level int) func(io.Writer) (io.WriteCloser, error) {
		return framed(header, s, level)
	}
}

// inBlocks is for programs that use pgzip, with blocks of a size in bytes.
func inBlocks(size int) func([]byte, int) func(io.Writer) (io.WriteCloser, error) {
	return func(header []byte, level int) func(io.Writer) (io.WriteCloser, error) {
		return func(w io.Writer) (io.WriteCloser, error) {
			zip, err := pgzip.NewWriterLevel(&reheader{w, header, gzipFixedHeader}, level)
			if err == nil {
				err = zip.SetConcurrency(size, min(4, runtime.GOMAXPROCS(0)))
			}
			return zip, err
		}
	}
}

// gzipLevels are the levels that a header allows, the likeliest first. Its byte XFL
// is 2 for level 9 and 4 for level 1, but some programs always write 2.
func gzipLevels(header []byte) []int {
	switch header[8] {
	case 0:
		return []int{6, 5, 4, 3, 7, 8, 2}
	case 4:
		return []int{1}
	}
	return []int{9, 6, 1, 5, 4, 3, 7, 8, 2}
}

const gzipFixedHeader = 10

// gzipHeader is the header at the begin of a gzip file, see RFC 1952, section 2.3.
func gzipHeader(head []byte) ([]byte, bool) {
	if len(head) < gzipFixedHeader || !bytes.HasPrefix(head, []byte{0x1f, 0x8b, 8}) {
		return nil, false
	}
	const (
		flagCRC = 1 << (iota + 1)
		flagExtra
		flagName
		flagComment
	)
	flags, n := head[3], gzipFixedHeader
	if flags&flagExtra != 0 && len(head) >= n+2 {
		n += 2 + int(binary.LittleEndian.Uint16(head[n:]))
	}
	for _, flag := range []byte{flagName, flagComment} {
		if flags&flag != 0 && n < len(head) {
			n += 1 + max(bytes.IndexByte(head[n:], 0), 0)
		}
	}
	if flags&flagCRC != 0 {
		n += 2
	}
	if n > len(head) {
		return nil, false
	}
	return head[:n], true
}

// gzipFile puts a deflate stream between a header and the trailer.
type gzipFile struct {
	w      io.Writer
	stream io.WriteCloser
	sum    hash.Hash32
	size   uint32
}

func framed(header []byte, stream streamFunc, level int) func(io.Writer) (io.WriteCloser, error) {
	return func(w io.Writer) (io.WriteCloser, error) {
		if _, err := w.Write(header); err != nil {
			return nil, err
		}
		z, err := stream(w, level)
		return &gzipFile{w: w, stream: z, sum: crc32.NewIEEE()}, err
	}
}

func (g *gzipFile) Write(p []byte) (int, error) {
	g.sum.Write(p)
	g.size += uint32(len(p))
	return g.stream.Write(p)
}

func (g *gzipFile) Close() error {
	if err := g.stream.Close(); err != nil {
		return err
	}
	_, err := g.w.Write(binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(nil, g.sum.Sum32()), g.size))
	return err
}

// reheader gives a gzip file with the shortest header another.
type reheader struct {
	w      io.Writer
	header []byte
	drop   int
}

func (h *reheader) Write(p []byte) (int, error) {
	if h.header != nil {
		if _, err := h.w.Write(h.header); err != nil {
			return 0, err
		}
		h.header = nil
	}
	n := min(h.drop, len(p))
	h.drop -= n
	if n == len(p) {
		return n, nil
	}
	m, err := h.w.Write(p[n:])
	return n + m, err
}

func zstdCompressors() (groups []group) {
	for _, level := range []zstd.EncoderLevel{zstd.SpeedDefault, zstd.SpeedFastest, zstd.SpeedBetterCompression, zstd.SpeedBestCompression} {
		groups = append(groups, group{members: []Compressor{{"zstd, " + level.String(), func(w io.Writer) (io.WriteCloser, error) {
			return zstd.NewWriter(w, zstd.WithEncoderLevel(level))
		}}}})
	}
	return groups
}

// makes reports whether a compressor makes something that begins with head out of
// something that begins with tar, as far as that can be seen. Whole says that there
// is no more of tar.
func makes(open func(io.Writer) (io.WriteCloser, error), tar, head []byte, whole bool) bool {
	if len(head) == 0 {
		return true
	}
	cmp := &headWriter{head: head}
	zip, err := open(cmp)
	if err != nil {
		return false
	}
	for len(tar) > 0 && !cmp.over.Load() && err == nil {
		n := min(len(tar), 64<<10)
		_, err = zip.Write(tar[:n])
		tar = tar[n:]
	}
	// Nobody knows what the compressor makes of the last bytes of a sample that is
	// not whole. But one that works in blocks has its blocks of the sample done,
	// and only has to be waited for.
	unsure := 0
	if _, blocks := zip.(*pgzip.Writer); blocks {
		unsure = 32 // what it writes at an end
	} else if !whole {
		cmp.over.Store(true)
	}
	if closeErr := zip.Close(); err == nil {
		err = closeErr
	}
	switch {
	case err != nil:
		return false
	case whole:
		return cmp.same == cmp.n && cmp.n == len(head)
	}
	return cmp.same >= cmp.n-unsure
}

// headWriter compares what is written with a head, as far as that goes. It never
// fails, because compressors that write from goroutines of their own do not take
// errors well.
type headWriter struct {
	head []byte
	n    int         // bytes compared
	same int         // of them, before the first that differs
	over atomic.Bool // nothing more is compared
}

func (h *headWriter) Write(p []byte) (int, error) {
	size := len(p)
	if h.over.Load() {
		return size, nil
	}
	if len(h.head) == SampleHead {
		p = p[:min(len(p), len(h.head)-h.n)]
	}
	same := 0
	for want := h.head[h.n:]; same < min(len(p), len(want)) && p[same] == want[same]; {
		same++
	}
	h.n += len(p)
	h.same += same
	h.over.Store(same < len(p) || h.n == SampleHead)
	return size, nil
}
