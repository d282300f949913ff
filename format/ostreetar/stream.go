package ostreetar

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/treenail/treenail/format/object"
)

// write appends p to the buffer, flushing as often as needed.
func (w *Writer) write(p []byte) {
	for len(p) > 0 && w.err == nil {
		if len(w.buf) == cap(w.buf) {
			w.flush()
			continue
		}
		n := min(len(p), cap(w.buf)-len(w.buf))
		w.buf = append(w.buf, p[:n]...)
		p = p[n:]
	}
}

func (w *Writer) flush() {
	if w.err == nil && len(w.buf) > 0 {
		_, w.err = w.w.Write(w.buf)
	}
	w.buf = w.buf[:0]
}

// pad fills the last block of an entry of size bytes.
func (w *Writer) pad(size int64) {
	if rest := int(size % blockSize); rest > 0 {
		w.write(zeros[:blockSize-rest])
	}
}

// copy reads size bytes of body straight into the buffer, and then the end of
// the body, where a verifying reader says what it thinks.
func (w *Writer) copy(size int64, body io.Reader) error {
	if body == nil {
		body = bytes.NewReader(nil)
	}
	for rest := size; rest > 0 && w.err == nil; {
		if len(w.buf) == cap(w.buf) {
			w.flush()
		}
		room := w.buf[len(w.buf):cap(w.buf)]
		n, err := readSome(body, room[:min(rest, int64(len(room)))])
		w.buf = w.buf[:len(w.buf)+n]
		rest -= int64(n)
		if err != nil && rest > 0 {
			return shortBody(err, size-rest, size)
		}
	}
	w.pad(size)
	if w.err != nil {
		return w.err
	}
	return readEnd(body, size)
}

func shortBody(err error, got, want int64) error {
	if err == io.EOF {
		return fmt.Errorf("body of %d bytes, want %d: %w", got, want, io.ErrUnexpectedEOF)
	}
	return err
}

// readSome reads at least one byte into p, or returns an error.
func readSome(r io.Reader, p []byte) (int, error) {
	for range 100 {
		if n, err := r.Read(p); n > 0 || err != nil {
			return n, err
		}
	}
	return 0, io.ErrNoProgress
}

func readEnd(body io.Reader, size int64) error {
	n, err := readSome(body, make([]byte, 1))
	switch {
	case n > 0:
		return fmt.Errorf("body longer than %d bytes", size)
	case err == io.EOF:
		return nil
	}
	return err
}

// paxRecords repeats the xattrs for the container runtime. The SELinux label is
// left out: it is the host's business there.
func paxRecords(xattrs object.Xattrs) ([]byte, error) {
	var out []byte
	for _, x := range xattrs {
		if x.Name == object.LabelXattr {
			continue
		}
		if !utf8.ValidString(x.Name) {
			return nil, fmt.Errorf("xattr name %q is not UTF-8", x.Name)
		}
		out = appendRecord(out, "SCHILY.xattr."+x.Name, x.Value)
	}
	if len(out) > MaxXattrs {
		return nil, errors.New("too many xattrs for a PAX header")
	}
	return out, nil
}

// appendRecord appends "LEN KEY=VALUE\n", where LEN counts itself.
func appendRecord(out []byte, key string, value []byte) []byte {
	rest := len(" ") + len(key) + len("=") + len(value) + len("\n")
	size := rest + len(strconv.Itoa(rest))
	if len(strconv.Itoa(size)) > size-rest {
		size++
	}
	out = strconv.AppendInt(out, int64(size), 10)
	out = append(append(append(out, ' '), key...), '=')
	return append(append(out, value...), '\n')
}
