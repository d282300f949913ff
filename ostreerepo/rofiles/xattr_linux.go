package rofiles

import (
	"context"
	"syscall"

	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sys/unix"
)

// Getxattr reads an extended attribute.
func (n *node) Getxattr(_ context.Context, attr string, dest []byte) (size uint32, e syscall.Errno) {
	e = n.file(func(fd int) error {
		s, err := unix.Getxattr(linuxfs.ProcPath(fd), attr, dest)
		size = uint32(max(s, 0))
		return err
	})
	return size, e
}

// Listxattr lists the names of extended attributes.
func (n *node) Listxattr(_ context.Context, dest []byte) (size uint32, e syscall.Errno) {
	e = n.file(func(fd int) error {
		s, err := unix.Listxattr(linuxfs.ProcPath(fd), dest)
		size = uint32(max(s, 0))
		return err
	})
	return size, e
}

// Setxattr sets an extended attribute of what is not shared.
func (n *node) Setxattr(_ context.Context, attr string, data []byte, flags uint32) syscall.Errno {
	return n.change(func(fd int) error { return unix.Setxattr(linuxfs.ProcPath(fd), attr, data, int(flags)) })
}

// Removexattr removes an extended attribute of what is not shared.
func (n *node) Removexattr(_ context.Context, attr string) syscall.Errno {
	return n.change(func(fd int) error { return unix.Removexattr(linuxfs.ProcPath(fd), attr) })
}
