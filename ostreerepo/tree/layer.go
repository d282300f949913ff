package tree

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/treenail/treenail/format/object"
)

// Layer says how AddLayer reads a tar that is laid over a tree with whiteouts.
type Layer struct {
	// Rename rewrites the names of which a path consists, of entries and of the
	// targets of hard links; nil: not at all. It may change its argument.
	Rename func(path []string) []string
	// Special is asked about an entry that a repository cannot hold, such as a
	// device: its error ends AddLayer, nil leaves the entry out. Nil: an error.
	Special func(path string) error
	// Lower finds the file that the layers below have at a path, for hard links
	// that lead there. Nil: there is nothing below.
	Lower func(path string) (object.Checksum, bool)
	// Record is given the tar as it is read, with a call of Payload before each
	// body, which becomes the body of a content object; nil: nobody is.
	Record Recorder
}

// A Recorder is given all bytes of a tar in their order. Payload says that the
// next size bytes are the body of an entry.
type Recorder interface {
	io.Writer
	Payload(name string, size int64)
}

func (l *Layer) rename(path []string) []string {
	if l == nil || l.Rename == nil {
		return path
	}
	return l.Rename(path)
}

// AddLayer lays a tar over the tree whose later entries replace earlier ones, also a
// directory a file and the reverse. Directories that no entry describes are made with the
// mode 0755 and the owner 0:0. Whiteouts stay the files that they are; AddOverlay
// acts on them.
//
// It returns the content objects that hold the bodies for which Payload was
// called, in that order.
func (t *Tree) AddLayer(ctx context.Context, r io.Reader, l Layer) (bodies []object.Checksum, err error) {
	if t.root.meta.IsZero() {
		if err := t.imply(t.root); err != nil {
			return nil, err
		}
	}
	in := io.Reader(ctxReader{ctx, r})
	if l.Record != nil {
		in = io.TeeReader(in, l.Record)
	}
	a := t.newArchive(ctx, newTarReader(in), &l)
	if err := a.run(in); err != nil {
		return nil, err
	}
	for _, f := range a.bodies {
		bodies = append(bodies, f.sum)
	}
	return bodies, nil
}

// imply makes d a directory that no entry describes.
func (t *Tree) imply(d *dir) error {
	d.implied = true
	meta, err := t.putDirMeta(object.FileHeader{Mode: object.ModeDir | 0o755})
	d.setMeta(meta)
	return err
}

// implyParents finds the directory of path, and makes those above it that are not
// there.
func (a *archive) implyParents(path []string) (d *dir, err error) {
	d = a.t.root
	for _, name := range path[:len(path)-1] {
		there := d.dirs[name] != nil
		if d, err = a.subdir(d, name); err != nil {
			return nil, err
		}
		if there {
			err = d.load(a.t.tx.View())
		} else {
			err = a.t.imply(d)
		}
		if err != nil {
			return nil, err
		}
	}
	return d, nil
}

// record tells the Recorder of the body of an entry, which becomes that of f. Of a
// sparse file the tar has another form.
func (a *archive) record(f *file, e *archiveEntry) {
	if a.layer != nil && a.layer.Record != nil && e.size > 0 && !e.sparse {
		a.layer.Record.Payload(e.path, e.size)
		a.bodies = append(a.bodies, f)
	}
}

// setFile puts a file in a directory. In a layer it replaces what is there.
func (a *archive) setFile(d *dir, name string, f *file) error {
	if a.layer != nil && d.dirs[name] != nil {
		d.remove(name)
	}
	return d.setFile(name, f)
}

func (a *archive) subdir(d *dir, name string) (*dir, error) {
	if a.layer != nil && d.files[name] != nil {
		d.remove(name)
	}
	return d.subdir(name)
}

// lower finds the target of hard links that the layer does not have itself.
func (a *archive) lower(parent *dir, missing string, g *linkGroup) *file {
	if a.layer == nil || a.layer.Lower == nil || g.payload != nil {
		return nil
	}
	name := g.target[len(g.target)-1]
	if missing == "" && (parent.files[name] != nil || parent.dirs[name] != nil) {
		return nil
	}
	if c, ok := a.layer.Lower(strings.Join(g.target, "/")); ok {
		return &file{c}
	}
	return nil
}

// Implied lists the directories, as paths from the root, that no entry of a layer
// described.
func (t *Tree) Implied() []string {
	var paths []string
	t.root.walk("", func(path string, d *dir) {
		if d.implied {
			paths = append(paths, path)
		}
	})
	slices.Sort(paths)
	return paths
}

func (d *dir) walk(path string, visit func(string, *dir)) {
	visit(path, d)
	for name, sub := range d.dirs {
		sub.walk(path+"/"+name, visit)
	}
}

// Names of whiteouts, which remove NAME, or all, of what lies below.
const (
	whiteoutPrefix = ".wh."
	whiteoutOpaque = ".wh..wh..opq"
)

