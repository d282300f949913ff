package ostreerepo

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/klauspost/compress/flate"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sys/unix"
)

// objectWriter writes the file that holds a content object: under its final name
// when that is known, else without one. finish completes it; abort has to follow
// in any case, and drops the file if it is not finished.
type objectWriter struct {
	*put
	file     *os.File
	temp     *linuxfs.Temp // file, when it has no name yet
	path     string        // file's, when it has
	payload  payload
	finished bool
	z        *flate.Writer // archive only
	buf      *bufio.Writer // archive only
}

var bufWriters = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 64<<10) }}

// create begins to write an object whose name is settled. The error is
// fs.ErrExist when another goroutine has done so already.
func (p *put) create() (*objectWriter, error) {
	path := p.tx.repo.loosePath(p.name)
	file, err := p.tx.staging.open(path)
	if err != nil {
		return nil, err
	}
	return p.begin(&objectWriter{put: p, file: file, path: path})
}

// createUnnamed begins to write an object whose name will come of its contents.
func (p *put) createUnnamed() (*objectWriter, error) {
	temp, err := linuxfs.CreateTemp(p.tx.staging.fd(), 0o600)
	if err != nil {
		return nil, err
	}
	return p.begin(&objectWriter{put: p, file: temp.File, temp: temp})
}

func (p *put) begin(w *objectWriter) (*objectWriter, error) {
	err := p.tx.space.take(p.size)
	if err == nil && p.tx.repo.mode == ModeArchive {
		err = w.beginArchive()
	}
	if err != nil {
		w.abort()
		return nil, err
	}
	return w, nil
}

func (w *objectWriter) beginArchive() (err error) {
	w.buf = bufWriters.Get().(*bufio.Writer)
	w.buf.Reset(w.file)
	if w.z, err = w.tx.repo.flate.get(w.buf, w.tx.repo.zlibLevel); err != nil {
		return err
	}
	_, err = w.buf.Write(w.header.EncodeArchive(uint64(w.size)))
	return err
}

// Write takes the next bytes of the body.
func (w *objectWriter) Write(data []byte) (int, error) {
	if w.z != nil {
		return w.z.Write(data)
	}
	return w.file.Write(data)
}

// finish completes the file, and gives it the object's name when it has none.
func (w *objectWriter) finish() error {
	err := w.payload.share(w)
	if err == nil {
		err = w.complete()
	}
	if err == nil {
		err = w.tx.staging.syncObject(w.file)
	}
	if err == nil {
		err = w.seal()
	}
	created := true
	if err == nil && w.temp != nil {
		created, err = w.tx.staging.link(w.temp, w.tx.repo.loosePath(w.name))
	}
	w.finished = err == nil
	if err == nil {
		err = w.payload.remember(w.put)
	}
	return w.written(created, err)
}

func (w *objectWriter) seal() (err error) {
	w.file, err = w.tx.staging.verity.seal(w.file)
	if w.temp != nil {
		w.temp.File = w.file
	}
	return err
}

func (w *objectWriter) complete() error {
	h, fd := w.header, int(w.file.Fd())
	switch w.tx.repo.mode {
	case ModeArchive:
		if err := w.flush(); err != nil {
			return err
		}
		return unix.Fchmod(fd, 0o644)
	case ModeBareUser:
		if err := linuxfs.SetXattr(fd, userMetaXattr, h.EncodeUserMeta()); err != nil {
			return err
		}
		return w.setMode(userMode(h))
	case ModeBareUserOnly:
		return w.setMode(h.Mode & 0o775)
	case ModeBareSplitXattrs:
		if err := w.putSplitXattrs(); err != nil {
			return err
		}
		return w.setOwner(nil)
	}
	return w.setOwner(h.Xattrs)
}

// userMode is the mode of a bare-user object's file: readable by the owner, and
// without the bits that would mean something to others than the repository.
func userMode(h *object.FileHeader) uint32 {
	if h.IsSymlink() {
		return 0o644
	}
	return h.Mode&0o775 | 0o400
}

// setOwner makes the file what the header says. Changing the owner clears some
// mode bits and capabilities, so it comes first.
func (w *objectWriter) setOwner(xattrs object.Xattrs) error {
	fd := int(w.file.Fd())
	if err := unix.Fchown(fd, int(w.header.UID), int(w.header.GID)); err != nil {
		return fmt.Errorf("chown to %d:%d: %w", w.header.UID, w.header.GID, err)
	}
	for _, x := range xattrs {
		if err := linuxfs.SetXattr(fd, x.Name, x.Value); err != nil {
			return err
		}
	}
	return w.setMode(w.header.Mode & object.ModePerm)
}

// setMode ends a bare object: its time is always 0, so that checkouts by
// hardlink are reproducible.
func (w *objectWriter) setMode(mode uint32) error {
	fd := int(w.file.Fd())
	if err := unix.Fchmod(fd, mode); err != nil {
		return fmt.Errorf("chmod: %w", err)
	}
	return linuxfs.SetModTime(fd, time.Unix(0, 0))
}

func (w *objectWriter) flush() error {
	if err := w.z.Close(); err != nil {
		return err
	}
	return w.buf.Flush()
}

// abort releases what create took, and drops the file if it is not finished.
func (w *objectWriter) abort() {
	if w.z != nil {
		w.tx.repo.flate.put(w.z)
	}
	if w.buf != nil {
		w.buf.Reset(nil)
		bufWriters.Put(w.buf)
	}
	if w.temp != nil {
		w.temp.Close()
		return
	}
	w.file.Close()
	if !w.finished {
		w.tx.staging.unlink(w.path)
	}
}

// putSplitXattrs stores the xattrs of a bare-split-xattrs object: once under
// their own checksum, and as a hard link beside the object.
func (p *put) putSplitXattrs() error {
	r, s := p.tx.repo, p.tx.staging
	if r.mode != ModeBareSplitXattrs {
		return nil
	}
	data := p.header.Xattrs.Encode()
	set := r.loosePath(object.Name{Checksum: object.Sum(data), Type: object.TypeFileXattrs})
	link := r.loosePath(object.Name{Checksum: p.name.Checksum, Type: object.TypeFileXattrsLink})
	if err := s.makeDir(link); err != nil {
		return err
	}
	err := unix.Linkat(r.objectsFD(), set, s.fd(), link, 0)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err = s.write(set, data); err == nil {
			err = unix.Linkat(s.fd(), set, s.fd(), link, 0)
		}
	}
	switch {
	case errors.Is(err, unix.EMLINK): // too many files share the set: a copy will do
		_, err = s.write(link, data)
	case errors.Is(err, fs.ErrExist):
		err = nil
	}
	return err
}
