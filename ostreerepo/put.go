package ostreerepo

import (
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"sync"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sys/unix"
)

// smallFile is the size in bytes up to which a body is read into memory once,
// hashed, and written only when it is new.
const smallFile = 512 << 10

var smallBuffers = sync.Pool{New: func() any { b := make([]byte, smallFile); return &b }}

// PutFile adds a content object and returns its name. Size is the length of the
// body in bytes; body is nil for a symlink. A body that is an io.ReadSeeker may
// be read twice: an object that is there already is then not written again.
func (tx *Tx) PutFile(h object.FileHeader, size int64, body io.Reader) (object.Checksum, error) {
	tx.count(func(s *Stats) { s.ContentTotal++ })
	p := put{tx: tx, header: &h, size: size}
	if err := h.Validate(); err != nil {
		return object.Checksum{}, fmt.Errorf("content object: %w", err)
	}
	err := p.store(body)
	return p.name.Checksum, err
}

// PutFileAs adds a content object whose name is known. When header and body do
// not have that checksum nothing is kept and the error is an
// *object.ChecksumError. The body of an object that is there already is not read.
func (tx *Tx) PutFileAs(want object.Checksum, h object.FileHeader, size int64, body io.Reader) error {
	tx.count(func(s *Stats) { s.ContentTotal++ })
	p := put{tx: tx, header: &h, size: size, known: true}
	p.name = object.Name{Checksum: want, Type: object.TypeFile}
	if err := h.Validate(); err != nil {
		return tx.repo.objectError(p.name, err)
	}
	if exists, err := tx.Has(p.name); exists || err != nil {
		return err
	}
	return p.store(body)
}

// put is one content object on its way into a transaction.
type put struct {
	tx     *Tx
	header *object.FileHeader
	size   int64
	name   object.Name
	known  bool // name was given by the caller
}

func (p *put) store(body io.Reader) error {
	var err error
	seeker, seekable := body.(io.ReadSeeker)
	switch {
	case p.header.IsSymlink():
		err = p.storeSymlink()
	case p.size <= smallFile:
		err = p.storeSmall(body)
	case p.known || !seekable:
		err = p.storeStream(body)
	default:
		err = p.storeTwice(seeker)
	}
	if err != nil {
		return p.wrap(err)
	}
	return nil
}

// wrap names the object, when it is known already, and the repository.
func (p *put) wrap(err error) error {
	if p.name.Checksum.IsZero() {
		return fmt.Errorf("repo %s: content object: %w", p.tx.repo.path, err)
	}
	return p.tx.repo.objectError(p.name, err)
}

// settle compares the computed checksum with the known one, or takes it. It
// reports whether the object still has to be written.
func (p *put) settle(actual object.Checksum) (missing bool, err error) {
	if p.known {
		if actual != p.name.Checksum {
			return false, &object.ChecksumError{Name: p.name, Actual: actual}
		}
		return true, nil
	}
	p.name = object.Name{Checksum: actual, Type: object.TypeFile}
	exists, err := p.tx.Has(p.name)
	return !exists, err
}

func (p *put) storeSmall(body io.Reader) error {
	buf := smallBuffers.Get().(*[]byte)
	defer smallBuffers.Put(buf)
	data := (*buf)[:p.size]
	if p.size > 0 {
		if _, err := io.ReadFull(body, data); err != nil {
			return bodyError(err)
		}
	}
	link := p.newPayload()
	link.Write(data)
	missing, err := p.settle(p.header.Checksum(data))
	switch {
	case err != nil:
		return err
	case !missing:
		return link.remember(p)
	}
	return p.writeAll(data, link)
}

// writeAll writes an object whose name is settled and whose body is in memory.
func (p *put) writeAll(data []byte, link payload) error {
	w, err := p.create()
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer w.abort()
	w.payload = link
	if _, err := w.Write(data); err != nil {
		return err
	}
	return w.finish()
}

func bodyError(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("read body: %w", err)
}

// storeStream writes while it hashes. When the name was not known before, what
// turns out to be there already is dropped.
func (p *put) storeStream(body io.Reader) error {
	create := p.createUnnamed
	if p.known {
		create = p.create
	}
	w, err := create()
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer w.abort()
	w.payload = p.newPayload()
	sum := p.header.NewHash()
	if err := copyBody(io.MultiWriter(sum, w.payload, w), body, p.size); err != nil {
		return err
	}
	return w.conclude(sum)
}

