package rofiles

import (
	"fmt"
	"math/rand/v2"
	"os"

	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sys/unix"
)

// copyUp replaces a file by a copy of it that has no other names. The new file
// takes the name at once, so nobody sees half of it.
func copyUp(dirfd int, name string, st *unix.Stat_t) error {
	temp := fmt.Sprintf(".rofiles-%016x", rand.Uint64())
	make := copyFile
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		make = copyLink
	}
	err := make(dirfd, name, temp, st)
	if err == nil {
		err = unix.Renameat(dirfd, temp, dirfd, name)
	}
	if err != nil {
		unix.Unlinkat(dirfd, temp, 0)
	}
	return err
}

func copyFile(dirfd int, name, temp string, st *unix.Stat_t) error {
	in, err := openIn(dirfd, name, unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := openIn(dirfd, temp, unix.O_WRONLY|unix.O_CREAT|unix.O_EXCL)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := linuxfs.Copy(out, in); err != nil {
		return err
	}
	if err := copyXattrs(int(in.Fd()), int(out.Fd())); err != nil {
		return err
	}
	if err := unix.Fchown(int(out.Fd()), int(st.Uid), int(st.Gid)); err != nil && err != unix.EPERM {
		return err
	}
	if err := unix.Fchmod(int(out.Fd()), st.Mode&0o7777); err != nil {
		return err
	}
	return out.Close()
}

func openIn(dirfd int, name string, flags int) (*os.File, error) {
	fd, err := unix.Openat(dirfd, name, flags|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), name), nil
}

func copyXattrs(in, out int) error {
	attrs, err := linuxfs.Xattrs(in)
	if err != nil {
		return err
	}
	for _, a := range attrs {
		if err := unix.Fsetxattr(out, a.Name, a.Value, 0); err != nil && err != unix.EPERM && err != unix.ENOTSUP {
			return err
		}
	}
	return nil
}

func copyLink(dirfd int, name, temp string, st *unix.Stat_t) error {
	target := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dirfd, name, target)
	if err != nil {
		return err
	}
	if err := unix.Symlinkat(string(target[:n]), dirfd, temp); err != nil {
		return err
	}
	err = unix.Fchownat(dirfd, temp, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.EPERM {
		return nil
	}
	return err
}
