package rofiles

import (
	"os"

	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sys/unix"
)

// unshare gives a name a copy of the shared file that it has. The copy takes the
// name at once, so nobody sees half of it; one made meanwhile is left alone.
func (r *root) unshare(path string) error {
	r.copying.Lock()
	defer r.copying.Unlock()
	return r.parent(path, func(dirfd int, name string) error {
		return r.file(path, func(fd int) error {
			if shared, err := isShared(fd); err != nil || !shared {
				return err
			}
			temp := linuxfs.TempName(".rofiles-")
			err := makeCopy(dirfd, name, temp, fd)
			if err == nil {
				err = unix.Renameat(dirfd, temp, dirfd, name)
			}
			if err != nil {
				unix.Unlinkat(dirfd, temp, 0)
			}
			return err
		})
	})
}

// makeCopy makes the file temp, which is as the one that fd and name name but for
// the number of its names.
func makeCopy(dirfd int, name, temp string, fd int) error {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_IFMT == unix.S_IFLNK {
		return copyLink(dirfd, name, temp, fd, &st)
	}
	in, err := reopen(fd, unix.O_RDONLY)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := linuxfs.CreateTemp(dirfd, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := copyFile(out.File, in, &st); err != nil {
		return err
	}
	return out.Link(dirfd, temp)
}

// copyFile copies content and metadata, in an order in which nothing takes away
// what was set before: writing and chown clear setuid bits and capabilities.
func copyFile(out, in *os.File, st *unix.Stat_t) error {
	fd := int(out.Fd())
	if err := linuxfs.Copy(out, in); err != nil {
		return err
	}
	if err := unix.Fchown(fd, int(st.Uid), int(st.Gid)); err != nil {
		return err
	}
	if err := unix.Fchmod(fd, st.Mode&0o7777); err != nil {
		return err
	}
	attrs, err := linuxfs.Xattrs(int(in.Fd()))
	if err != nil {
		return err
	}
	for _, a := range attrs {
		if err := linuxfs.SetXattr(fd, a.Name, a.Value); err != nil {
			return err
		}
	}
	return unix.UtimesNanoAt(fd, "", []unix.Timespec{st.Atim, st.Mtim}, unix.AT_EMPTY_PATH)
}

func copyLink(dirfd int, name, temp string, fd int, st *unix.Stat_t) error {
	target, err := linuxfs.ReadLink(fd, "")
	if err != nil {
		return err
	}
	if err := unix.Symlinkat(target, dirfd, temp); err != nil {
		return err
	}
	if err := unix.Fchownat(dirfd, temp, int(st.Uid), int(st.Gid), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	attrs, err := linuxfs.LXattrs(dirfd, name)
	if err != nil {
		return err
	}
	for _, a := range attrs {
		if err := linuxfs.SetLXattr(dirfd, temp, a.Name, a.Value); err != nil {
			return err
		}
	}
	return unix.UtimesNanoAt(dirfd, temp, []unix.Timespec{st.Atim, st.Mtim}, unix.AT_SYMLINK_NOFOLLOW)
}
