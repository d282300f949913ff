package rofiles

import (
	"context"
	"path"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sys/unix"
)

// node is a name in the directory, as the kernel sees it: not the file behind it,
// so two names of a file are two nodes. Its path is that in the tree of nodes.
type node struct {
	fs.Inode
	r *root
}

var _ interface {
	fs.NodeLookuper
	fs.NodeGetattrer
	fs.NodeSetattrer
	fs.NodeAccesser
	fs.NodeReaddirer
	fs.NodeFsyncer
	fs.NodeReadlinker
	fs.NodeOpener
	fs.NodeCreater
	fs.NodeMkdirer
	fs.NodeMknoder
	fs.NodeUnlinker
	fs.NodeRmdirer
	fs.NodeRenamer
	fs.NodeSymlinker
	fs.NodeLinker
	fs.NodeStatfser
	fs.NodeGetxattrer
	fs.NodeSetxattrer
	fs.NodeListxattrer
	fs.NodeRemovexattrer
} = (*node)(nil)

// path is "" for the root, and one that does not exist when the name is gone.
func (n *node) path() string { return n.Path(n.Root()) }

func (n *node) child(name string) string { return path.Join(n.path(), name) }

// file calls fn with a descriptor that names the file.
func (n *node) file(fn func(fd int) error) syscall.Errno {
	return fs.ToErrno(n.r.file(n.path(), fn))
}

// change calls fn with a descriptor that names the file, if that may be changed.
func (n *node) change(fn func(fd int) error) syscall.Errno {
	return fs.ToErrno(n.r.change(n.path(), fn))
}

// in calls fn with the directory that an entry of the node is in.
func (n *node) in(name string, fn func(dirfd int, name string) error) syscall.Errno {
	return fs.ToErrno(n.r.parent(n.child(name), fn))
}

// Lookup finds an entry. A name that the kernel knows stays the same node, so that
// who works in a directory keeps it.
func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	st, e := n.r.stat(n.child(name))
	if e != 0 {
		return nil, e
	}
	out.FromStat(st)
	if known := n.GetChild(name); known != nil && known.StableAttr().Mode == st.Mode&unix.S_IFMT {
		return known, 0
	}
	return n.newNode(ctx, st), 0
}

func (n *node) newNode(ctx context.Context, st *syscall.Stat_t) *fs.Inode {
	return n.NewInode(ctx, &node{r: n.r}, fs.StableAttr{Mode: st.Mode & unix.S_IFMT})
}

func (r *root) stat(path string) (*syscall.Stat_t, syscall.Errno) {
	var st syscall.Stat_t
	err := r.file(path, func(fd int) error { return syscall.Fstat(fd, &st) })
	return &st, fs.ToErrno(err)
}

// Getattr looks at the name, and when that is gone at the open file.
func (n *node) Getattr(ctx context.Context, f fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	st, e := n.r.stat(n.path())
	if open, ok := f.(*file); ok && e == syscall.ENOENT {
		return open.Getattr(ctx, out)
	}
	out.FromStat(st)
	return e
}

// Access asks what this process may do.
func (n *node) Access(_ context.Context, mask uint32) syscall.Errno {
	return n.file(func(fd int) error {
		err := unix.Faccessat(unix.AT_FDCWD, linuxfs.ProcPath(fd), mask, 0)
		if err == unix.ELOOP { // a symlink can be read
			return nil
		}
		return err
	})
}

func (n *node) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	fd, err := n.r.open(n.path(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK)
	if err != nil {
		return nil, fs.ToErrno(err)
	}
	return fs.NewLoopbackDirStreamFd(fd)
}

// Fsync syncs an open file, or a directory.
func (n *node) Fsync(ctx context.Context, f fs.FileHandle, flags uint32) syscall.Errno {
	if open, ok := f.(*file); ok {
		return open.Fsync(ctx, flags)
	}
	fd, err := n.r.open(n.path(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK)
	if err != nil {
		return fs.ToErrno(err)
	}
	defer unix.Close(fd)
	return fs.ToErrno(unix.Fsync(fd))
}

func (n *node) Readlink(context.Context) (target []byte, e syscall.Errno) {
	e = n.file(func(fd int) error {
		text, err := linuxfs.ReadLink(fd, "")
		target = []byte(text)
		return err
	})
	return target, e
}

func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	var st syscall.Statfs_t
	err := syscall.Fstatfs(n.r.fd(), &st)
	out.FromStatfsT(&st)
	return fs.ToErrno(err)
}
