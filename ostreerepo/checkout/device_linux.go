package checkout

import (
	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sys/unix"
)

// makeWhiteout makes a character device 0:0, which Linux lets every user do.
func makeWhiteout(dirfd int, name string, mode uint32) error {
	return unix.Mknodat(dirfd, name, unix.S_IFCHR|mode, 0)
}

// chmodWhiteout sets the mode of a device. Opened as a path only, because such a
// device can't be opened otherwise, and fchmodat would follow a symlink.
func chmodWhiteout(dirfd int, name string, mode uint32) error {
	fd, err := openat(dirfd, name, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Chmod(linuxfs.ProcPath(fd), mode)
}
