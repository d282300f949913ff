// Package summary reads and writes the summary of an OSTree repository: one file
// at its root that lists the refs with their commits, so that a client learns of
// all of them in one request.
//
// The format is libostree's, a GVariant (a(s(taya{sv}))a{sv}): refs sorted
// bytewise by name, each with the size and checksum of its commit object and a
// dictionary about the commit; then a dictionary about the repository. The size
// is stored least significant byte first, other integers most significant byte
// first. Keys that this package does not know are kept.
package summary

import (
	"fmt"
	"math/bits"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
)

// Type is the GVariant type of a summary.
const Type gvariant.Type = "(a(s(taya{sv}))a{sv})"

const (
	refType        gvariant.Type = "(s(taya{sv}))"
	collectionType gvariant.Type = "{sa(s(taya{sv}))}"
)

// Keys of the dictionary about the repository, with the types of their values.
const (
	ModeKey          = "ostree.summary.mode"              // s: core.mode of the repository
	LastModifiedKey  = "ostree.summary.last-modified"     // t: seconds since 1970
	ExpiresKey       = "ostree.summary.expires"           // t: seconds since 1970
	TombstonesKey    = "ostree.summary.tombstone-commits" // b: deleted commits leave tombstones
	IndexedDeltasKey = "ostree.summary.indexed-deltas"    // b: delta-indexes/ is complete
	DeltasKey        = "ostree.static-deltas"             // a{sv}: name of a static delta, checksum of its superblock
	CollectionIDKey  = "ostree.summary.collection-id"     // s: collection of the refs
	CollectionMapKey = "ostree.summary.collection-map"    // a{sa(s(taya{sv}))}: refs of other collections
)

// Keys of the dictionary about a commit.
const (
	TimestampKey = "ostree.commit.timestamp" // t: seconds since 1970
	VersionKey   = "ostree.commit.version"   // s
)

// Summary is what a summary says.
type Summary struct {
	Refs     []Ref
	Metadata gvariant.Value // a{sv} about the repository
}

// Ref is a ref and its commit.
type Ref struct {
	Name     string
	Size     uint64 // of the commit object, in bytes
	Commit   object.Checksum
	Metadata gvariant.Value // a{sv} about the commit
}

// Collection is the refs of another collection than the repository's own.
type Collection struct {
	ID   string
	Refs []Ref
}

// Encode returns the bytes of the file. The caller sorts the refs.
func (s *Summary) Encode() []byte { return gvariant.NewTuple(encodeRefs(s.Refs), s.Metadata).Bytes() }

func encodeRefs(refs []Ref) gvariant.Value {
	items := make([]gvariant.Value, len(refs))
	for i, r := range refs {
		commit := gvariant.NewTuple(gvariant.NewUint64(r.Size), gvariant.NewBytes(r.Commit[:]), r.Metadata)
		items[i] = gvariant.NewTuple(gvariant.NewString(r.Name), commit)
	}
	return gvariant.NewArray(refType, items...)
}

// EncodeCollections returns the value of CollectionMapKey. The caller sorts the
// collections and their refs.
func EncodeCollections(collections []Collection) gvariant.Value {
	items := make([]gvariant.Value, len(collections))
	for i, c := range collections {
		items[i] = gvariant.NewDictEntry(gvariant.NewString(c.ID), encodeRefs(c.Refs))
	}
	return gvariant.NewArray(collectionType, items...)
}

// Decode reads a summary. What is not in GVariant normal form, or has a checksum
// that is none, is an error. Strings and values share the memory of data.
func Decode(data []byte) (*Summary, error) {
	v := gvariant.FromBytes(Type, data)
	if err := v.CheckNormal(); err != nil {
		return nil, fmt.Errorf("summary: %w", err)
	}
	refs, err := decodeRefs(v.At(0))
	if err != nil {
		return nil, fmt.Errorf("summary: %w", err)
	}
	return &Summary{Refs: refs, Metadata: v.At(1)}, nil
}

func decodeRefs(v gvariant.Value) ([]Ref, error) {
	refs := make([]Ref, v.Len())
	for i := range refs {
		name, commit := v.At(i).At(0).Str(), v.At(i).At(1)
		checksum := commit.At(1).Data()
		if len(checksum) != len(object.Checksum{}) {
			return nil, fmt.Errorf("ref %q: checksum of %d bytes", name, len(checksum))
		}
		refs[i] = Ref{name, commit.At(0).Uint64(), object.Checksum(checksum), commit.At(2)}
	}
	return refs, nil
}

// Collections reads the refs of other collections.
func (s *Summary) Collections() ([]Collection, error) {
	v, ok := s.Metadata.Lookup(CollectionMapKey)
	if !ok || v.Type() != "a"+collectionType {
		return nil, nil
	}
	collections := make([]Collection, v.Len())
	for i := range collections {
		id := v.At(i).At(0).Str()
		refs, err := decodeRefs(v.At(i).At(1))
		if err != nil {
			return nil, fmt.Errorf("summary: collection %q: %w", id, err)
		}
		collections[i] = Collection{id, refs}
	}
	return collections, nil
}

// CollectionID is the collection of the refs, "" for none.
func (s *Summary) CollectionID() string {
	v, ok := s.Metadata.Lookup(CollectionIDKey)
	if !ok || v.Type() != "s" {
		return ""
	}
	return v.Str()
}

// NewTime makes a time for a dictionary, in seconds since 1970.
func NewTime(seconds uint64) gvariant.Value { return gvariant.NewUint64(bits.ReverseBytes64(seconds)) }

// Time reads a time out of a dictionary; ok is false for a value of another type.
func Time(v gvariant.Value) (seconds uint64, ok bool) {
	return bits.ReverseBytes64(v.Uint64()), v.Type() == "t"
}
