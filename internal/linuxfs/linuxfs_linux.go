package linuxfs

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const errNoAttr = unix.ENODATA

// Temp is a file without a final name. It has to be closed, after Link or
// without; a process that dies before Link leaves nothing, or on file systems
// that know no unnamed files a file called .tmp-….
type Temp struct {
	*os.File
	dirfd int
	name  string // "" for an unnamed file
}

// CreateTemp makes a file in the directory dirfd, unnamed where that is possible.
func CreateTemp(dirfd int, mode uint32) (*Temp, error) {
	f, err := Open(dirfd, ".", unix.O_TMPFILE|unix.O_RDWR, mode)
	if err == nil {
		return &Temp{f, dirfd, ""}, nil
	}
	if !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.EISDIR) && !errors.Is(err, unix.ENOENT) {
		return nil, err
	}
	name := TempName(".tmp-")
	f, err = Open(dirfd, name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, mode)
	if err != nil {
		return nil, err
	}
	return &Temp{f, dirfd, name}, nil
}

// Link gives the file its name in the directory dirfd. It returns an error that
// is fs.ErrExist where the name is taken; the file then still has none.
func (t *Temp) Link(dirfd int, name string) error {
	if t.name == "" {
		return Link(t.File, dirfd, name)
	}
	err := unix.Renameat2(t.dirfd, t.name, dirfd, name, unix.RENAME_NOREPLACE)
	if err == nil {
		t.name = ""
	}
	return err
}

// Close drops the file when it was not linked.
func (t *Temp) Close() error {
	if t.name != "" {
		unix.Unlinkat(t.dirfd, t.name, 0)
		t.name = ""
	}
	return t.File.Close()
}

// Link gives an open file one more name, in the directory dirfd, whatever became
// of the name that it was opened by. It returns an error that is fs.ErrExist where
// the name is taken.
func Link(f *os.File, dirfd int, name string) error {
	return unix.Linkat(unix.AT_FDCWD, ProcPath(int(f.Fd())), dirfd, name, unix.AT_SYMLINK_FOLLOW)
}

// Clone makes dst share src's blocks (FICLONE). It returns an error that is
// errors.ErrUnsupported where the file system can't, or the two are not on one.
func Clone(dst, src *os.File) error {
	err := unix.IoctlFileClone(int(dst.Fd()), int(src.Fd()))
	switch err {
	case unix.EOPNOTSUPP, unix.ENOTTY, unix.EXDEV, unix.EINVAL, unix.ENOSYS, unix.EPERM:
		return errors.ErrUnsupported
	}
	return err
}

// Copy fills dst with src's contents from its start: shared blocks, else a copy
// in the kernel, else a copy in user space.
func Copy(dst, src *os.File) error {
	if err := Clone(dst, src); !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	_, err := io.Copy(dst, src) // uses copy_file_range
	return err
}

// RenameNoReplace renames a file unless the new name is taken (fs.ErrExist).
func RenameNoReplace(fromdir int, from string, todir int, to string) error {
	err := unix.Renameat2(fromdir, from, todir, to, unix.RENAME_NOREPLACE)
	if err == unix.EINVAL || err == unix.ENOSYS {
		if err = unix.Linkat(fromdir, from, todir, to, 0); err == nil {
			err = unix.Unlinkat(fromdir, from, 0)
		}
	}
	return err
}

// A DirInode is what a directory says of an entry.
type DirInode struct {
	Name string
	Ino  uint64 // of the entry itself, not of what is mounted on it
}

// ReadInodes reads all entries of a directory, with their inode numbers. On a file
// system whose directories may say other numbers than stat, such as overlayfs, it
// returns an error that is errors.ErrUnsupported.
func ReadInodes(dir *os.File) ([]DirInode, error) {
	fd := int(dir.Fd())
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return nil, fmt.Errorf("statfs: %w", err)
	}
	switch st.Type {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, unix.TMPFS_MAGIC:
	default:
		return nil, errors.ErrUnsupported
	}
	var entries []DirInode
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.ReadDirent(fd, buf)
		if err != nil {
			return nil, fmt.Errorf("readdir: %w", err)
		}
		if n == 0 {
			return entries, nil
		}
		entries = appendDirents(entries, buf[:n])
	}
}

// appendDirents parses struct linux_dirent64 (getdents64(2)): inode, 8 bytes; offset,
// 8; length of the record, 2; type, 1; name, up to a NUL.
func appendDirents(entries []DirInode, buf []byte) []DirInode {
	const nameAt = 19
	for len(buf) > nameAt {
		record := buf[:binary.NativeEndian.Uint16(buf[16:])]
		buf = buf[len(record):]
		name, _, _ := bytes.Cut(record[nameAt:], []byte{0})
		if s := string(name); s != "." && s != ".." {
			entries = append(entries, DirInode{s, binary.NativeEndian.Uint64(record)})
		}
	}
	return entries
}

// SyncFS writes back the whole file system that f lies on.
func SyncFS(f *os.File) error { return unix.Syncfs(int(f.Fd())) }

// TryLock takes an open-file-description lock on all of f, shared or exclusive,
// and returns an error that is unix.EAGAIN when another holds it.
func TryLock(f *os.File, exclusive bool) error {
	kind := int16(unix.F_RDLCK)
	if exclusive {
		kind = unix.F_WRLCK
	}
	lock := unix.Flock_t{Type: kind, Whence: io.SeekStart}
	err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock)
	if err == unix.EACCES {
		err = unix.EAGAIN
	}
	return err
}

// SetModTime sets the modification time of an open file and leaves the time of
// the last access alone.
func SetModTime(fd int, t time.Time) error {
	ts, err := unix.TimeToTimespec(t)
	if err != nil {
		return err
	}
	times := [2]unix.Timespec{{Nsec: unix.UTIME_OMIT}, ts}
	return unix.UtimesNanoAt(fd, "", times[:], unix.AT_EMPTY_PATH)
}

// SetModTimeAt is SetModTime for name in the directory dirfd, which is not followed
// when it is a symlink.
func SetModTimeAt(dirfd int, name string, t time.Time) error {
	ts, err := unix.TimeToTimespec(t)
	if err != nil {
		return err
	}
	times := [2]unix.Timespec{{Nsec: unix.UTIME_OMIT}, ts}
	return unix.UtimesNanoAt(dirfd, name, times[:], unix.AT_SYMLINK_NOFOLLOW)
}
