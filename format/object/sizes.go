package object

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/treenail/treenail/format/gvariant"
)

// SizesKey is the metadata key under which a commit of an archive repository lists
// the sizes of its objects (libostree's repo format): an aay sorted by checksum,
// each element a checksum, two varints and the object type.
const SizesKey = "ostree.sizes"

// Size is how large an object is, in bytes.
type Size struct {
	Name     Name
	Archived uint64 // as it is stored in an archive repository
	Unpacked uint64 // the body of a file, the target of a symlink, a metadata object
}

// ErrNoSizes says that a commit does not list the sizes of its objects.
var ErrNoSizes = errors.New("No metadata key ostree.sizes in commit") //nolint:staticcheck // libostree's text

// Sizes reads the sizes that the commit lists.
func (c *Commit) Sizes() ([]Size, error) {
	list, ok := c.Metadata.Lookup(SizesKey)
	if !ok || list.Type() != "aay" {
		return nil, ErrNoSizes
	}
	sizes := make([]Size, list.Len())
	for i := range sizes {
		var err error
		if sizes[i], err = parseSize(list.At(i).Data()); err != nil {
			return nil, fmt.Errorf("%s: entry %d: %w", SizesKey, i, err)
		}
	}
	return sizes, nil
}

// EncodeSizes is the value of SizesKey for the sizes, in any order.
func EncodeSizes(sizes []Size) gvariant.Value {
	sizes = slices.Clone(sizes)
	slices.SortFunc(sizes, func(a, b Size) int { return a.Name.Checksum.Compare(b.Name.Checksum) })
	items := make([]gvariant.Value, len(sizes))
	for i, s := range sizes {
		items[i] = s.encode()
	}
	return gvariant.NewArray("ay", items...)
}

func (s Size) encode() gvariant.Value {
	data := slices.Clone(s.Name.Checksum[:])
	data = binary.AppendUvarint(data, s.Archived)
	data = binary.AppendUvarint(data, s.Unpacked)
	return gvariant.NewBytes(append(data, byte(s.Name.Type)))
}

var errSize = errors.New("malformed size entry")

func parseSize(data []byte) (s Size, err error) {
	if len(data) < len(s.Name.Checksum) {
		return s, errSize
	}
	data = data[copy(s.Name.Checksum[:], data):]
	for _, n := range []*uint64{&s.Archived, &s.Unpacked} {
		value, length := binary.Uvarint(data)
		if length <= 0 {
			return s, errSize
		}
		*n, data = value, data[length:]
	}
	s.Name.Type = TypeFile
	if len(data) > 0 { // commits of old programs have no type
		s.Name.Type = Type(data[0])
	}
	if len(data) > 1 || s.Name.Type < TypeFile || s.Name.Type > TypeFileXattrsLink {
		return s, errSize
	}
	return s, nil
}
