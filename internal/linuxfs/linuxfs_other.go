//go:build !linux

package linuxfs

import (
	"errors"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const errNoAttr = unix.ENOATTR

// Temp is a file under a temporary name. It has to be closed, after Link
// or without.
type Temp struct {
	*os.File
	dirfd int
	name  string
}

// CreateTemp makes a file in the directory dirfd.
func CreateTemp(dirfd int, mode uint32) (*Temp, error) {
	name := TempName(".tmp-")
	f, err := Open(dirfd, name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, mode)
	if err != nil {
		return nil, err
	}
	return &Temp{f, dirfd, name}, nil
}

// Link gives the file its name in the directory dirfd. It returns an error that
// is fs.ErrExist where the name is taken; the file then still has none.
func (t *Temp) Link(dirfd int, name string) error {
	return unix.Linkat(t.dirfd, t.name, dirfd, name, 0)
}

// Close drops the temporary name.
func (t *Temp) Close() error {
	if t.name != "" {
		unix.Unlinkat(t.dirfd, t.name, 0)
		t.name = ""
	}
	return t.File.Close()
}

// Link returns errors.ErrUnsupported.
func Link(f *os.File, dirfd int, name string) error { return errors.ErrUnsupported }

// EnableVerity returns errors.ErrUnsupported.
func EnableVerity(f *os.File) error { return errors.ErrUnsupported }

// MeasureVerity returns errors.ErrUnsupported.
func MeasureVerity(f *os.File) ([]byte, error) { return nil, errors.ErrUnsupported }

// Clone returns errors.ErrUnsupported.
func Clone(dst, src *os.File) error { return errors.ErrUnsupported }

// Copy fills dst with src's contents from its start.
func Copy(dst, src *os.File) error {
	_, err := io.Copy(dst, src)
	return err
}

// RenameNoReplace renames a file unless the new name is taken (fs.ErrExist).
func RenameNoReplace(fromdir int, from string, todir int, to string) error {
	if err := unix.Linkat(fromdir, from, todir, to, 0); err != nil {
		return err
	}
	return unix.Unlinkat(fromdir, from, 0)
}

// A DirInode is what a directory says of an entry.
type DirInode struct {
	Name string
	Ino  uint64
}

// ReadInodes is not available.
func ReadInodes(dir *os.File) ([]DirInode, error) { return nil, errors.ErrUnsupported }

// SyncFS writes back f; there is no call for a whole file system.
func SyncFS(f *os.File) error { return f.Sync() }

// TryLock takes a lock on f, shared or exclusive, and returns an error that is
// unix.EAGAIN when another holds it.
func TryLock(f *os.File, exclusive bool) error {
	how := unix.LOCK_SH
	if exclusive {
		how = unix.LOCK_EX
	}
	return unix.Flock(int(f.Fd()), how|unix.LOCK_NB)
}

// SetModTime sets the times of an open file.
func SetModTime(fd int, t time.Time) error {
	tv := unix.NsecToTimeval(t.UnixNano())
	return unix.Futimes(fd, []unix.Timeval{tv, tv})
}

// SetModTimeAt sets the times of name in the directory dirfd, which is not followed
// when it is a symlink.
func SetModTimeAt(dirfd int, name string, t time.Time) error {
	ts, err := unix.TimeToTimespec(t)
	if err != nil {
		return err
	}
	return unix.UtimesNanoAt(dirfd, name, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
}