// AddOverlay lays the commit of a layer over the tree as an overlay file system
// would: whiteouts remove what is below, files and directories replace each
// other, and a directory that is in both has the owner, mode and xattrs of the
// upper one, unless its path is in implied.
func (t *Tree) AddOverlay(commit object.Checksum, implied []string) error {
	c, err := t.tx.View().Commit(commit)
	if err != nil {
		return err
	}
	o := overlay{t: t, implied: map[string]bool{}}
	for _, path := range implied {
		o.implied[path] = true
	}
	return o.dir("", t.root, object.DirEntry{Tree: c.Tree, Meta: c.Meta})
}

// overlay is one AddOverlay.
type overlay struct {
	t       *Tree
	implied map[string]bool
}

func (o *overlay) dir(path string, d *dir, upper object.DirEntry) error {
	if err := checkPath(path); err != nil {
		return err
	}
	contents, err := o.t.tx.View().DirTree(upper.Tree)
	if err != nil {
		return err
	}
	if d.meta.IsZero() || !o.implied[path] {
		d.setMeta(upper.Meta)
	}
	if _, opaque := contents.File(whiteoutOpaque); opaque {
		d.files, d.dirs, d.loaded = map[string]*file{}, map[string]*dir{}, true
		d.touch()
	}
	if err := d.load(o.t.tx.View()); err != nil {
		return err
	}
	if err := d.overlayFiles(contents.Files); err != nil {
		return err
	}
	for _, e := range contents.Dirs {
		if d.files[e.Name] != nil {
			d.remove(e.Name)
		}
		sub, err := d.subdir(e.Name)
		if err != nil {
			return err
		}
		if err := o.dir(path+"/"+e.Name, sub, e); err != nil {
			return err
		}
	}
	return nil
}

// overlayFiles removes what the whiteouts among the files name, then puts the rest.
func (d *dir) overlayFiles(files []object.FileEntry) error {
	for _, f := range files {
		if name, ok := strings.CutPrefix(f.Name, whiteoutPrefix); ok {
			d.remove(name)
		}
	}
	for _, f := range files {
		if strings.HasPrefix(f.Name, whiteoutPrefix) {
			continue
		}
		if d.dirs[f.Name] != nil {
			d.remove(f.Name)
		}
		if err := d.setFile(f.Name, &file{f.Checksum}); err != nil {
			return err
		}
	}
	return nil
}

// Names lists what is in the directory at path, or nothing where there is none.
func (t *Tree) Names(path string) ([]string, error) {
	d, err := t.dirAt(path)
	if d == nil || err != nil {
		return nil, err
	}
	names := make([]string, 0, len(d.files)+len(d.dirs))
	for name := range d.files {
		names = append(names, name)
	}
	for name := range d.dirs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// dirAt finds and loads a directory; nil: there is none.
func (t *Tree) dirAt(path string) (*dir, error) {
	d := t.root
	for name := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if err := d.load(t.tx.View()); err != nil {
			return nil, err
		}
		if name == "" {
			continue
		}
		if d = d.dirs[name]; d == nil {
			return nil, nil
		}
	}
	return d, d.load(t.tx.View())
}

// File returns the content object of the file at path.
func (t *Tree) File(path string) (c object.Checksum, ok bool, err error) {
	parent, name := split(path)
	d, err := t.dirAt(parent)
	if d == nil || err != nil || d.files[name] == nil {
		return c, false, err
	}
	return d.files[name].sum, true, nil
}

// Remove removes the file or directory at path and returns how many files and
// directories went with it.
func (t *Tree) Remove(path string) (n int, err error) {
	parent, name := split(path)
	d, err := t.dirAt(parent)
	if d == nil || err != nil {
		return 0, err
	}
	if d.files[name] != nil {
		n++
	}
	if sub := d.dirs[name]; sub != nil {
		sub.walk("", func(_ string, d *dir) { n += 1 + len(d.files) })
	}
	d.remove(name)
	return n, nil
}

// Rename moves the file or directory at a path to another one, whose parent has to be
// a directory and where nothing may be.
func (t *Tree) Rename(from, to string) error {
	oldParent, oldName := split(from)
	newParent, newName := split(to)
	src, err := t.dirAt(oldParent)
	if err != nil {
		return err
	}
	dst, err := t.dirAt(newParent)
	if err != nil {
		return err
	}
	switch {
	case src == nil || src.files[oldName] == nil && src.dirs[oldName] == nil:
		return fmt.Errorf("rename %s: not there", quote(from))
	case dst == nil:
		return fmt.Errorf("rename to %s: there is no directory for it", quote(to))
	case dst.files[newName] != nil || dst.dirs[newName] != nil:
		return fmt.Errorf("rename to %s: something is there", quote(to))
	}
	f, d := src.files[oldName], src.dirs[oldName]
	src.remove(oldName)
	dst.touch()
	if f != nil {
		dst.files[newName] = f
		return nil
	}
	d.parent = dst
	dst.dirs[newName] = d
	return nil
}

func split(path string) (parent, name string) {
	path = strings.Trim(path, "/")
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)], path[i+1:]
}
