package tree

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/par"
	"github.com/treenail/treenail/ostreerepo"
)

// AddCommit lays the tree of a commit in the repository over the tree. Options
// that change owner, mode or xattrs apply to it: a file that they change becomes
// a new object. Without such options directories that the tree does not have yet
// are taken over by checksum, and not even read before something is added below
// them.
func (t *Tree) AddCommit(ctx context.Context, commit object.Checksum) error {
	if t.filter.none() && !t.o.Consume && !t.o.DevInoCanonical && !t.o.CountStored {
		return t.AddBase(commit)
	}
	c, err := t.tx.View().Commit(commit)
	if err != nil {
		return err
	}
	if t.filter.skips("/") {
		return nil
	}
	w := &commitWalk{t, par.NewPool(ctx)}
	return w.pool.Wait(w.dir("", t.root, object.DirEntry{Tree: c.Tree, Meta: c.Meta}))
}

// AddBase lays the tree of a commit over the tree as it is, whatever the options
// (ostree commit --base).
func (t *Tree) AddBase(commit object.Checksum) error {
	c, err := t.tx.View().Commit(commit)
	if err != nil {
		return err
	}
	return t.root.overlay(t.tx, c.Tree, c.Meta)
}

// overlay lays a stored directory over d. The statistics count the files of
// directories that are merged.
func (d *dir) overlay(tx *ostreerepo.Tx, contents, meta object.Checksum) error {
	d.setMeta(meta)
	if d.stored == contents {
		return nil
	}
	if d.empty() {
		d.touch()
		d.stored, d.loaded = contents, false
		return nil
	}
	if err := d.load(tx.View()); err != nil {
		return err
	}
	t, err := tx.View().DirTree(contents)
	if err != nil {
		return err
	}
	for _, f := range t.Files {
		if err := d.setFile(f.Name, &file{f.Checksum}); err != nil {
			return err
		}
		tx.CountRepeat()
	}
	for _, e := range t.Dirs {
		sub, err := d.subdir(e.Name)
		if err != nil {
			return err
		}
		if err := sub.overlay(tx, e.Tree, e.Meta); err != nil {
			return err
		}
	}
	return nil
}

// commitWalk is one AddCommit with options that change things.
type commitWalk struct {
	t    *Tree
	pool *par.Pool
}

// dir lays the directory e over dst; path is "" for the root.
func (w *commitWalk) dir(path string, dst *dir, e object.DirEntry) error {
	if err := checkPath(path); err != nil {
		return err
	}
	if err := dst.load(w.t.tx.View()); err != nil {
		return err
	}
	if err := w.dirMeta(path, dst, e.Meta); err != nil {
		return err
	}
	contents, err := w.t.tx.View().DirTree(e.Tree)
	if err != nil {
		return err
	}
	for _, f := range contents.Files {
		if err := w.file(path+"/"+f.Name, dst, f); err != nil {
			return err
		}
	}
	for _, sub := range contents.Dirs {
		if !w.t.filter.enters(path + "/" + sub.Name) {
			continue
		}
		child, err := dst.subdir(sub.Name)
		if err != nil {
			return err
		}
		if err := w.dir(path+"/"+sub.Name, child, sub); err != nil {
			return err
		}
	}
	return w.pool.Err()
}

func (w *commitWalk) dirMeta(path string, dst *dir, c object.Checksum) error {
	meta, err := w.t.tx.View().DirMeta(c)
	if err != nil {
		return err
	}
	h := object.FileHeader{UID: meta.UID, GID: meta.GID, Mode: meta.Mode, Xattrs: meta.Xattrs}
	if w.t.filter.noDirXattrs {
		h.Xattrs = nil
	}
	w.t.filter.apply(pathOr(path, "/"), &h)
	sum, err := w.t.putDirMeta(h)
	dst.setMeta(sum)
	return err
}

func (w *commitWalk) file(path string, dst *dir, e object.FileEntry) error {
	if w.t.filter.skips(path) {
		return nil
	}
	f := &file{e.Checksum}
	if err := dst.setFile(e.Name, f); err != nil {
		return err
	}
	return w.pool.Do(func() error {
		if err := w.t.refile(path, f); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		return nil
	})
}

// refile replaces f's object by one with the header that the filter makes of it.
func (t *Tree) refile(path string, f *file) error {
	if t.filter.none() {
		t.tx.CountRepeat()
		return nil
	}
	h, same, err := t.filterObject(path, f.sum)
	if err != nil {
		return err
	}
	if same {
		t.tx.CountRepeat()
		return nil
	}
	in, err := t.tx.View().OpenFile(f.sum)
	if err != nil {
		return err
	}
	defer in.Close()
	var body io.Reader
	if !h.IsSymlink() {
		body = in
	}
	return t.put(f, h, in.Size, body)
}

// filterObject returns the header that the filter gives a stored object, and
// whether it is the one the object has.
func (t *Tree) filterObject(path string, c object.Checksum) (h object.FileHeader, same bool, err error) {
	h, _, err = t.tx.View().Stat(c)
	if err != nil {
		return h, false, err
	}
	was := h
	if t.filter.noDirXattrs {
		h.Xattrs = nil
	}
	t.filter.apply(path, &h)
	same = h.UID == was.UID && h.GID == was.GID && h.Mode == was.Mode && bytes.Equal(h.Xattrs.Encode(), was.Xattrs.Encode())
	return h, same, nil
}
