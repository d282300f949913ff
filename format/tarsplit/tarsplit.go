// Package tarsplit keeps what a tar has around the bodies of its files, so that
// the tar can be put together again bit for bit from the bodies, which are kept
// somewhere else.
//
// The form is that of github.com/vbatts/tar-split, which container storages use: a
// line of JSON for each piece, either raw bytes or the size and CRC-64 of a body.
// Unlike there, a file may occur more than once, and only bodies that the caller
// names are left out: all other bytes of the tar are raw.
package tarsplit

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc64"
	"io"

	"github.com/vbatts/tar-split/tar/storage"
)

// maxRaw is how many raw bytes one piece has at most.
const maxRaw = 64 << 10

// Recorder writes the pieces of a tar while that is read: it is given all bytes of
// the tar in order, and before each body that is kept elsewhere, Payload is called.
type Recorder struct {
	enc  *json.Encoder
	out  *bufio.Writer
	raw  []byte
	left int64 // of the payload that is passing
	name string
	size int64
	sum  hash.Hash64
	n    int // pieces
	err  error
}

// NewRecorder returns a Recorder that writes to w.
func NewRecorder(w io.Writer) *Recorder {
	out := bufio.NewWriter(w)
	return &Recorder{enc: json.NewEncoder(out), out: out, raw: make([]byte, 0, maxRaw), sum: crc64.New(storage.CRCTable)}
}

// Payload says that the next size bytes are a body that is kept elsewhere.
func (r *Recorder) Payload(name string, size int64) {
	if size == 0 {
		return
	}
	if r.left > 0 && r.err == nil {
		r.err = fmt.Errorf("body of %q begins before that of %q has ended", name, r.name)
	}
	r.flush()
	r.name, r.size, r.left = name, size, size
	r.sum.Reset()
}

// Write takes bytes of the tar. Its errors come with Close.
func (r *Recorder) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if r.left > 0 {
			part := p[:min(r.left, int64(len(p)))]
			r.sum.Write(part)
			r.left -= int64(len(part))
			p = p[len(part):]
			if r.left == 0 {
				r.payload()
			}
			continue
		}
		part := p[:min(maxRaw-len(r.raw), len(p))]
		r.raw = append(r.raw, part...)
		p = p[len(part):]
		if len(r.raw) == maxRaw {
			r.flush()
		}
	}
	return n, nil
}

func (r *Recorder) payload() {
	e := storage.Entry{Type: storage.FileType, Size: r.size, Payload: r.sum.Sum(nil)}
	e.SetName(r.name)
	r.add(e)
}

func (r *Recorder) flush() {
	if len(r.raw) > 0 {
		r.add(storage.Entry{Type: storage.SegmentType, Payload: r.raw})
		r.raw = r.raw[:0]
	}
}

func (r *Recorder) add(e storage.Entry) {
	e.Position = r.n
	r.n++
	if err := r.enc.Encode(e); err != nil && r.err == nil {
		r.err = err
	}
}

// Close writes the last piece.
func (r *Recorder) Close() error {
	if r.left > 0 && r.err == nil {
		r.err = fmt.Errorf("body of %q: %d bytes are missing", r.name, r.left)
	}
	r.flush()
	if err := r.out.Flush(); err != nil && r.err == nil {
		r.err = err
	}
	return r.err
}

// maxLine bounds the length of one piece as JSON, in bytes.
const maxLine = 4 << 20

// Assemble writes the tar whose pieces are read from pieces. For each body, in
// order, open is called; that it is the right one is verified.
func Assemble(w io.Writer, pieces io.Reader, open func(name string, size int64) (io.ReadCloser, error)) error {
	lines := bufio.NewScanner(pieces)
	lines.Buffer(make([]byte, 0, 128<<10), maxLine)
	sum := crc64.New(storage.CRCTable)
	for lines.Scan() {
		var e storage.Entry
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return fmt.Errorf("pieces of a tar: %w", err)
		}
		switch e.Type {
		case storage.SegmentType:
			if _, err := w.Write(e.Payload); err != nil {
				return err
			}
		case storage.FileType:
			if err := copyBody(w, sum, &e, open); err != nil {
				return fmt.Errorf("body of %.300q: %w", e.GetName(), err)
			}
		default:
			return fmt.Errorf("pieces of a tar: unknown type %d", e.Type)
		}
	}
	return lines.Err()
}

func copyBody(w io.Writer, sum hash.Hash64, e *storage.Entry, open func(string, int64) (io.ReadCloser, error)) error {
	if e.Size <= 0 {
		return nil
	}
	body, err := open(e.GetName(), e.Size)
	if err != nil {
		return err
	}
	defer body.Close()
	sum.Reset()
	n, err := io.Copy(io.MultiWriter(w, sum), body)
	if err != nil {
		return err
	}
	if n != e.Size || string(sum.Sum(nil)) != string(e.Payload) {
		return errors.New("not the body that was recorded")
	}
	return nil
}
