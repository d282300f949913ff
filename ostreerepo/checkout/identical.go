package checkout

import (
	"io"
	"os"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
	"github.com/treenail/treenail/ostreerepo"
	"golang.org/x/sys/unix"
)

// comparison says what of an existing file counts.
type comparison struct {
	noXattrs  bool
	canonical bool // owner and write permission of others don't, as in a bare-user-only repository
}

// identical reports whether what is called name, taken as a content object, is
// the object sum.
func identical(dirfd int, name string, sum object.Checksum, how comparison) (bool, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, &sysError{"fstatat(" + name + ")", err}
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		return identicalLink(dirfd, name, sum, how, &st)
	case unix.S_IFREG:
		return identicalFile(dirfd, name, sum, how)
	}
	return false, nil
}

func (how comparison) header(st *unix.Stat_t) object.FileHeader {
	h := object.FileHeader{UID: st.Uid, GID: st.Gid, Mode: uint32(st.Mode)}
	if how.canonical {
		h.UID, h.GID, h.Mode = 0, 0, h.Mode&(object.ModeTypeMask|0o755)
	}
	return h
}

func identicalLink(dirfd int, name string, sum object.Checksum, how comparison, st *unix.Stat_t) (same bool, err error) {
	h := how.header(st)
	if h.Target, err = linuxfs.ReadLink(dirfd, name); err != nil {
		return false, err
	}
	if !how.noXattrs {
		if h.Xattrs, err = ostreerepo.CaptureXattrsAt(dirfd, name); err != nil {
			return false, err
		}
	}
	return h.Checksum(nil) == sum, nil
}

func identicalFile(dirfd int, name string, sum object.Checksum, how comparison) (bool, error) {
	fd, err := openat(dirfd, name, unix.O_RDONLY|unix.O_NOFOLLOW)
	if err != nil {
		return false, &sysError{"openat(" + name + ")", err}
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return false, &sysError{"fstat(" + name + ")", err}
	}
	h := how.header(&st)
	if !how.noXattrs {
		if h.Xattrs, err = ostreerepo.CaptureXattrs(fd); err != nil {
			return false, err
		}
	}
	hash := h.NewHash()
	if _, err := io.Copy(hash, f); err != nil {
		return false, err
	}
	return object.SumOf(hash) == sum, nil
}

// sameTarget reports whether name is a symlink to target. Where a symlink is
// copied, libostree asks for no more.
func sameTarget(dirfd int, name, target string) (bool, error) {
	got, err := linuxfs.ReadLink(dirfd, name)
	if err == unix.EINVAL { // no symlink
		return false, nil
	}
	return got == target, err
}
