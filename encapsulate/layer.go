package encapsulate

import (
	"context"
	"fmt"
	"slices"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/ostreetar"
)

// layerWriter writes the tar of one layer.
type layerWriter struct {
	ctx        context.Context
	tree       *Tree
	tar        *ostreetar.Writer
	parentDirs bool
	progress   *progress
	dirs       map[*dir]bool            // written as real directories
	metadata   map[object.Name]struct{} // written
}

// chunk writes a component layer.
func (w *layerWriter) chunk(objects []object.Checksum) error {
	if err := w.tar.Structure(); err != nil {
		return err
	}
	return w.objects(objects)
}

// objects writes content objects, each with the paths it has.
func (w *layerWriter) objects(objects []object.Checksum) error {
	for _, sum := range objects {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		c := &w.tree.contents[w.tree.index[sum]]
		if err := w.object(c); err != nil {
			return fmt.Errorf("path /%s: %w", c.links[0].path(), err)
		}
		w.progress.add(c.size)
	}
	return nil
}

func (w *layerWriter) object(c *content) error {
	f, err := w.tree.repo.OpenFile(c.sum)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := w.tar.Content(c.sum, f.Header, f.Size, f); err != nil {
		return err
	}
	for _, l := range c.links {
		if l.dir.inSysroot() {
			continue // only the objects of this directory are in the image
		}
		if w.parentDirs {
			if err := w.parents(l.dir); err != nil {
				return err
			}
		}
		if err := w.tar.Link(ostreetar.MapPath(l.path())); err != nil {
			return err
		}
	}
	return nil
}

// parents writes the directories on the way to d, d included, which the layer
// does not have yet. The root is not among them.
func (w *layerWriter) parents(d *dir) error {
	if d.parent == nil || w.dirs[d] {
		return nil
	}
	if d.path != "usr/etc" { // that is etc in the layer, without usr
		if err := w.parents(d.parent); err != nil {
			return err
		}
	}
	return w.dir("", d)
}

// dir writes d as a real directory.
func (w *layerWriter) dir(prefix string, d *dir) error {
	m := w.tree.dirMeta(d)
	w.dirs[d] = true
	return w.tar.Dir(prefix+ostreetar.MapPath(d.path), m.UID, m.GID, m.Mode)
}

// commit writes the first layer: the commit, all metadata objects, all
// directories, and the content that is in no other layer.
func (w *layerWriter) commit(c *commit, remainder []object.Checksum) error {
	root := w.tree.root
	m := w.tree.dirMeta(root)
	if err := w.tar.Dir("./", m.UID, m.GID, m.Mode); err != nil {
		return err
	}
	if err := w.tar.Structure(); err != nil {
		return err
	}
	if err := w.commitObject(c); err != nil {
		return err
	}
	if err := w.metadataObject(object.Name{Checksum: root.meta, Type: object.TypeDirMeta}); err != nil {
		return err
	}
	if err := w.directories(root, true); err != nil {
		return err
	}
	if err := w.sysroot(); err != nil {
		return err
	}
	if w.tree.root.below("var", "tmp") == nil {
		// systemd-tmpfiles makes it on a booted system, nobody does in a container.
		if err := w.tar.Dir("var/tmp", 0, 0, 0o1777); err != nil {
			return err
		}
	}
	return w.objects(remainder)
}

func (w *layerWriter) commitObject(c *commit) error {
	name := object.Name{Checksum: c.sum, Type: object.TypeCommit}
	if err := w.tar.Metadata(name, c.data); err != nil || !c.isDetached {
		return err
	}
	name.Type = object.TypeCommitMeta
	return w.tar.Metadata(name, c.detached)
}

// metadataObject writes a dirtree or dirmeta unless the layer has it.
func (w *layerWriter) metadataObject(name object.Name) error {
	if _, done := w.metadata[name]; done {
		return nil
	}
	w.metadata[name] = struct{}{}
	data, err := w.tree.repo.Metadata(name)
	if err != nil {
		return err
	}
	return w.tar.Metadata(name, data)
}

// directories writes the metadata objects below d and, if visible, the directories
// themselves. In the first layer their paths begin with "./", which shows in the
// entries for long names only. /sysroot is passed over here.
func (w *layerWriter) directories(d *dir, visible bool) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if err := w.metadataObject(object.Name{Checksum: d.tree, Type: object.TypeDirTree}); err != nil {
		return fmt.Errorf("path /%s: %w", d.path, err)
	}
	for _, sub := range d.dirs {
		if err := w.metadataObject(object.Name{Checksum: sub.meta, Type: object.TypeDirMeta}); err != nil {
			return fmt.Errorf("path /%s: %w", sub.path, err)
		}
		if sub.path == "sysroot" {
			continue
		}
		if visible {
			if err := w.dir("./", sub); err != nil {
				return err
			}
		}
		if err := w.directories(sub, visible); err != nil {
			return err
		}
	}
	return nil
}

// sysroot writes what is left of the metadata objects of /sysroot: its place in
// the filesystem is taken by the repository, but an import needs the objects.
// They come last so that layers with an ordinary, empty /sysroot are those of
// ostree-ext, which leaves them out.
func (w *layerWriter) sysroot() error {
	if sysroot := w.tree.root.sub("sysroot"); sysroot != nil {
		return w.directories(sysroot, false)
	}
	return nil
}

func (d *dir) inSysroot() bool {
	for ; d.parent != nil; d = d.parent {
		if d.path == "sysroot" {
			return true
		}
	}
	return false
}

// below is the directory with the given path of names, or nil.
func (d *dir) below(names ...string) *dir {
	for _, name := range names {
		if d = d.sub(name); d == nil {
			return nil
		}
	}
	return d
}

// remainder returns the content objects that are in no chunk, ascending.
func (t *Tree) remainder(chunks []Chunk) []object.Checksum {
	taken := make([]bool, len(t.contents))
	for _, c := range chunks {
		for _, sum := range c.Objects {
			taken[t.index[sum]] = true
		}
	}
	var rest []object.Checksum
	for i, c := range t.contents {
		if !taken[i] {
			rest = append(rest, c.sum)
		}
	}
	slices.SortFunc(rest, object.Checksum.Compare)
	return rest
}
