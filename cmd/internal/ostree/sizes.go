package ostree

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
	"golang.org/x/sys/unix"
)

// sizesKey is the metadata key under which a commit of an archive repository
// lists the sizes of its objects (libostree repo format): an aay sorted by
// checksum, each element a checksum, two varints and the object type.
const sizesKey = "ostree.sizes"

// objectSize is the size of an object in bytes, as it is stored in an archive
// repository and as its content.
type objectSize struct {
	name               object.Name
	archived, unpacked uint64
}

// commitSizes reads the sizes in a commit's metadata.
func commitSizes(commit *object.Commit) ([]objectSize, error) {
	list, ok := commit.Metadata.Lookup(sizesKey)
	if !ok || list.Type() != "aay" {
		return nil, errors.New("No metadata key ostree.sizes in commit")
	}
	sizes := make([]objectSize, list.Len())
	for i := range sizes {
		var err error
		if sizes[i], err = parseSize(list.At(i).Data()); err != nil {
			return nil, fmt.Errorf("%s: entry %d: %w", sizesKey, i, err)
		}
	}
	return sizes, nil
}

var errSize = errors.New("malformed size entry")

func parseSize(data []byte) (s objectSize, err error) {
	if len(data) < len(s.name.Checksum) {
		return s, errSize
	}
	data = data[copy(s.name.Checksum[:], data):]
	for _, n := range []*uint64{&s.archived, &s.unpacked} {
		value, length := binary.Uvarint(data)
		if length <= 0 {
			return s, errSize
		}
		*n, data = value, data[length:]
	}
	s.name.Type = object.TypeFile
	if len(data) > 0 { // commits of old programs have no type
		s.name.Type = object.Type(data[0])
	}
	if len(data) > 1 || s.name.Type < object.TypeFile || s.name.Type > object.TypeFileXattrsLink {
		return s, errSize
	}
	return s, nil
}

func (s objectSize) encode() gvariant.Value {
	data := slices.Clone(s.name.Checksum[:])
	data = binary.AppendUvarint(data, s.archived)
	data = binary.AppendUvarint(data, s.unpacked)
	return gvariant.NewBytes(append(data, byte(s.name.Type)))
}

// treeSizes lists the sizes of all objects that a tree of an archive
// repository consists of.
func treeSizes(repo *ostreerepo.Repo, tree, meta object.Checksum) (gvariant.Value, error) {
	sizes := map[object.Name]objectSize{}
	add := func(c object.Checksum, t object.Type) error {
		n := object.Name{Checksum: c, Type: t}
		if _, ok := sizes[n]; ok {
			return nil
		}
		s, err := storedSize(repo, n)
		sizes[n] = s
		return err
	}
	for e, err := range repo.Walk(tree, meta) {
		switch {
		case err != nil:
		case e.Dir:
			err = errors.Join(add(e.Checksum, object.TypeDirTree), add(e.Meta, object.TypeDirMeta))
		default:
			err = add(e.Checksum, object.TypeFile)
		}
		if err != nil {
			return gvariant.Value{}, err
		}
	}
	return encodeSizes(sizes), nil
}

func encodeSizes(sizes map[object.Name]objectSize) gvariant.Value {
	var list []objectSize
	for _, s := range sizes {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b objectSize) int { return a.name.Checksum.Compare(b.name.Checksum) })
	var items []gvariant.Value
	for _, s := range list {
		items = append(items, s.encode())
	}
	return gvariant.NewArray("ay", items...)
}

// storedSize is how large an object is in the repository, and its content: the
// body of a file, the target of a symlink, a metadata object as it is.
func storedSize(repo *ostreerepo.Repo, n object.Name) (objectSize, error) {
	s := objectSize{name: n}
	dir, path, err := repo.Loose(n)
	if err != nil {
		return s, err
	}
	var st unix.Stat_t
	if err := unix.Fstatat(dir, path, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return s, fmt.Errorf("object %s: %w", n, err)
	}
	s.archived, s.unpacked = uint64(st.Size), uint64(st.Size)
	if n.Type != object.TypeFile {
		return s, nil
	}
	h, size, err := repo.Stat(n.Checksum)
	s.unpacked = uint64(size) + uint64(len(h.Target))
	return s, err
}
