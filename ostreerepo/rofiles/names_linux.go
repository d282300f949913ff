package rofiles

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// What makes, moves and removes names.

// make makes something new at a name and returns its node.
func (n *node) make(ctx context.Context, name string, out *fuse.EntryOut, fn func(dirfd int, name string) error) (*fs.Inode, syscall.Errno) {
	if e := n.in(name, fn); e != 0 {
		return nil, e
	}
	st, e := n.r.stat(n.child(name))
	if e != 0 {
		return nil, e
	}
	out.FromStat(st)
	return n.newNode(ctx, st), 0
}

// Create makes a file and opens it, or opens the one that somebody made meanwhile.
func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	var handle fs.FileHandle
	inode, e := n.make(ctx, name, out, func(dirfd int, name string) error {
		how := int(flags)&keptFlags | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
		fd, err := unix.Openat(dirfd, name, how, mode)
		if err == nil {
			handle = newFile(fd)
		}
		return err
	})
	if e == syscall.EEXIST && flags&unix.O_EXCL == 0 {
		if inode, e = n.Lookup(ctx, name, out); e == 0 {
			handle, e = n.r.openFile(n.child(name), flags)
		}
	}
	if e != 0 {
		return nil, nil, 0, e
	}
	return inode, handle, 0, 0
}

func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.make(ctx, name, out, func(dirfd int, name string) error { return unix.Mkdirat(dirfd, name, mode) })
}

func (n *node) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.make(ctx, name, out, func(dirfd int, name string) error { return unix.Symlinkat(target, dirfd, name) })
}

// Mknod makes regular files. A repository holds no devices and fifos.
func (n *node) Mknod(ctx context.Context, name string, mode, _ uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if mode&unix.S_IFMT != unix.S_IFREG {
		return nil, unix.EROFS
	}
	return n.make(ctx, name, out, func(dirfd int, name string) error { return unix.Mknodat(dirfd, name, mode, 0) })
}

func (n *node) Link(ctx context.Context, target fs.InodeEmbedder, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	from := target.EmbeddedInode().Path(n.Root())
	return n.make(ctx, name, out, func(dirfd int, name string) error {
		return n.r.parent(from, func(fromfd int, fromName string) error { return unix.Linkat(fromfd, fromName, dirfd, name, 0) })
	})
}

func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	return n.in(name, func(dirfd int, name string) error { return unix.Unlinkat(dirfd, name, 0) })
}

func (n *node) Rmdir(_ context.Context, name string) syscall.Errno {
	return n.in(name, func(dirfd int, name string) error { return unix.Unlinkat(dirfd, name, unix.AT_REMOVEDIR) })
}

func (n *node) Rename(_ context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	parent := to.(*node)
	return n.in(name, func(fromfd int, from string) error {
		e := parent.in(newName, func(tofd int, to string) error { return unix.Renameat2(fromfd, from, tofd, to, uint(flags)) })
		if e != 0 {
			return e
		}
		return nil
	})
}
