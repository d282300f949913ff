package diff

import (
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
	"github.com/treenail/treenail/ostreerepo"
	"golang.org/x/sys/unix"
)

// Dir is a directory on disk. The path may be a symlink to it; no other symlink
// is followed. Of what is neither a regular file, a symlink nor a directory,
// owner, mode and xattrs count. An *fs.PathError says what could not be read.
func Dir(path string) Tree {
	return Tree{
		open:     func(s settings) (dir, error) { return openDisk(unix.AT_FDCWD, path, path, 0, s) },
		noXattrs: func() bool { return false },
	}
}

// diskDir is an open directory on disk.
type diskDir struct {
	settings
	file  *os.File
	fd    int
	path  string // for messages
	users atomic.Int32
}

func openDisk(dirfd int, name, path string, flags int, s settings) (dir, error) {
	f, err := linuxfs.Open(dirfd, name, unix.O_RDONLY|unix.O_DIRECTORY|flags, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "opendir", Path: path, Err: err}
	}
	d := &diskDir{settings: s, file: f, fd: int(f.Fd()), path: path}
	d.hold()
	return d, nil
}

func (d *diskDir) open(n node) (dir, error) {
	return openDisk(d.fd, n.name, joinPath(d.path, n.name), unix.O_NOFOLLOW, d.settings)
}

func (d *diskDir) hold() { d.users.Add(1) }

func (d *diskDir) release() {
	if d.users.Add(-1) == 0 {
		d.file.Close()
	}
}

func (d *diskDir) tree() (object.Checksum, bool) { return object.Checksum{}, false }

func (d *diskDir) list() (listing, error) {
	entries, err := d.file.ReadDir(-1)
	if err != nil {
		return listing{}, d.error("readdir", "", err)
	}
	var l listing
	for _, e := range entries {
		if e.IsDir() {
			l.dirs = append(l.dirs, node{name: e.Name(), dir: true})
		} else {
			l.files = append(l.files, node{name: e.Name()})
		}
	}
	byName := func(a, b node) int { return strings.Compare(a.name, b.name) }
	slices.SortFunc(l.files, byName)
	slices.SortFunc(l.dirs, byName)
	return l, nil
}

// error says where in the directory something happened; name is "" for itself.
func (d *diskDir) error(op, name string, err error) error {
	path := d.path
	if name != "" {
		path = joinPath(path, name)
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}

// sum hashes a file as a content object, or the metadata of a directory.
func (d *diskDir) sum(n node) (object.Checksum, error) {
	var st unix.Stat_t
	if err := unix.Fstatat(d.fd, n.name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return object.Checksum{}, d.error("stat", n.name, err)
	}
	h := object.FileHeader{UID: st.Uid, GID: st.Gid, Mode: uint32(st.Mode)} //nolint:unconvert // 16 bits on macOS
	if d.uid != nil {
		h.UID = *d.uid
	}
	if d.gid != nil {
		h.GID = *d.gid
	}
	if !d.noXattrs {
		var err error
		if h.Xattrs, err = ostreerepo.CaptureXattrsAt(d.fd, n.name); err != nil {
			return object.Checksum{}, d.error("read xattrs of", n.name, err)
		}
	}
	return d.sumAs(n, h)
}

func (d *diskDir) sumAs(n node, h object.FileHeader) (object.Checksum, error) {
	switch h.Mode & object.ModeTypeMask {
	case object.ModeDir:
		return object.Sum(object.DirMeta{UID: h.UID, GID: h.GID, Mode: h.Mode, Xattrs: h.Xattrs}.Encode()), nil
	case object.ModeRegular:
		return d.sumRegular(n, h)
	case object.ModeSymlink:
		var target [unix.PathMax]byte
		size, err := unix.Readlinkat(d.fd, n.name, target[:])
		if err != nil {
			return object.Checksum{}, d.error("readlink", n.name, err)
		}
		h.Target = string(target[:size])
	}
	return h.Checksum(nil), nil
}

func (d *diskDir) sumRegular(n node, h object.FileHeader) (object.Checksum, error) {
	f, err := linuxfs.Open(d.fd, n.name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return object.Checksum{}, d.error("open", n.name, err)
	}
	defer f.Close()
	sum := h.NewHash()
	if _, err := io.Copy(sum, f); err != nil {
		return object.Checksum{}, d.error("read", n.name, err)
	}
	return object.SumOf(sum), nil
}
