package ostreerepo

import (
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/treenail/treenail/format/object"
	"golang.org/x/sys/unix"
)

// fsInfo describes an entry.
type fsInfo struct {
	name   string
	size   int64
	header object.FileHeader
}

func (t *treeFS) info(e Entry) (*fsInfo, error) {
	info := &fsInfo{name: e.Path[strings.LastIndexByte(e.Path, '/')+1:]}
	if e.Path == "/" {
		info.name = "."
	}
	if e.Dir {
		m, err := t.repo.DirMeta(e.Meta)
		info.header = object.FileHeader{UID: m.UID, GID: m.GID, Mode: m.Mode, Xattrs: m.Xattrs}
		return info, err
	}
	var err error
	info.header, info.size, err = t.repo.Stat(e.Checksum)
	if info.header.IsSymlink() {
		info.size = int64(len(info.header.Target))
	}
	return info, err
}

func (i *fsInfo) Name() string       { return i.name }
func (i *fsInfo) Size() int64        { return i.size }
func (i *fsInfo) ModTime() time.Time { return time.Unix(0, 0) }
func (i *fsInfo) IsDir() bool        { return i.Mode().IsDir() }
func (i *fsInfo) Sys() any           { return i.header }

var modeBits = [...]struct {
	unix uint32
	fs   fs.FileMode
}{{unix.S_ISUID, fs.ModeSetuid}, {unix.S_ISGID, fs.ModeSetgid}, {unix.S_ISVTX, fs.ModeSticky}}

func (i *fsInfo) Mode() fs.FileMode {
	mode := fs.FileMode(i.header.Mode & 0o777)
	for _, bit := range modeBits {
		if i.header.Mode&bit.unix != 0 {
			mode |= bit.fs
		}
	}
	switch i.header.Mode & object.ModeTypeMask {
	case object.ModeDir:
		mode |= fs.ModeDir
	case object.ModeSymlink:
		mode |= fs.ModeSymlink
	}
	return mode
}

// fsFile is a regular file.
type fsFile struct {
	*File
	info *fsInfo
}

func (f *fsFile) Stat() (fs.FileInfo, error) { return f.info, nil }

// fsDir is a directory.
type fsDir struct {
	Entry
	fs   *treeFS
	info *fsInfo
	read int // entries that ReadDir has returned
}

func (d *fsDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *fsDir) Close() error               { return nil }

func (d *fsDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.name, Err: unix.EISDIR}
}

func (d *fsDir) ReadDir(n int) ([]fs.DirEntry, error) {
	tree, err := d.fs.repo.DirTree(d.Checksum)
	if err != nil {
		return nil, &fs.PathError{Op: "readdir", Path: d.info.name, Err: err}
	}
	all := children(d.Entry, tree)[d.read:]
	if n > 0 && len(all) == 0 {
		return nil, io.EOF
	}
	if n > 0 {
		all = all[:min(n, len(all))]
	}
	entries := make([]fs.DirEntry, 0, len(all))
	for _, e := range all {
		info, err := d.fs.info(e)
		if err != nil {
			return entries, &fs.PathError{Op: "readdir", Path: e.Path, Err: err}
		}
		entries = append(entries, fs.FileInfoToDirEntry(info))
		d.read++
	}
	return entries, nil
}

// children are the entries of a directory by name.
func children(dir Entry, t *object.DirTree) []Entry {
	all := make([]Entry, 0, len(t.Files)+len(t.Dirs))
	for _, f := range t.Files {
		all = append(all, Entry{Path: pathIn(dir, f.Name), Checksum: f.Checksum})
	}
	for _, sub := range t.Dirs {
		all = append(all, Entry{Path: pathIn(dir, sub.Name), Dir: true, Checksum: sub.Tree, Meta: sub.Meta})
	}
	slices.SortFunc(all, func(a, b Entry) int { return strings.Compare(a.Path, b.Path) })
	return all
}
