package ostreerepo

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sys/unix"
)

// ChecksumPath returns the name that the file, symlink or directory at path would
// have as an object, with the owner, the mode and, unless noXattrs, the xattrs it
// has on disk. For a directory that is the checksum of its dirmeta: what it
// contains does not count.
func ChecksumPath(path string, noXattrs bool) (object.Checksum, error) {
	dir, err := openDir(unix.AT_FDCWD, filepath.Dir(filepath.Clean(path)))
	if err != nil {
		return object.Checksum{}, err
	}
	defer dir.Close()
	c, err := checksumAt(dir, filepath.Base(path), noXattrs)
	if err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

func checksumAt(dir *os.File, name string, noXattrs bool) (object.Checksum, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return object.Checksum{}, err
	}
	h := object.FileHeader{UID: st.Uid, GID: st.Gid, Mode: uint32(st.Mode)}
	if !noXattrs {
		var err error
		if h.Xattrs, err = CaptureXattrsAt(int(dir.Fd()), name); err != nil {
			return object.Checksum{}, err
		}
	}
	switch h.Mode & object.ModeTypeMask {
	case object.ModeDir:
		return object.Sum(object.DirMeta{UID: h.UID, GID: h.GID, Mode: h.Mode, Xattrs: h.Xattrs}.Encode()), nil
	case object.ModeSymlink:
		target, err := os.Readlink(filepath.Join(dir.Name(), name))
		h.Target = target
		return h.Checksum(nil), err
	case object.ModeRegular:
		return checksumRegular(dir, name, h, st.Size)
	}
	return object.Checksum{}, errors.New("not a regular file, a symlink or a directory")
}

func checksumRegular(dir *os.File, name string, h object.FileHeader, size int64) (object.Checksum, error) {
	f, err := linuxfs.Open(int(dir.Fd()), name, unix.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return object.Checksum{}, err
	}
	defer f.Close()
	sum := h.NewHash()
	if err := copyBody(sum, f, size); err != nil {
		return object.Checksum{}, err
	}
	return object.SumOf(sum), nil
}
