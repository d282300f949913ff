package ostreerepo

import (
	"errors"

	"github.com/treenail/treenail/format/object"
	"golang.org/x/sys/unix"
)

// TreeSizes lists the sizes of all objects that a tree consists of, each once, for
// the metadata of a commit (object.EncodeSizes). They are right for a repository in
// the archive mode.
func (r *Repo) TreeSizes(tree, meta object.Checksum) ([]object.Size, error) {
	var sizes []object.Size
	seen := map[object.Name]struct{}{}
	add := func(c object.Checksum, t object.Type) error {
		n := object.Name{Checksum: c, Type: t}
		if _, ok := seen[n]; ok {
			return nil
		}
		seen[n] = struct{}{}
		s, err := r.storedSize(n)
		sizes = append(sizes, s)
		return err
	}
	for e, err := range r.Walk(tree, meta) {
		switch {
		case err != nil:
		case e.Dir:
			err = errors.Join(add(e.Checksum, object.TypeDirTree), add(e.Meta, object.TypeDirMeta))
		default:
			err = add(e.Checksum, object.TypeFile)
		}
		if err != nil {
			return nil, err
		}
	}
	return sizes, nil
}

func (r *Repo) storedSize(n object.Name) (object.Size, error) {
	s := object.Size{Name: n}
	dir, path, err := r.Loose(n)
	if err != nil {
		return s, err
	}
	var st unix.Stat_t
	if err := unix.Fstatat(dir, path, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return s, r.objectError(n, err)
	}
	s.Archived, s.Unpacked = uint64(st.Size), uint64(st.Size)
	if n.Type != object.TypeFile {
		return s, nil
	}
	h, size, err := r.Stat(n.Checksum)
	s.Unpacked = uint64(size) + uint64(len(h.Target))
	return s, err
}
