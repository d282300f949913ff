package tree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
	"github.com/treenail/treenail/internal/par"
	"github.com/treenail/treenail/ostreerepo"
)

// AddDir lays the directory at path over the tree: its contents, and for the
// root its own owner, mode and xattrs. It follows no symlink, path included.
//
// Nothing below may be other than a regular file, a directory or a symlink. An
// *fs.PathError says what could not be read, and why.
func (t *Tree) AddDir(ctx context.Context, path string) error {
	w := &dirWalk{t: t, pool: par.NewPool(ctx), path: path, inodes: map[linked]*file{}, eaten: eaten{top: path}}
	err := w.pool.Wait(w.start())
	if err == nil && t.o.Consume && len(w.eaten.dirs) > 0 {
		t.tx.AfterCommit(w.eaten.remove)
	}
	return err
}

// dirWalk is one AddDir. The walk itself is one goroutine; it does all that
// touches the tree, and leaves what touches files to the pool.
type dirWalk struct {
	t      *Tree
	pool   *par.Pool
	path   string
	inodes map[linked]*file // files with several names, by the one met first
	eaten  eaten            // what Consume will remove
}

type inode struct{ dev, ino uint64 }

// linked is what hard links have to have in common to be one object.
type linked struct {
	inode
	label string
}

func inodeOf(st *unix.Stat_t) inode { return inode{uint64(st.Dev), uint64(st.Ino)} }

// source is an open directory that files are still to be read from.
type source struct {
	*os.File
	fd    int
	path  string // in the tree, "" for the root
	users atomic.Int32
	eaten []morsel // what Consume will remove of it
}

func (w *dirWalk) open(parent *source, name, path string) (*source, error) {
	dirfd := unix.AT_FDCWD
	if parent != nil {
		dirfd = parent.fd
	}
	f, err := linuxfs.Open(dirfd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, &openError{fs.PathError{Op: "opendir", Path: filepath.Join(w.path, path), Err: err}}
	}
	s := &source{File: f, fd: int(f.Fd()), path: path}
	s.users.Store(1)
	return s, nil
}

// openError is an *fs.PathError in libostree's words.
type openError struct{ fs.PathError }

func (e *openError) Error() string { return "opendir(" + e.Path + "): " + e.Err.Error() }

func (e *openError) Unwrap() error { return &e.PathError }

// error names the place in the source that path, in the tree, came from.
func (w *dirWalk) error(op, path string, err error) error {
	return &fs.PathError{Op: op, Path: filepath.Join(w.path, path), Err: err}
}

// release ends one use of s, of which the last one closes it, and returns err, the
// outcome of that use.
func (w *dirWalk) release(s *source, err error) error {
	if s.users.Add(-1) > 0 {
		return err
	}
	s.Close()
	return err
}

func (w *dirWalk) start() error {
	root, err := w.open(nil, w.path, "")
	if err != nil {
		return err
	}
	if w.t.filter.skips("/") {
		return w.release(root, nil)
	}
	return w.dir(root, w.t.root)
}

// dir adds an open directory as dst and releases it.
func (w *dirWalk) dir(s *source, dst *dir) error {
	err := w.dirMeta(s, dst)
	if err == nil {
		err = w.contents(s, dst)
	}
	return w.release(s, err)
}

func (w *dirWalk) dirMeta(s *source, dst *dir) error {
	var st unix.Stat_t
	err := unix.Fstat(s.fd, &st)
	if err != nil {
		return w.error("stat", s.path, err)
	}
	h := headerOf(&st)
	if !w.t.filter.noDirXattrs {
		if h.Xattrs, err = ostreerepo.CaptureXattrs(s.fd); err != nil {
			return w.error("read xattrs of", s.path, err)
		}
	}
	w.t.filter.apply(pathOr(s.path, "/"), &h)
	sum, err := w.t.putDirMeta(h)
	dst.setMeta(sum)
	return err
}

func (w *dirWalk) contents(s *source, dst *dir) error {
	if err := dst.load(w.t.tx.View()); err != nil {
		return err
	}
	names, err := s.Readdirnames(-1)
	if err != nil {
		return w.error("read", s.path, err)
	}
	slices.Sort(names)
	for _, name := range names {
		if err := w.entry(s, dst, name); err != nil {
			return err
		}
	}
	if w.t.o.Consume {
		w.eaten.leave(s.path, s.eaten)
	}
	return w.pool.Err()
}

func (w *dirWalk) entry(s *source, dst *dir, name string) error {
	path := s.path + "/" + name
	if err := checkPath(path); err != nil {
		return err
	}
	if w.t.o.PassOver != nil && w.t.o.PassOver(path) {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstatat(s.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return w.error("stat", path, err)
	}
	switch uint32(st.Mode) & object.ModeTypeMask {
	case object.ModeDir:
		if !w.t.filter.enters(path) {
			w.eat(s, morsel{name: name, skipped: true})
			return nil
		}
		return w.subdir(s, dst, name, path)
	case object.ModeRegular, object.ModeSymlink:
		if w.t.filter.skips(path) {
			w.eat(s, morsel{name: name, skipped: true})
			return nil
		}
		w.eat(s, morselOf(name, &st))
		return w.file(s, dst, entryAt{name, path, st})
	}
	return fmt.Errorf("Not a regular file or symlink: %s", name) //nolint:staticcheck // libostree's text
}

func (w *dirWalk) subdir(s *source, dst *dir, name, path string) error {
	sub, err := dst.subdir(name)
	if err != nil {
		return err
	}
	child, err := w.open(s, name, path)
	if err != nil {
		return err
	}
	return w.dir(child, sub)
}

func headerOf(st *unix.Stat_t) object.FileHeader {
	return object.FileHeader{UID: st.Uid, GID: st.Gid, Mode: uint32(st.Mode)}
}

func pathOr(path, empty string) string {
	if path == "" {
		return empty
	}
	return path
}

// errChanged says that a name stood for another file when it was opened than
// when it was looked at.
var errChanged = errors.New("changed while it was being committed")
