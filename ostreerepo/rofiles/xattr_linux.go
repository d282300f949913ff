package rofiles

import (
	"context"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// xattrPath is a path of /proc by which the calls for xattrs reach the file itself,
// even a symlink or one that cannot be opened.
func (n *node) xattrPath(fn func(path string) error) syscall.Errno {
	return n.at(n.path(), func(dirfd int, name string) error {
		return fn(fmt.Sprintf("/proc/self/fd/%d/%s", dirfd, name))
	})
}

// Getxattr reads an extended attribute.
func (n *node) Getxattr(_ context.Context, attr string, dest []byte) (size uint32, e syscall.Errno) {
	e = n.xattrPath(func(path string) error {
		s, err := unix.Lgetxattr(path, attr, dest)
		size = uint32(max(s, 0))
		return err
	})
	return size, e
}

// Listxattr lists the names of extended attributes.
func (n *node) Listxattr(_ context.Context, dest []byte) (size uint32, e syscall.Errno) {
	e = n.xattrPath(func(path string) error {
		s, err := unix.Llistxattr(path, dest)
		size = uint32(max(s, 0))
		return err
	})
	return size, e
}

// Setxattr sets an extended attribute of what is not shared.
func (n *node) Setxattr(_ context.Context, attr string, data []byte, flags uint32) syscall.Errno {
	if e := n.at(n.path(), n.r.unshare); e != 0 {
		return e
	}
	return n.xattrPath(func(path string) error { return unix.Lsetxattr(path, attr, data, int(flags)) })
}

// Removexattr removes an extended attribute of what is not shared.
func (n *node) Removexattr(_ context.Context, attr string) syscall.Errno {
	if e := n.at(n.path(), n.r.unshare); e != 0 {
		return e
	}
	return n.xattrPath(func(path string) error { return unix.Lremovexattr(path, attr) })
}
