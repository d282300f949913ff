package object

import (
	"fmt"
	"strings"
)

// Type is the kind of an object, with libostree's numbers.
type Type uint8

// The types of objects. From TypeDirTree to TypeCommitMeta they are metadata.
const (
	TypeFile Type = iota + 1
	TypeDirTree
	TypeDirMeta
	TypeCommit
	TypeTombstoneCommit
	TypeCommitMeta
	TypePayloadLink
	TypeFileXattrs
	TypeFileXattrsLink
)

var typeNames = [...]string{
	TypeFile: "file", TypeDirTree: "dirtree", TypeDirMeta: "dirmeta", TypeCommit: "commit",
	TypeTombstoneCommit: "tombstone-commit", TypeCommitMeta: "commitmeta",
	TypePayloadLink: "payload-link", TypeFileXattrs: "file-xattrs", TypeFileXattrsLink: "file-xattrs-link",
}

// ParseType reads a type's name, which is also its file name extension.
func ParseType(s string) (Type, error) {
	for t := TypeFile; t <= TypeFileXattrsLink; t++ {
		if typeNames[t] == s {
			return t, nil
		}
	}
	return 0, fmt.Errorf("invalid object type %q", s)
}

// String is the type's name.
func (t Type) String() string {
	if t < TypeFile || t > TypeFileXattrsLink {
		return fmt.Sprintf("type(%d)", uint8(t))
	}
	return typeNames[t]
}

// IsMeta reports whether objects of this type are stored as a plain GVariant.
func (t Type) IsMeta() bool { return t >= TypeDirTree && t <= TypeCommitMeta }

// Name identifies an object in a repository.
type Name struct {
	Checksum Checksum
	Type     Type
}

// ParseName reads "CHECKSUM.TYPE".
func ParseName(s string) (Name, error) {
	sum, ext, ok := strings.Cut(s, ".")
	if !ok {
		return Name{}, fmt.Errorf("object name %q: no type", s)
	}
	c, err := ParseChecksum(sum)
	if err != nil {
		return Name{}, fmt.Errorf("object name %q: %w", s, err)
	}
	t, err := ParseType(ext)
	if err != nil {
		return Name{}, fmt.Errorf("object name %q: %w", s, err)
	}
	return Name{c, t}, nil
}

// String is "CHECKSUM.TYPE".
func (n Name) String() string { return n.Checksum.String() + "." + n.Type.String() }

// LoosePath is the object's path below a repository's objects directory:
// two digits, a slash, the other 62, a dot and the type; content objects of an
// archive repository end in "filez".
func (n Name) LoosePath(archive bool) string {
	hex := n.Checksum.String()
	path := hex[:2] + "/" + hex[2:] + "." + n.Type.String()
	if archive && n.Type == TypeFile {
		path += "z"
	}
	return path
}

// ParseLoosePath is the reverse of LoosePath for the two components of a path:
// the directory's two digits and the file's name.
func ParseLoosePath(dir, file string, archive bool) (Name, error) {
	if archive && strings.HasSuffix(file, ".filez") {
		file = file[:len(file)-1]
	}
	if len(dir) != 2 {
		return Name{}, fmt.Errorf("object directory %q: want two digits", dir)
	}
	return ParseName(dir + file)
}
