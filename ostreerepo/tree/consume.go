package tree

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// eaten is what a directory source that is consumed loses when the transaction is
// committed. What came or changed since it was looked at stays.
type eaten struct {
	top  string
	dirs []eatenDir // a directory comes after those below it
}

type eatenDir struct {
	path  string // below top, "" for top itself
	files []morsel
}

// morsel is a name in a directory, and the file that it stood for.
type morsel struct {
	name    string
	skipped bool // left out of the tree, and removed with all that is below it
	ino     uint64
	size    int64
	mtime   unix.Timespec
}

func morselOf(name string, st *unix.Stat_t) morsel {
	return morsel{name: name, ino: st.Ino, size: st.Size, mtime: st.Mtim}
}

// eat notes something in s that Consume will remove.
func (w *dirWalk) eat(s *source, m morsel) {
	if w.t.o.Consume {
		s.eaten = append(s.eaten, m)
	}
}

// leave notes what was eaten of a directory, when the walk is through with it.
func (e *eaten) leave(path string, files []morsel) {
	e.dirs = append(e.dirs, eatenDir{path, files})
}

// remove removes it all, and returns the first error after having tried everything.
func (e *eaten) remove() error {
	root, err := os.OpenRoot(e.top)
	if err != nil {
		return err
	}
	defer root.Close()
	var first error
	for _, d := range e.dirs {
		if err := d.remove(root); err != nil && first == nil {
			first = &fs.PathError{Op: "consume", Path: filepath.Join(e.top, d.path), Err: err}
		}
	}
	if first != nil || filepath.Clean(e.top) == "." { // which can't be removed
		return first
	}
	return os.Remove(e.top)
}

// remove removes what was eaten of the directory and, unless it is the top, the
// directory.
func (d *eatenDir) remove(root *os.Root) error {
	here, err := root.OpenRoot("." + d.path)
	if err != nil {
		return err
	}
	defer here.Close()
	var first error
	for i := range d.files {
		if err := d.files[i].remove(here); err != nil && first == nil {
			first = err
		}
	}
	if first != nil || d.path == "" {
		return first
	}
	return root.Remove("." + d.path)
}

func (m *morsel) remove(dir *os.Root) error {
	if m.skipped {
		return dir.RemoveAll(m.name)
	}
	info, err := dir.Lstat(m.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if now := info.Sys().(*syscall.Stat_t); now.Ino != m.ino || info.Size() != m.size ||
		info.ModTime().UnixNano() != m.mtime.Nano() {
		return &fs.PathError{Op: "remove", Path: m.name, Err: errChanged}
	}
	return dir.Remove(m.name)
}
