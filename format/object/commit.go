package object

import (
	"crypto/sha256"
	"fmt"

	"github.com/treenail/treenail/format/gvariant"
)

// Commit is the root of a tree, with its history and description.
type Commit struct {
	Metadata  gvariant.Value // a{sv}; the zero Value stands for an empty one
	Parent    Checksum       // zero: none
	Subject   string
	Body      string
	Timestamp uint64 // seconds since 1970, UTC
	Tree      Checksum
	Meta      Checksum
}

const (
	typeCommit  gvariant.Type = "(a{sv}aya(say)sstayay)"
	typeVardict gvariant.Type = "a{sv}"
)

// Encode returns the object's bytes, (a{sv}aya(say)sstayay). The list of related
// commits, which nobody uses, is empty.
func (c *Commit) Encode() []byte {
	metadata := c.Metadata
	if metadata.Type() != typeVardict {
		metadata = gvariant.NewVardict()
	}
	var parent []byte
	if !c.Parent.IsZero() {
		parent = c.Parent[:]
	}
	return gvariant.NewTuple(
		metadata,
		gvariant.NewBytes(parent),
		gvariant.NewArray("(say)"),
		gvariant.NewString(c.Subject),
		gvariant.NewString(c.Body),
		be64(c.Timestamp),
		gvariant.NewBytes(c.Tree[:]),
		gvariant.NewBytes(c.Meta[:]),
	).Bytes()
}

// DecodeCommit reads and validates a commit object.
func DecodeCommit(data []byte) (*Commit, error) {
	v := gvariant.FromBytes(typeCommit, data)
	if err := v.CheckNormal(); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	c := &Commit{
		Metadata:  v.At(0),
		Subject:   v.At(3).Str(),
		Body:      v.At(4).Str(),
		Timestamp: fromBE64(v.At(5)),
	}
	var err error
	if parent := v.At(1).Data(); len(parent) > 0 {
		if c.Parent, err = checksumFromBytes(parent); err != nil {
			return nil, fmt.Errorf("commit: parent: %w", err)
		}
	}
	if c.Tree, err = checksumFromBytes(v.At(6).Data()); err != nil {
		return nil, fmt.Errorf("commit: root dirtree: %w", err)
	}
	if c.Meta, err = checksumFromBytes(v.At(7).Data()); err != nil {
		return nil, fmt.Errorf("commit: root dirmeta: %w", err)
	}
	return c, nil
}

// ContentChecksum names what the commit contains, whatever its description and
// history: the SHA-256 of the root dirtree's and dirmeta's checksums.
func (c *Commit) ContentChecksum() Checksum {
	return sha256.Sum256(append(c.Tree[:], c.Meta[:]...))
}

// VerifyMetadata checks that data has the checksum of name and is a valid object
// of its type. Detached metadata and tombstones are not named by their bytes, so
// only their form is checked.
func VerifyMetadata(name Name, data []byte) error {
	var err error
	switch name.Type {
	case TypeDirTree:
		_, err = DecodeDirTree(data)
	case TypeDirMeta:
		_, err = DecodeDirMeta(data)
	case TypeCommit:
		_, err = DecodeCommit(data)
	case TypeCommitMeta, TypeTombstoneCommit:
		if err := gvariant.FromBytes("a{sv}", data).CheckNormal(); err != nil {
			return fmt.Errorf("object %s: %w", name, err)
		}
		return nil
	default:
		return fmt.Errorf("object %s is not metadata", name)
	}
	if actual := Sum(data); actual != name.Checksum {
		return &ChecksumError{name, actual}
	}
	if err != nil {
		return fmt.Errorf("object %s: %w", name, err)
	}
	return nil
}
