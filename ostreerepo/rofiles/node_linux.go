package rofiles

import (
	"context"
	"os"
	"path/filepath"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// node is a file or directory as the kernel sees it. Its place is that in the tree
// of nodes, so it has no state of its own.
type node struct {
	fs.Inode
	r *root
}

func (n *node) path() string             { return n.Path(nil) }
func (n *node) child(name string) string { return filepath.Join(n.path(), name) }
func errno(err error) syscall.Errno      { return fs.ToErrno(err) }
func (n *node) at(path string, fn func(dirfd int, name string) error) syscall.Errno {
	return errno(n.r.at(path, fn))
}

var (
	_ fs.NodeLookuper      = (*node)(nil)
	_ fs.NodeGetattrer     = (*node)(nil)
	_ fs.NodeSetattrer     = (*node)(nil)
	_ fs.NodeReaddirer     = (*node)(nil)
	_ fs.NodeReadlinker    = (*node)(nil)
	_ fs.NodeOpener        = (*node)(nil)
	_ fs.NodeCreater       = (*node)(nil)
	_ fs.NodeMkdirer       = (*node)(nil)
	_ fs.NodeMknoder       = (*node)(nil)
	_ fs.NodeUnlinker      = (*node)(nil)
	_ fs.NodeRmdirer       = (*node)(nil)
	_ fs.NodeRenamer       = (*node)(nil)
	_ fs.NodeSymlinker     = (*node)(nil)
	_ fs.NodeLinker        = (*node)(nil)
	_ fs.NodeStatfser      = (*node)(nil)
	_ fs.NodeGetxattrer    = (*node)(nil)
	_ fs.NodeSetxattrer    = (*node)(nil)
	_ fs.NodeListxattrer   = (*node)(nil)
	_ fs.NodeRemovexattrer = (*node)(nil)
)

func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.entry(ctx, n.child(name), out)
}

// entry makes the node of a path.
func (n *node) entry(ctx context.Context, path string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	var st syscall.Stat_t
	if e := n.stat(path, &st); e != 0 {
		return nil, e
	}
	out.FromStat(&st)
	return n.NewInode(ctx, &node{r: n.r}, fs.StableAttr{Mode: st.Mode & syscall.S_IFMT}), 0
}

func (n *node) stat(path string, st *syscall.Stat_t) syscall.Errno {
	fd, err := n.r.open(path, unix.O_PATH|unix.O_NOFOLLOW)
	if err == unix.ELOOP { // the file itself is a symlink
		return n.at(path, func(dirfd int, name string) error { return lstat(dirfd, name, st) })
	}
	if err != nil {
		return errno(err)
	}
	defer unix.Close(fd)
	return errno(syscall.Fstat(fd, st))
}

func lstat(dirfd int, name string, st *syscall.Stat_t) error {
	fd, err := unix.Openat(dirfd, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return syscall.Fstat(fd, st)
}

func (n *node) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	var st syscall.Stat_t
	if e := n.stat(n.path(), &st); e != 0 {
		return e
	}
	out.FromStat(&st)
	return 0
}

// Setattr changes mode, owner and size of what is not shared, and times of all.
func (n *node) Setattr(ctx context.Context, f fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	e := n.at(n.path(), func(dirfd int, name string) error {
		if in.Valid&(fuse.FATTR_MODE|fuse.FATTR_UID|fuse.FATTR_GID|fuse.FATTR_SIZE) != 0 {
			if err := n.r.unshare(dirfd, name); err != nil {
				return err
			}
		}
		return setattr(dirfd, name, in)
	})
	if e != 0 {
		return e
	}
	return n.Getattr(ctx, f, out)
}

