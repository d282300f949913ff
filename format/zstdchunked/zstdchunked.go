// Package zstdchunked writes a tar as zstd:chunked, the form of a layer of which
// clients fetch single files: each file is a zstd frame of its own, and behind the
// last there are, in skippable frames that other readers of zstd pass over,
//
//	a table of contents   JSON: headers of all entries, SHA-256 and place of the bodies; zstd
//	tar-split             what is needed to make the tar of the bodies again; zstd
//	a footer              64 bytes, where these two are
//
// Annotations of the layer's descriptor tell the same as the footer. The format is
// that of go.podman.io/storage/pkg/chunked, whose types say what is in it. Its own
// writer is not used because what it writes depends on the time zone.
package zstdchunked

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/vbatts/tar-split/archive/tar"
	"github.com/vbatts/tar-split/tar/asm"
	"github.com/vbatts/tar-split/tar/storage"
)

// Annotations of a layer: the digest of the compressed table, and where table and
// tar-split are ("OFFSET:SIZE:UNCOMPRESSED", the table's with ":1" for its form).
const (
	AnnotationChecksum = "io.github.containers.zstd-chunked.manifest-checksum"
	AnnotationPosition = "io.github.containers.zstd-chunked.manifest-position"
	AnnotationTarSplit = "io.github.containers.zstd-chunked.tarsplit-position"
)

const (
	tableForm      = 1          // of the footer's and annotation's forms of tables, the only one
	skippableMagic = 0x184d2a50 // RFC 8878, 3.1.2
	footerMagic    = "GNUlInUx"
	frameHeader    = 8
)

// A Writer compresses one tar. It holds in memory what goes behind the last file.
type Writer struct {
	in     *io.PipeWriter
	done   chan struct{}
	err    error // of the writing goroutine, once done is closed
	result map[string]string
}

// NewWriter returns a Writer to w. A tar with two entries of one name cannot be in
// the format. Levels are those of zstd, 1 to 22. The caller
// must call Close, also after an error.
func NewWriter(w io.Writer, level int) (*Writer, error) {
	s, err := newStream(w, level)
	if err != nil {
		return nil, err
	}
	out, in := io.Pipe()
	z := &Writer{in: in, done: make(chan struct{})}
	go func() {
		defer close(z.done)
		z.result, z.err = s.run(out)
		out.CloseWithError(z.err)
	}()
	return z, nil
}

// Write takes the next bytes of the tar.
func (z *Writer) Write(p []byte) (int, error) { return z.in.Write(p) }

// Close writes table and footer. What was written is only of use if it succeeds.
func (z *Writer) Close() error {
	z.in.Close()
	<-z.done
	return z.err
}

// Annotations returns, after Close, those of the layer.
func (z *Writer) Annotations() map[string]string { return z.result }

// entry is a line of the table (FileMetadata of storage's package minimal).
type entry struct {
	Type       string            `json:"type"`
	Name       string            `json:"name"`
	Linkname   string            `json:"linkName,omitempty"`
	Mode       int64             `json:"mode,omitempty"`
	Size       int64             `json:"size,omitempty"`
	UID        int               `json:"uid,omitempty"`
	GID        int               `json:"gid,omitempty"`
	ModTime    time.Time         `json:"modtime,omitzero"`
	AccessTime time.Time         `json:"accesstime,omitzero"`
	ChangeTime time.Time         `json:"changetime,omitzero"`
	Devmajor   int64             `json:"devMajor,omitempty"`
	Devminor   int64             `json:"devMinor,omitempty"`
	Xattrs     map[string]string `json:"xattrs,omitempty"` // base64
	Digest     string            `json:"digest,omitempty"`
	Offset     int64             `json:"offset,omitempty"`
	EndOffset  int64             `json:"endOffset,omitempty"`
}

var types = map[byte]string{
	tar.TypeReg: "reg", tar.TypeLink: "hardlink", tar.TypeSymlink: "symlink", tar.TypeDir: "dir",
	tar.TypeChar: "char", tar.TypeBlock: "block", tar.TypeFifo: "fifo",
}

func newEntry(h *tar.Header) (e entry, err error) {
	e = entry{
		Type: types[h.Typeflag], Name: h.Name, Linkname: h.Linkname, Mode: h.Mode, Size: h.Size, UID: h.Uid, GID: h.Gid,
		ModTime: h.ModTime.UTC(), AccessTime: h.AccessTime.UTC(), ChangeTime: h.ChangeTime.UTC(),
		Devmajor: h.Devmajor, Devminor: h.Devminor, Xattrs: make(map[string]string),
	}
	if e.Type == "" {
		return e, fmt.Errorf("tar entry %q: type %q cannot be in a table of contents", h.Name, h.Typeflag)
	}
	for key, value := range h.PAXRecords {
		if name, ok := strings.CutPrefix(key, "SCHILY.xattr."); ok {
			e.Xattrs[name] = base64.StdEncoding.EncodeToString([]byte(value))
		}
	}
	return e, nil
}

