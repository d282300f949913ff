package tree

import (
	"context"
	"fmt"
	"strconv"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
)

// file is a content object in the tree. A worker sets sum; until the pool's
// wait returns nobody else reads it. Hard links share one file.
type file struct{ sum object.Checksum }

// dir is a directory of the tree. One that comes from a commit begins as the
// checksum of its dirtree and is loaded when something below it is looked at.
type dir struct {
	parent  *dir            // nil for the root
	meta    object.Checksum // zero: not known yet
	implied bool            // a layer has something below it, but no entry for it
	stored  object.Checksum // the dirtree that holds the contents; zero: none, nor for the parents
	loaded  bool            // the maps hold the contents
	files   map[string]*file
	dirs    map[string]*dir
}

// emptyTree is the dirtree of a directory with nothing in it.
var emptyTree = object.Sum((&object.DirTree{}).Encode())

// maxPath is the length in bytes up to which paths are taken. The kernel takes no
// longer ones, and it bounds how deep a hostile source can make a tree.
const maxPath = 4096

func checkPath(path string) error {
	if len(path) > maxPath {
		return fmt.Errorf("path of %d bytes exceeds the limit of %d: %s", len(path), maxPath, quote(path))
	}
	return nil
}

// quote shows a path, or as much of it as a reader of an error message needs.
func quote(path string) string {
	if len(path) > 256 {
		return strconv.Quote(path[:200]) + "…"
	}
	return strconv.Quote(path)
}

func newDir(parent *dir) *dir {
	return &dir{parent: parent, loaded: true, files: map[string]*file{}, dirs: map[string]*dir{}}
}

// touch notes that the contents are no longer those of a stored dirtree.
func (d *dir) touch() {
	for ; d != nil && !d.stored.IsZero(); d = d.parent {
		d.stored = object.Checksum{}
	}
}

// setMeta sets the dirmeta, which the parent's dirtree refers to.
func (d *dir) setMeta(meta object.Checksum) {
	if d.meta != meta {
		d.meta = meta
		d.parent.touch()
	}
}

// load brings the contents of a stored directory into the maps.
func (d *dir) load(r *ostreerepo.Repo) error {
	if d.loaded {
		return nil
	}
	t, err := r.DirTree(d.stored)
	if err != nil {
		return err
	}
	d.files = make(map[string]*file, len(t.Files))
	for _, f := range t.Files {
		d.files[f.Name] = &file{f.Checksum}
	}
	d.dirs = make(map[string]*dir, len(t.Dirs))
	for _, sub := range t.Dirs {
		d.dirs[sub.Name] = &dir{parent: d, meta: sub.Meta, stored: sub.Tree}
	}
	d.loaded = true
	return nil
}

// empty reports whether nothing was added yet.
func (d *dir) empty() bool {
	return d.stored == emptyTree || d.loaded && len(d.files) == 0 && len(d.dirs) == 0
}

// setFile puts f in a loaded directory, in place of a file of that name.
func (d *dir) setFile(name string, f *file) error {
	if err := object.ValidateName(name); err != nil {
		return err
	}
	if d.dirs[name] != nil {
		return fmt.Errorf("Can't replace directory with file: %s", name) //nolint:staticcheck // libostree's text
	}
	d.files[name] = f
	d.touch()
	return nil
}

// remove takes a file or directory out of a loaded directory.
func (d *dir) remove(name string) {
	if d.files[name] == nil && d.dirs[name] == nil {
		return
	}
	delete(d.files, name)
	delete(d.dirs, name)
	d.touch()
}

// subdir returns the subdirectory of a loaded directory, a new one if need be.
func (d *dir) subdir(name string) (*dir, error) {
	if err := object.ValidateName(name); err != nil {
		return nil, err
	}
	if d.files[name] != nil {
		return nil, fmt.Errorf("Can't replace file with directory: %s", name) //nolint:staticcheck // libostree's text
	}
	sub := d.dirs[name]
	if sub == nil {
		sub = newDir(d)
		d.dirs[name] = sub
		d.touch()
	}
	return sub, nil
}

// write stores the dirtree objects of d and all below it.
func (d *dir) write(ctx context.Context, tx *ostreerepo.Tx) (object.Checksum, error) {
	if !d.stored.IsZero() {
		return d.stored, nil
	}
	if err := ctx.Err(); err != nil {
		return object.Checksum{}, err
	}
	t := object.DirTree{
		Files: make([]object.FileEntry, 0, len(d.files)),
		Dirs:  make([]object.DirEntry, 0, len(d.dirs)),
	}
	for name, f := range d.files {
		t.Files = append(t.Files, object.FileEntry{Name: name, Checksum: f.sum})
	}
	for name, sub := range d.dirs {
		contents, err := sub.write(ctx, tx)
		if err != nil {
			return object.Checksum{}, err
		}
		t.Dirs = append(t.Dirs, object.DirEntry{Name: name, Tree: contents, Meta: sub.meta})
	}
	return tx.PutMetadata(object.TypeDirTree, t.Encode()) // Encode sorts
}
