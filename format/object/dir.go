package object

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/treenail/treenail/format/gvariant"
)

// DirMeta is owner, mode and xattrs of a directory.
type DirMeta struct {
	UID, GID uint32
	Mode     uint32 // with the type bits
	Xattrs   Xattrs // in canonical form
}

// Encode returns the object's bytes, (uuua(ayay)).
func (m DirMeta) Encode() []byte {
	return gvariant.NewTuple(be32(m.UID), be32(m.GID), be32(m.Mode), m.Xattrs.variant()).Bytes()
}

// DecodeDirMeta reads and validates a dirmeta object.
func DecodeDirMeta(data []byte) (DirMeta, error) {
	v := gvariant.FromBytes(typeDirMeta, data)
	if err := v.CheckNormal(); err != nil {
		return DirMeta{}, fmt.Errorf("dirmeta: %w", err)
	}
	xattrs, err := xattrsOf(v.At(3))
	if err != nil {
		return DirMeta{}, fmt.Errorf("dirmeta: %w", err)
	}
	m := DirMeta{UID: fromBE32(v.At(0)), GID: fromBE32(v.At(1)), Mode: fromBE32(v.At(2)), Xattrs: xattrs}
	if m.Mode&ModeTypeMask != ModeDir || m.Mode&^(ModeTypeMask|ModePerm) != 0 {
		return DirMeta{}, fmt.Errorf("dirmeta: invalid mode 0%o: not a directory", m.Mode)
	}
	return m, nil
}

// FileEntry is a content object's place in a directory.
type FileEntry struct {
	Name     string
	Checksum Checksum
}

// DirEntry is a subdirectory: what it holds and what it is.
type DirEntry struct {
	Name       string
	Tree, Meta Checksum
}

// DirTree is the listing of a directory. Both lists are sorted bytewise by name,
// and no name is in both.
type DirTree struct {
	Files []FileEntry
	Dirs  []DirEntry
}

const typeDirTree gvariant.Type = "(a(say)a(sayay))"

// Encode sorts the two lists and returns the object's bytes, (a(say)a(sayay)).
func (t *DirTree) Encode() []byte {
	sort.Slice(t.Files, func(i, j int) bool { return t.Files[i].Name < t.Files[j].Name })
	sort.Slice(t.Dirs, func(i, j int) bool { return t.Dirs[i].Name < t.Dirs[j].Name })
	files := make([]gvariant.Value, len(t.Files))
	for i := range t.Files {
		f := &t.Files[i]
		files[i] = gvariant.NewTuple(gvariant.NewString(f.Name), gvariant.NewBytes(f.Checksum[:]))
	}
	dirs := make([]gvariant.Value, len(t.Dirs))
	for i := range t.Dirs {
		d := &t.Dirs[i]
		dirs[i] = gvariant.NewTuple(gvariant.NewString(d.Name), gvariant.NewBytes(d.Tree[:]), gvariant.NewBytes(d.Meta[:]))
	}
	return gvariant.NewTuple(gvariant.NewArray("(say)", files...), gvariant.NewArray("(sayay)", dirs...)).Bytes()
}

// DecodeDirTree reads and validates a dirtree object: names are proper, sorted
// and unique over both lists.
func DecodeDirTree(data []byte) (*DirTree, error) {
	v := gvariant.FromBytes(typeDirTree, data)
	if err := v.CheckNormal(); err != nil {
		return nil, fmt.Errorf("dirtree: %w", err)
	}
	t, err := dirTreeOf(v.At(0), v.At(1))
	if err != nil {
		return nil, fmt.Errorf("dirtree: %w", err)
	}
	return t, nil
}

func dirTreeOf(files, dirs gvariant.Value) (*DirTree, error) {
	t := &DirTree{Files: make([]FileEntry, files.Len()), Dirs: make([]DirEntry, dirs.Len())}
	var err error
	for i := range t.Files {
		entry := files.At(i)
		f := FileEntry{Name: entry.At(0).Str()}
		if f.Checksum, err = checksumFromBytes(entry.At(1).Data()); err != nil {
			return nil, fmt.Errorf("file %q: %w", f.Name, err)
		}
		t.Files[i] = f
	}
	for i := range t.Dirs {
		entry := dirs.At(i)
		d := DirEntry{Name: entry.At(0).Str()}
		if d.Tree, err = checksumFromBytes(entry.At(1).Data()); err != nil {
			return nil, fmt.Errorf("directory %q: %w", d.Name, err)
		}
		if d.Meta, err = checksumFromBytes(entry.At(2).Data()); err != nil {
			return nil, fmt.Errorf("directory %q: %w", d.Name, err)
		}
		t.Dirs[i] = d
	}
	return t, t.validate()
}

func (t *DirTree) validate() error {
	var last string
	for i, f := range t.Files {
		if err := ValidateName(f.Name); err != nil {
			return err
		}
		if i > 0 && f.Name <= last {
			return fmt.Errorf("file name %q is a duplicate or out of order", f.Name)
		}
		last = f.Name
	}
	for i, d := range t.Dirs {
		if err := ValidateName(d.Name); err != nil {
			return err
		}
		if i > 0 && d.Name <= last {
			return fmt.Errorf("directory name %q is a duplicate or out of order", d.Name)
		}
		last = d.Name
		if _, both := t.File(d.Name); both {
			return fmt.Errorf("name %q is both a file and a directory", d.Name)
		}
	}
	return nil
}

// File finds the file called name.
func (t *DirTree) File(name string) (FileEntry, bool) {
	i := sort.Search(len(t.Files), func(i int) bool { return t.Files[i].Name >= name })
	if i < len(t.Files) && t.Files[i].Name == name {
		return t.Files[i], true
	}
	return FileEntry{}, false
}

// Dir finds the subdirectory called name.
func (t *DirTree) Dir(name string) (DirEntry, bool) {
	i := sort.Search(len(t.Dirs), func(i int) bool { return t.Dirs[i].Name >= name })
	if i < len(t.Dirs) && t.Dirs[i].Name == name {
		return t.Dirs[i], true
	}
	return DirEntry{}, false
}

// ValidateName reports why name can't stand in a dirtree: it is empty, "." or
// "..", contains a slash or a NUL, or is not UTF-8 (GVariant strings are).
func ValidateName(name string) error {
	switch {
	case name == "":
		return errors.New("Invalid empty filename") //nolint:staticcheck // libostree's text
	case name == "." || name == "..":
		return fmt.Errorf("Invalid self-referential filename '%s'", name) //nolint:staticcheck // libostree's text
	case strings.IndexByte(name, '/') >= 0:
		return fmt.Errorf("Invalid / in filename %s", name) //nolint:staticcheck // libostree's text
	case strings.IndexByte(name, 0) >= 0 || !utf8.ValidString(name):
		return fmt.Errorf("Invalid UTF-8 in filename %q", name) //nolint:staticcheck // libostree's text
	}
	return nil
}