// stream is the work of a Writer.
type stream struct {
	out   counter
	zip   *zstd.Encoder
	level zstd.EncoderLevel
	table []entry
	buf   []byte
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func newStream(w io.Writer, level int) (s *stream, err error) {
	s = &stream{out: counter{w: w}, level: zstd.EncoderLevelFromZstd(level), buf: make([]byte, 64<<10)}
	s.zip, err = s.encoder(&s.out)
	return s, err
}

// encoder makes an encoder without goroutines: most frames are small.
func (s *stream) encoder(w io.Writer) (*zstd.Encoder, error) {
	return zstd.NewWriter(w, zstd.WithEncoderLevel(s.level), zstd.WithEncoderConcurrency(1))
}

// run reads the tar and writes everything.
func (s *stream) run(in io.Reader) (map[string]string, error) {
	var split bytes.Buffer
	zip, err := s.encoder(&split)
	if err != nil {
		return nil, err
	}
	var size counter
	size.w = zip
	if err := s.files(in, storage.NewJSONPacker(&size)); err != nil {
		return nil, fmt.Errorf("zstd:chunked: %w", err)
	}
	if err := errors.Join(s.zip.Close(), zip.Close()); err != nil {
		return nil, err
	}
	return s.end(split.Bytes(), size.n)
}

// files writes all of the tar and tells packer its framing.
func (s *stream) files(in io.Reader, packer storage.Packer) (err error) {
	framed, done, err := asm.NewInputTarStreamWithDone(fullReader{in}, packer, nil)
	if err != nil {
		return err
	}
	defer func() {
		framed.Close()
		if packed := <-done; err == nil {
			err = packed
		}
	}()
	r := tar.NewReader(framed)
	r.RawAccounting = true
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if err := s.file(h, r); err != nil {
			return err
		}
	}
	if _, err := s.zip.Write(r.RawBytes()); err != nil {
		return err
	}
	_, err = io.CopyBuffer(plainWriter{s.zip}, framed, s.buf)
	return err
}

// A fullReader fills what it is given: the pieces of tar-split are as large as the
// reads of a tar's end, and must not depend on the writes that they come from.
type fullReader struct{ r io.Reader }

func (f fullReader) Read(p []byte) (int, error) {
	n, err := io.ReadFull(f.r, p)
	if err == io.ErrUnexpectedEOF {
		err = nil // the next Read says it
	}
	return n, err
}

// plainWriter hides other methods of a writer, which would not use our buffer.
type plainWriter struct{ io.Writer }

// file writes one entry: the header ends a frame, the body is one.
func (s *stream) file(h *tar.Header, r *tar.Reader) error {
	if _, err := s.zip.Write(r.RawBytes()); err != nil {
		return err
	}
	e, err := newEntry(h)
	if err != nil {
		return err
	}
	if h.Size > 0 && h.Typeflag == tar.TypeReg {
		if err := s.nextFrame(); err != nil {
			return err
		}
		e.Offset = s.out.n
		sum := sha256.New()
		if _, err := io.CopyBuffer(plainWriter{io.MultiWriter(sum, s.zip)}, r, s.buf); err != nil {
			return err
		}
		if err := s.nextFrame(); err != nil {
			return err
		}
		e.EndOffset = s.out.n
		e.Digest = fmt.Sprintf("sha256:%x", sum.Sum(nil))
	}
	s.table = append(s.table, e)
	return nil
}

func (s *stream) nextFrame() error {
	if err := s.zip.Close(); err != nil {
		return err
	}
	s.zip.Reset(&s.out)
	return nil
}

// end writes what is behind the files and returns the annotations.
func (s *stream) end(split []byte, splitSize int64) (map[string]string, error) {
	table, err := json.Marshal(struct {
		Version        int     `json:"version"`
		Entries        []entry `json:"entries"`
		TarSplitDigest string  `json:"tarSplitDigest"`
	}{1, s.table, fmt.Sprintf("sha256:%x", sha256.Sum256(split))})
	if err != nil {
		return nil, err
	}
	var packed bytes.Buffer
	zip, err := s.encoder(&packed)
	if err != nil {
		return nil, err
	}
	zip.Write(table) // into memory: Close has the errors
	if err := zip.Close(); err != nil {
		return nil, err
	}
	tableAt := s.out.n + frameHeader
	splitAt := tableAt + int64(packed.Len()) + frameHeader
	var footer []byte
	for _, n := range []int64{
		tableAt, int64(packed.Len()), int64(len(table)), tableForm, splitAt, int64(len(split)), splitSize,
	} {
		footer = binary.LittleEndian.AppendUint64(footer, uint64(n))
	}
	footer = append(footer, footerMagic...)
	for _, data := range [][]byte{packed.Bytes(), split, footer} {
		if err := s.skippable(data); err != nil {
			return nil, err
		}
	}
	return map[string]string{
		AnnotationChecksum: fmt.Sprintf("sha256:%x", sha256.Sum256(packed.Bytes())),
		AnnotationPosition: fmt.Sprintf("%d:%d:%d:%d", tableAt, packed.Len(), len(table), tableForm),
		AnnotationTarSplit: fmt.Sprintf("%d:%d:%d", splitAt, len(split), splitSize),
	}, nil
}

func (s *stream) skippable(data []byte) error {
	head := binary.LittleEndian.AppendUint32(nil, skippableMagic)
	head = binary.LittleEndian.AppendUint32(head, uint32(len(data)))
	if _, err := s.out.Write(head); err != nil {
		return err
	}
	_, err := s.out.Write(data)
	return err
}
