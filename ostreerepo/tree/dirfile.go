package tree

import (
	"os"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
	"github.com/treenail/treenail/ostreerepo"
	"golang.org/x/sys/unix"
)

// entryAt is a regular file or symlink as the walk found it.
type entryAt struct {
	name string // in its directory
	path string // in the tree
	st   unix.Stat_t
}

func (e *entryAt) regular() bool { return uint32(e.st.Mode)&object.ModeTypeMask == object.ModeRegular }

// file puts a file in the tree and has a worker store it, unless its object is
// known already.
func (w *dirWalk) file(s *source, dst *dir, e entryAt) error {
	known, ok := w.known(&e)
	if ok && w.takesKnown() {
		w.t.tx.CountCacheHit()
		w.t.report(e.st.Size)
		return dst.setFile(e.name, &file{known})
	}
	f, store := w.plan(s, &e, known, ok)
	if err := dst.setFile(e.name, f); err != nil {
		return err
	}
	s.users.Add(1)
	err := w.pool.Do(func() error { return w.release(s, store()) })
	if err != nil {
		w.release(s, err)
	}
	return err
}

// plan returns the entry's place in the tree and what will fill it: with a known
// object, or from the file.
func (w *dirWalk) plan(s *source, e *entryAt, known object.Checksum, isKnown bool) (f *file, store func() error) {
	f = &file{}
	if isKnown {
		return f, func() error { return w.storeKnown(s, e, f, known) }
	}
	if e.st.Nlink > 1 && e.regular() && w.t.filter.override == nil {
		l := w.linkedAs(e)
		if same := w.inodes[l]; same != nil {
			return same, func() error { return w.repeat(e) }
		}
		w.inodes[l] = f
	}
	return f, func() error { return w.store(s, e, f) }
}

func (w *dirWalk) linkedAs(e *entryAt) linked {
	l := linked{inode: inodeOf(&e.st)}
	if label := w.t.filter.label; label != nil {
		l.label, _ = label(e.path, uint32(e.st.Mode))
	}
	return l
}

// repeat stands for storing one more name of a file. What is given away is not
// counted, see ostreerepo.Tx.AdoptFile.
func (w *dirWalk) repeat(e *entryAt) error {
	mode := w.t.tx.Repo().Mode()
	if !w.t.o.Consume || mode != ostreerepo.ModeBare && mode != ostreerepo.ModeBareUserOnly {
		w.t.tx.CountRepeat()
	}
	w.t.report(e.st.Size)
	return nil
}

// known reports whether the entry is a hard link to an object.
func (w *dirWalk) known(e *entryAt) (object.Checksum, bool) {
	if w.t.o.DevIno == nil {
		return object.Checksum{}, false
	}
	i := inodeOf(&e.st)
	return w.t.o.DevIno.Lookup(i.dev, i.ino)
}

// takesKnown reports whether a hard link to an object is that object without a look
// at its metadata.
func (w *dirWalk) takesKnown() bool { return w.t.o.DevInoCanonical || w.t.filter.none() }

// storeKnown takes a file as the object it is a hard link to, or, when the
// options change its metadata, as a new object with the same body. The metadata
// is the object's: in some modes that of the file is something else.
func (w *dirWalk) storeKnown(s *source, e *entryAt, f *file, known object.Checksum) error {
	h, same, err := w.t.filterObject(e.path, known)
	if err != nil {
		return err
	}
	if !same {
		return w.storeAs(s, e, f, h)
	}
	f.sum = known
	w.t.tx.CountCacheHit()
	w.t.report(e.st.Size)
	return nil
}

// store stores a file with the metadata it has.
func (w *dirWalk) store(s *source, e *entryAt, f *file) error {
	if e.regular() {
		return w.storeRegular(s, e, f)
	}
	h := headerOf(&e.st)
	var err error
	if h.Target, err = linuxfs.ReadLink(s.fd, e.name); err != nil {
		return w.error("readlink", e.path, err)
	}
	if !w.t.filter.noDirXattrs {
		if h.Xattrs, err = ostreerepo.CaptureXattrsAt(s.fd, e.name); err != nil {
			return w.error("read xattrs of", e.path, err)
		}
	}
	w.t.filter.apply(e.path, &h)
	return w.put(e, f, h, nil)
}

func (w *dirWalk) storeRegular(s *source, e *entryAt, f *file) error {
	body, err := w.openRegular(s, e)
	if err != nil {
		return err
	}
	defer body.Close()
	h := headerOf(&e.st)
	if !w.t.filter.noDirXattrs {
		if h.Xattrs, err = ostreerepo.CaptureXattrs(int(body.Fd())); err != nil {
			return w.error("read xattrs of", e.path, err)
		}
	}
	w.t.filter.apply(e.path, &h)
	return w.put(e, f, h, body)
}

// storeAs stores a file with other metadata than it has.
func (w *dirWalk) storeAs(s *source, e *entryAt, f *file, h object.FileHeader) error {
	if h.IsSymlink() {
		return w.put(e, f, h, nil)
	}
	body, err := w.openRegular(s, e)
	if err != nil {
		return err
	}
	defer body.Close()
	return w.put(e, f, h, body)
}

func (w *dirWalk) put(e *entryAt, f *file, h object.FileHeader, body *os.File) error {
	var err error
	switch {
	case body == nil:
		err = w.t.put(f, h, 0, nil)
	case w.t.o.Consume:
		err = w.t.putAdopted(f, h, e.st.Size, body)
	default:
		err = w.t.put(f, h, e.st.Size, body)
	}
	if err != nil {
		return w.error("commit", e.path, err)
	}
	return nil
}

// openRegular opens a file and makes sure that it is the one the walk saw. The
// flag O_NONBLOCK keeps a pipe that took its place from blocking.
func (w *dirWalk) openRegular(s *source, e *entryAt) (*os.File, error) {
	f, err := linuxfs.Open(s.fd, e.name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, w.error("open", e.path, err)
	}
	was := inodeOf(&e.st)
	err = unix.Fstat(int(f.Fd()), &e.st)
	if err == nil && (inodeOf(&e.st) != was || !e.regular()) {
		err = errChanged
	}
	if err != nil {
		f.Close()
		return nil, w.error("open", e.path, err)
	}
	return f, nil
}
