package rofiles

import (
	"context"
	"os"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sys/unix"
)

// file is an open file. It was not shared when it was opened, or it is open for
// reading only.
type file struct {
	*fs.LoopbackFile
	f *os.File
}

func newFile(fd int) *file {
	f := os.NewFile(uintptr(fd), "")
	return &file{fs.NewLoopbackFileFromOS(f), f}
}

// PassthroughFd keeps the kernel from reading and writing the file by itself. It has
// one file behind a node for all who open that, so with copy-up a writer would get
// the shared one as long as somebody reads it.
func (f *file) PassthroughFd() (int, bool) { return 0, false }

// Ioctl does nothing: flags of a shared file could be changed by it.
func (f *file) Ioctl(context.Context, uint32, uint64, []byte, []byte) (int32, syscall.Errno) {
	return 0, syscall.ENOTTY
}

// keptFlags are the flags of open(2) that concern the file behind the node. Where
// to append is known to the kernel, which says so at each write.
const keptFlags = unix.O_ACCMODE | unix.O_SYNC | unix.O_NOATIME

func (n *node) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	f, e := n.r.openFile(n.path(), flags)
	if e != 0 {
		return nil, 0, e
	}
	return f, 0, 0
}

// openFile opens a file; to write to it, it must not be shared. Only then is it
// truncated.
func (r *root) openFile(path string, flags uint32) (f *file, e syscall.Errno) {
	find := r.file
	if flags&unix.O_ACCMODE != unix.O_RDONLY || flags&unix.O_TRUNC != 0 {
		find = r.change
	}
	err := find(path, func(fd int) error {
		var st unix.Stat_t
		if err := unix.Fstat(fd, &st); err != nil {
			return err
		}
		if st.Mode&unix.S_IFMT != unix.S_IFREG { // put there meanwhile; the kernel shall look again
			return unix.ESTALE
		}
		opened, err := unix.Open(linuxfs.ProcPath(fd), int(flags)&(keptFlags|unix.O_TRUNC)|unix.O_CLOEXEC, 0)
		if err == nil {
			f = newFile(opened)
		}
		return err
	})
	return f, fs.ToErrno(err)
}

const wantsOwn = fuse.FATTR_MODE | fuse.FATTR_UID | fuse.FATTR_GID | fuse.FATTR_SIZE

// Setattr changes mode, owner and size of what is not shared, and times of all.
func (n *node) Setattr(ctx context.Context, f fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	find := n.file
	if in.Valid&wantsOwn != 0 {
		find = n.change
	}
	e := find(func(fd int) error { return setattr(fd, in) })
	if open, ok := f.(*file); ok && e == syscall.ENOENT {
		return open.setattr(ctx, in, out)
	}
	if e != 0 {
		return e
	}
	return n.Getattr(ctx, f, out)
}

// setattr changes a file that has lost its name in the directory. If it still has
// one elsewhere that is the repository's.
func (f *file) setattr(ctx context.Context, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.f.Fd()), &st); err != nil {
		return fs.ToErrno(err)
	}
	if st.Nlink > 0 {
		return syscall.EROFS
	}
	return f.LoopbackFile.Setattr(ctx, in, out)
}

func setattr(fd int, in *fuse.SetAttrIn) error {
	if mode, ok := in.GetMode(); ok {
		if err := unix.Chmod(linuxfs.ProcPath(fd), mode&0o7777); err != nil {
			return err
		}
	}
	uid, setUID := in.GetUID()
	gid, setGID := in.GetGID()
	if setUID || setGID {
		if err := unix.Fchownat(fd, "", orKeep(uid, setUID), orKeep(gid, setGID), unix.AT_EMPTY_PATH); err != nil {
			return err
		}
	}
	if size, ok := in.GetSize(); ok {
		if err := unix.Truncate(linuxfs.ProcPath(fd), int64(size)); err != nil {
			return err
		}
	}
	return setTimes(fd, in)
}

// orKeep is an ID for chown, or -1 for no change.
func orKeep(id uint32, set bool) int {
	if !set {
		return -1
	}
	return int(id)
}

func setTimes(fd int, in *fuse.SetAttrIn) error {
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
	return unix.UtimesNanoAt(fd, "", times, unix.AT_EMPTY_PATH)
}