// conclude finishes an object that is hashed now, unless it is there already.
func (w *objectWriter) conclude(sum hash.Hash) error {
	missing, err := w.put.settle(object.SumOf(sum))
	switch {
	case err != nil:
		return err
	case !missing:
		return w.payload.remember(w.put)
	}
	return w.finish()
}

// storeTwice hashes first, which costs little beside compressing or writing, and
// again while it writes, since a file may change in between.
func (p *put) storeTwice(body io.ReadSeeker) error {
	start, err := body.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	if start == 0 {
		if done, err := p.storeClone(body); done || err != nil {
			return err
		}
	}
	link := p.newPayload()
	sum := p.header.NewHash()
	if err := copyBody(io.MultiWriter(sum, link), body, p.size); err != nil {
		return err
	}
	missing, err := p.settle(object.SumOf(sum))
	switch {
	case err != nil:
		return err
	case !missing:
		return link.remember(p)
	}
	if _, err := body.Seek(start, io.SeekStart); err != nil {
		return err
	}
	p.known = true
	return p.storeStream(body)
}

// storeClone lets the object share the blocks of a file, where the repository
// keeps files as they are and the file system can.
func (p *put) storeClone(body io.Reader) (done bool, err error) {
	src, ok := body.(*os.File)
	if !ok || !p.tx.repo.mode.Bare() || p.tx.noClone.Load() {
		return false, nil
	}
	w, err := p.createUnnamed()
	if err != nil {
		return false, err
	}
	defer w.abort()
	if err := linuxfs.Clone(w.file, src); err != nil {
		if errors.Is(err, errors.ErrUnsupported) {
			p.tx.noClone.Store(true)
			return false, nil
		}
		return false, err
	}
	w.payload = p.newPayload()
	sum := p.header.NewHash()
	if err := copyBody(io.MultiWriter(sum, w.payload), w.file, p.size); err != nil {
		return false, err
	}
	return true, w.conclude(sum)
}

// copyBody copies exactly size bytes.
func copyBody(dst io.Writer, src io.Reader, size int64) error {
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	n, err := io.CopyBuffer(onlyWriter{dst}, onlyReader{io.LimitReader(src, size)}, *buf)
	if err != nil {
		return fmt.Errorf("copy body: %w", err)
	}
	if n < size {
		return bodyError(io.EOF)
	}
	return nil
}

// onlyReader and onlyWriter hide the methods with which io.Copy would bypass the
// pooled buffer.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

// storeSymlink writes a symlink: a real one, or the file that stands for it.
func (p *put) storeSymlink() error {
	if missing, err := p.settle(p.header.Checksum(nil)); !missing || err != nil {
		return err
	}
	switch p.tx.repo.mode {
	case ModeArchive:
		return p.storeArchiveSymlink()
	case ModeBareUser:
		return p.storeUserSymlink()
	}
	return p.storeRealSymlink()
}

func (p *put) storeArchiveSymlink() error {
	created, err := p.tx.staging.write(p.tx.repo.loosePath(p.name), p.header.EncodeArchive(0))
	return p.written(created, err)
}

func (p *put) storeUserSymlink() error {
	return p.writeAll(append([]byte(p.header.Target), 0), payload{})
}

func (p *put) storeRealSymlink() error {
	s := p.tx.staging
	if err := p.putSplitXattrs(); err != nil {
		return err
	}
	path := p.tx.repo.loosePath(p.name)
	if err := s.makeDir(path); err != nil {
		return err
	}
	err := unix.Symlinkat(p.header.Target, s.fd(), path)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err == nil {
		err = p.completeSymlink(path)
	}
	if err != nil {
		s.unlink(path)
	}
	return p.written(true, err)
}

func (p *put) completeSymlink(path string) error {
	s := p.tx.staging
	if p.tx.repo.mode != ModeBareUserOnly {
		if err := unix.Fchownat(s.fd(), path, int(p.header.UID), int(p.header.GID), unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return fmt.Errorf("chown: %w", err)
		}
	}
	if p.tx.repo.mode == ModeBare {
		for _, x := range p.header.Xattrs {
			if err := linuxfs.SetLXattr(s.fd(), path, x.Name, x.Value); err != nil {
				return err
			}
		}
	}
	return nil
}

// written counts the object when this call created it.
func (p *put) written(created bool, err error) error {
	if err == nil && created {
		p.tx.count(func(s *Stats) { s.ContentWritten++; s.ContentBytes += p.size })
	}
	return err
}
