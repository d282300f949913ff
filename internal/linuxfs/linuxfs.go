// Package linuxfs is the part of the file system interface that Go's os package
// does not offer: extended attributes by descriptor, unnamed temporary files,
// copies made by the kernel, and open-file-description locks.
//
// Names are always relative to a directory descriptor, so that nothing here
// resolves a path that somebody else could have redirected. On systems other
// than Linux the functions without an equivalent return errors.ErrUnsupported
// or take the portable way.
package linuxfs

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Xattr is one extended attribute.
type Xattr struct {
	Name  string
	Value []byte
}

// ReadLink reads the target of the symlink name in the directory dirfd, or of dirfd
// itself, opened with O_PATH, when name is empty.
func ReadLink(dirfd int, name string) (string, error) {
	buf := make([]byte, 256)
	for {
		n, err := unix.Readlinkat(dirfd, name, buf)
		if err != nil {
			return "", err
		}
		if n < len(buf) {
			return string(buf[:n]), nil
		}
		buf = make([]byte, 4*len(buf))
	}
}

// ProcPath is a path that reaches the file itself behind a descriptor, be it a symlink
// or one that cannot be opened, where a call takes only paths.
func ProcPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// Xattrs reads all extended attributes of an open file, in the kernel's order.
// A file system without them has none.
func Xattrs(fd int) ([]Xattr, error) {
	return readXattrs(
		func(buf []byte) (int, error) { return unix.Flistxattr(fd, buf) },
		func(name string, buf []byte) (int, error) { return unix.Fgetxattr(fd, name, buf) })
}

// LXattrs reads all extended attributes of name in the directory dirfd without
// following it when it is a symlink.
func LXattrs(dirfd int, name string) ([]Xattr, error) {
	path := ProcPath(dirfd) + "/" + name
	return readXattrs(
		func(buf []byte) (int, error) { return unix.Llistxattr(path, buf) },
		func(name string, buf []byte) (int, error) { return unix.Lgetxattr(path, name, buf) })
}

func readXattrs(list func([]byte) (int, error), get func(string, []byte) (int, error)) ([]Xattr, error) {
	var small [512]byte
	names, err := readSized(small[:], list)
	if errors.Is(err, unix.ENOTSUP) {
		return nil, nil
	}
	if err != nil || len(names) == 0 {
		return nil, err
	}
	var xattrs []Xattr
	for len(names) > 0 {
		end := 0
		for end < len(names) && names[end] != 0 {
			end++
		}
		name := string(names[:end])
		names = names[min(end+1, len(names)):]
		value, err := readSized(make([]byte, 128), func(buf []byte) (int, error) { return get(name, buf) })
		if errors.Is(err, errNoAttr) {
			continue // removed since it was listed
		}
		if err != nil {
			return nil, fmt.Errorf("xattr %s: %w", name, err)
		}
		xattrs = append(xattrs, Xattr{name, value})
	}
	return xattrs, nil
}

// readSized calls a function of the getxattr family until its answer fits.
func readSized(buf []byte, call func([]byte) (int, error)) ([]byte, error) {
	for {
		n, err := call(buf)
		if err == nil {
			return buf[:n], nil
		}
		if err == unix.EINTR {
			continue
		}
		if err != unix.ERANGE {
			return nil, err
		}
		if n, err = call(nil); err != nil {
			return nil, err
		}
		buf = make([]byte, n+64)
	}
}

// ReadXattr reads one extended attribute of an open file.
func ReadXattr(fd int, name string) ([]byte, error) {
	return readSized(make([]byte, 128), func(buf []byte) (int, error) { return unix.Fgetxattr(fd, name, buf) })
}

// ReadLXattr reads one extended attribute of name in the directory dirfd without
// following a symlink.
func ReadLXattr(dirfd int, name, attr string) ([]byte, error) {
	path := ProcPath(dirfd) + "/" + name
	return readSized(make([]byte, 128), func(buf []byte) (int, error) { return unix.Lgetxattr(path, attr, buf) })
}

// SetXattr sets an extended attribute of an open file.
func SetXattr(fd int, name string, value []byte) error {
	if err := unix.Fsetxattr(fd, name, value, 0); err != nil {
		return fmt.Errorf("set xattr %s: %w", name, err)
	}
	return nil
}

// SetLXattr sets an extended attribute of name in the directory dirfd without
// following a symlink.
func SetLXattr(dirfd int, name, attr string, value []byte) error {
	if err := unix.Lsetxattr(ProcPath(dirfd)+"/"+name, attr, value, 0); err != nil {
		return fmt.Errorf("set xattr %s: %w", attr, err)
	}
	return nil
}

// IsNoXattr reports whether err says that an attribute, or any, is not there.
func IsNoXattr(err error) bool {
	return errors.Is(err, errNoAttr) || errors.Is(err, unix.ENOTSUP)
}

// Open opens name in the directory dirfd; it restarts after a signal.
func Open(dirfd int, name string, flags int, mode uint32) (*os.File, error) {
	for {
		fd, err := unix.Openat(dirfd, name, flags|unix.O_CLOEXEC, mode)
		if err == nil {
			return os.NewFile(uintptr(fd), name), nil
		}
		if err != unix.EINTR {
			return nil, err
		}
	}
}

// ReopenReadOnly opens the file behind f once more, for reading only, also when it
// has no name.
func ReopenReadOnly(f *os.File) (*os.File, error) {
	return Open(unix.AT_FDCWD, ProcPath(int(f.Fd())), unix.O_RDONLY, 0)
}

// TempName returns a name that nobody else is likely to use.
func TempName(prefix string) string {
	return prefix + strconv.FormatUint(rand.Uint64(), 36)
}
