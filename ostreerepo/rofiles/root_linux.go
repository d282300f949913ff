package rofiles

import (
	"os"
	"path"
	"sync"

	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sys/unix"
)

// root is the directory that is shown.
type root struct {
	dir    *os.File
	copyUp bool

	copying sync.Mutex // held from seeing that a file is shared until there is a copy
}

func (r *root) fd() int { return int(r.dir.Fd()) }

// open opens a file below the root, without following any symlink. The flag O_PATH
// gives a descriptor that only names the file, even a symlink.
func (r *root) open(path string, flags int) (int, error) {
	if path == "" {
		path = "."
	}
	return unix.Openat2(r.fd(), path, &unix.OpenHow{
		Flags:   uint64(flags | unix.O_NOFOLLOW | unix.O_CLOEXEC),
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	})
}

// file calls fn with a descriptor that names a file.
func (r *root) file(path string, fn func(fd int) error) error {
	fd, err := r.open(path, unix.O_PATH)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return fn(fd)
}

// change calls fn with a descriptor that names a file which may be changed: one
// that is not shared, if need be a copy.
func (r *root) change(path string, fn func(fd int) error) error {
	err := r.file(path, func(fd int) error { return own(fd, fn) })
	if err != unix.EROFS || !r.copyUp {
		return err
	}
	if err := r.unshare(path); err != nil {
		return err
	}
	return r.file(path, func(fd int) error { return own(fd, fn) })
}

// own calls fn unless the file is shared.
func own(fd int, fn func(fd int) error) error {
	switch shared, err := isShared(fd); {
	case err != nil:
		return err
	case shared:
		return unix.EROFS
	}
	return fn(fd)
}

// isShared reports whether a file is one that only the repository may change.
func isShared(fd int) (bool, error) {
	var st unix.Statx_t
	if err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, unix.STATX_TYPE|unix.STATX_NLINK, &st); err != nil {
		return false, err
	}
	kind := st.Mode & unix.S_IFMT
	sealed := st.Attributes&unix.STATX_ATTR_VERITY != 0
	return (kind == unix.S_IFREG || kind == unix.S_IFLNK) && (st.Nlink > 1 || sealed), nil
}

// parent calls fn with the directory that a path is in, and its last name.
func (r *root) parent(file string, fn func(dirfd int, name string) error) error {
	dir, name := path.Split(file)
	fd, err := r.open(path.Clean(dir), unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return fn(fd, name)
}

// reopen opens the file that a descriptor names.
func reopen(fd int, flags int) (*os.File, error) {
	opened, err := unix.Open(linuxfs.ProcPath(fd), flags|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(opened), linuxfs.ProcPath(fd)), nil
}
