package ostreetar

import (
	"archive/tar"
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/treenail/treenail/format/object"
)

// ReplaceDetached copies the uncompressed tar of a first layer from r to w, with
// metadata, the bytes of an a{sv}, as the detached metadata of the commit. Nil leaves
// it without any. All else stays byte for byte.
func ReplaceDetached(w io.Writer, r io.Reader, metadata []byte) error {
	in := &recorded{r: bufio.NewReaderSize(r, bufferSize)}
	e := &detachedEditor{in: in, tar: tar.NewReader(in), w: w, metadata: metadata}
	for {
		err := e.next()
		if err == io.EOF {
			return e.end()
		}
		if err != nil {
			return err
		}
	}
}

// recorded keeps what is read while that is wanted. archive/tar reads no further than
// the header, or the body, that it was asked for.
type recorded struct {
	r    io.Reader
	want bool
	raw  bytes.Buffer
}

func (r *recorded) Read(p []byte) (int, error) {
	n, err := r.r.Read(p)
	if r.want {
		r.raw.Write(p[:n])
	}
	return n, err
}

// detachedEditor is one ReplaceDetached.
type detachedEditor struct {
	in       *recorded
	tar      *tar.Reader
	w        io.Writer
	metadata []byte

	pad     int64           // bytes that fill up the last entry
	dropped bool            // the last entry was not written
	commit  object.Checksum // zero: not met yet
	insert  bool            // the last entry was the commit
}

// next copies an entry, or leaves it out.
func (e *detachedEditor) next() error {
	h, err := e.header()
	if err != nil {
		return err
	}
	name, ok := ParseObjectPath(strings.TrimPrefix(h.Name, "./"))
	e.dropped = ok && name.Type == object.TypeCommitMeta
	if ok && name.Type == object.TypeCommit {
		if !e.commit.IsZero() {
			return errors.New("multiple commit objects")
		}
		e.commit, e.insert = name.Checksum, true
	}
	if isSparse(h) {
		return fmt.Errorf("entry %.300q: sparse file", h.Name)
	}
	out := e.w
	if e.dropped {
		out = io.Discard
	} else if _, err := e.w.Write(e.in.raw.Bytes()); err != nil {
		return err
	}
	n, err := io.Copy(out, e.tar)
	e.pad = -n & (blockSize - 1)
	return err
}

// header reads a header, all its parts, after it has written what comes before it.
func (e *detachedEditor) header() (*tar.Header, error) {
	e.in.raw.Reset()
	e.in.want = true
	h, err := e.tar.Next()
	e.in.want = false
	if err != nil && err != io.EOF {
		return nil, err
	}
	if int64(e.in.raw.Len()) < e.pad {
		return nil, io.ErrUnexpectedEOF
	}
	pad := e.in.raw.Next(int(e.pad))
	if !e.dropped {
		if _, err := e.w.Write(pad); err != nil {
			return nil, err
		}
	}
	if e.insert && e.metadata != nil {
		entry, err := detachedEntry(e.commit, e.metadata)
		if err != nil {
			return nil, err
		}
		if _, err := e.w.Write(entry); err != nil {
			return nil, err
		}
	}
	e.insert = false
	return h, err
}

// end copies what is behind the last entry.
func (e *detachedEditor) end() error {
	if e.commit.IsZero() {
		return errors.New("commit object not found: this is no first layer")
	}
	if e.in.raw.Len() < 2*blockSize {
		return io.ErrUnexpectedEOF // archive/tar takes a tar without its end
	}
	if _, err := e.w.Write(e.in.raw.Bytes()); err != nil {
		return err
	}
	_, err := io.Copy(e.w, e.in.r)
	return err
}

// detachedEntry is the part of a tar with detached metadata.
func detachedEntry(commit object.Checksum, metadata []byte) ([]byte, error) {
	var b bytes.Buffer
	w := NewWriter(&b)
	w.Metadata(object.Name{Checksum: commit, Type: object.TypeCommitMeta}, metadata) //nolint:errcheck // Close has it
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes()[:b.Len()-2*blockSize], nil
}