func setattr(dirfd int, name string, in *fuse.SetAttrIn) error {
	if mode, ok := in.GetMode(); ok {
		if err := chmod(dirfd, name, mode); err != nil {
			return err
		}
	}
	uid, setUID := in.GetUID()
	gid, setGID := in.GetGID()
	if setUID || setGID {
		u, g := -1, -1
		if setUID {
			u = int(uid)
		}
		if setGID {
			g = int(gid)
		}
		if err := unix.Fchownat(dirfd, name, u, g, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	if size, ok := in.GetSize(); ok {
		if err := truncate(dirfd, name, int64(size)); err != nil {
			return err
		}
	}
	return setTimes(dirfd, name, in)
}

// chmod changes the mode of no symlink: those have none of their own.
func chmod(dirfd int, name string, mode uint32) error {
	f, err := openIn(dirfd, name, unix.O_RDONLY|unix.O_NONBLOCK)
	if err == nil {
		defer f.Close()
		return unix.Fchmod(int(f.Fd()), mode&0o7777)
	}
	var st unix.Stat_t
	if err := unix.Fstatat(dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return unix.ENOTSUP
	}
	return unix.Fchmodat(dirfd, name, mode&0o7777, 0) // unreadable
}

func truncate(dirfd int, name string, size int64) error {
	f, err := openIn(dirfd, name, unix.O_WRONLY|unix.O_NONBLOCK)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Truncate(size)
}

func setTimes(dirfd int, name string, in *fuse.SetAttrIn) error {
	times := []unix.Timespec{{Nsec: unix.UTIME_OMIT}, {Nsec: unix.UTIME_OMIT}}
	atime, setA := in.GetATime()
	if setA {
		times[0] = unix.NsecToTimespec(atime.UnixNano())
	}
	mtime, setM := in.GetMTime()
	if setM {
		times[1] = unix.NsecToTimespec(mtime.UnixNano())
	}
	if !setA && !setM {
		return nil
	}
	return unix.UtimesNanoAt(dirfd, name, times, unix.AT_SYMLINK_NOFOLLOW)
}

func (n *node) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	fd, err := n.r.open(n.path(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK)
	if err != nil {
		return nil, errno(err)
	}
	return fs.NewLoopbackDirStreamFd(fd)
}

func (n *node) Readlink(context.Context) (target []byte, e syscall.Errno) {
	e = n.at(n.path(), func(dirfd int, name string) error {
		buf := make([]byte, unix.PathMax)
		size, err := unix.Readlinkat(dirfd, name, buf)
		target = buf[:max(size, 0)]
		return err
	})
	return target, e
}

func (n *node) Open(_ context.Context, flags uint32) (f fs.FileHandle, _ uint32, e syscall.Errno) {
	e = n.at(n.path(), func(dirfd int, name string) (err error) {
		f, err = n.open(dirfd, name, int(flags), 0)
		return err
	})
	return f, 0, e
}

// open opens a file; to write to it, it must not be shared. Only then is it
// truncated.
func (n *node) open(dirfd int, name string, flags int, mode uint32) (fs.FileHandle, error) {
	writes := flags&unix.O_ACCMODE != unix.O_RDONLY || flags&unix.O_TRUNC != 0
	if writes {
		if err := n.r.unshare(dirfd, name); err != nil && err != unix.ENOENT {
			return nil, err
		}
	}
	fd, err := unix.Openat(dirfd, name, flags&^(unix.O_TRUNC|unix.O_APPEND)|unix.O_NOFOLLOW|unix.O_CLOEXEC, mode)
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err = unix.Fstat(fd, &st); err == nil && writes && shared(&st) {
		err = unix.EROFS // it got another name meanwhile
	}
	if err == nil && flags&unix.O_TRUNC != 0 {
		err = unix.Ftruncate(fd, 0)
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return fs.NewLoopbackFileFromOS(os.NewFile(uintptr(fd), name)), nil
}

func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (inode *fs.Inode, f fs.FileHandle, _ uint32, e syscall.Errno) {
	path := n.child(name)
	e = n.at(path, func(dirfd int, name string) (err error) {
		f, err = n.open(dirfd, name, int(flags)|unix.O_CREAT, mode)
		if err == nil {
			err = own(ctx, dirfd, name)
		}
		return err
	})
	if e != 0 {
		return nil, nil, 0, e
	}
	inode, e = n.entry(ctx, path, out)
	return inode, f, 0, e
}

// own gives a new file to who made it, where others may.
func own(ctx context.Context, dirfd int, name string) error {
	caller, ok := fuse.FromContext(ctx)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return unix.Fchownat(dirfd, name, int(caller.Uid), int(caller.Gid), unix.AT_SYMLINK_NOFOLLOW)
}

// make makes something new at a name and returns its node.
func (n *node) make(ctx context.Context, name string, out *fuse.EntryOut, fn func(dirfd int, name string) error) (*fs.Inode, syscall.Errno) {
	path := n.child(name)
	e := n.at(path, func(dirfd int, name string) error {
		if err := fn(dirfd, name); err != nil {
			return err
		}
		return own(ctx, dirfd, name)
	})
	if e != 0 {
		return nil, e
	}
	return n.entry(ctx, path, out)
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
	from, path := target.EmbeddedInode().Path(nil), n.child(name)
	e := n.at(from, func(fromfd int, fromName string) error {
		return n.r.at(path, func(tofd int, toName string) error { return unix.Linkat(fromfd, fromName, tofd, toName, 0) })
	})
	if e != 0 {
		return nil, e
	}
	return n.entry(ctx, path, out)
}

func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	return n.at(n.child(name), func(dirfd int, name string) error { return unix.Unlinkat(dirfd, name, 0) })
}

func (n *node) Rmdir(_ context.Context, name string) syscall.Errno {
	return n.at(n.child(name), func(dirfd int, name string) error { return unix.Unlinkat(dirfd, name, unix.AT_REMOVEDIR) })
}

func (n *node) Rename(_ context.Context, name string, to fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	target := filepath.Join(to.EmbeddedInode().Path(nil), newName)
	return n.at(n.child(name), func(fromfd int, from string) error {
		return n.r.at(target, func(tofd int, to string) error { return unix.Renameat2(fromfd, from, tofd, to, uint(flags)) })
	})
}

func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	var st syscall.Statfs_t
	if err := syscall.Fstatfs(n.r.fd(), &st); err != nil {
		return errno(err)
	}
	out.FromStatfsT(&st)
	return 0
}
