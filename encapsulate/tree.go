package encapsulate

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"strings"
	"unicode/utf8"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
	"golang.org/x/sync/errgroup"
)

// Tree is the index of a commit's tree that planning and writing share: its
// directories, and its content objects with their paths. It is read-only.
type Tree struct {
	repo     *ostreerepo.Repo
	root     *dir
	contents []content                 // in the order in which a walk meets them
	index    map[object.Checksum]int32 // in contents
	metas    map[object.Checksum]object.DirMeta
	resolved map[string]*dir // results of resolveDir

	whiteouts []string // absolute paths that a container runtime takes for deletions
}

// dir is a directory of the tree.
type dir struct {
	parent     *dir   // nil for the root
	path       string // without a leading slash, "" for the root
	tree, meta object.Checksum
	entries    *object.DirTree
	dirs       []*dir // as entries.Dirs
	component  string // own or inherited user.component
}

// content is a content object.
type content struct {
	sum       object.Checksum
	size      int64  // of the body, in bytes
	links     []link // in the order of a walk
	component string // user.component
}

// link is one place of a content object.
type link struct {
	dir  *dir
	name string
}

func (l link) path() string { return join(l.dir.path, l.name) }

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// maxPath is what Linux takes as a path, in bytes. It also bounds the depth.
const maxPath = 4096

// ReadTree reads the index of a commit's tree.
func ReadTree(ctx context.Context, r *ostreerepo.Repo, sum object.Checksum) (*Tree, error) {
	c, err := r.Commit(sum)
	if err != nil {
		return nil, err
	}
	return readTree(ctx, r, c)
}

// readTree walks the tree of a commit and looks at each content object once.
func readTree(ctx context.Context, r *ostreerepo.Repo, commit *object.Commit) (*Tree, error) {
	t := &Tree{
		repo:     r,
		root:     &dir{tree: commit.Tree, meta: commit.Meta},
		index:    make(map[object.Checksum]int32),
		metas:    make(map[object.Checksum]object.DirMeta),
		resolved: make(map[string]*dir),
	}
	if err := t.walk(ctx, t.root); err != nil {
		return nil, err
	}
	return t, t.stat(ctx)
}

func (t *Tree) walk(ctx context.Context, d *dir) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(d.path) > maxPath {
		return fmt.Errorf("path /%.100s…: %d bytes, more than %d", d.path, len(d.path), maxPath)
	}
	if d.entries, err = t.repo.DirTree(d.tree); err != nil {
		return fmt.Errorf("path /%s: %w", d.path, err)
	}
	if err := t.dirComponent(d); err != nil {
		return fmt.Errorf("path /%s: %w", d.path, err)
	}
	for _, f := range d.entries.Files {
		t.noteWhiteout(d, f.Name)
		t.addLink(f.Checksum, link{d, f.Name})
	}
	d.dirs = make([]*dir, len(d.entries.Dirs))
	for i, e := range d.entries.Dirs {
		t.noteWhiteout(d, e.Name)
		d.dirs[i] = &dir{parent: d, path: join(d.path, e.Name), tree: e.Tree, meta: e.Meta}
		if err := t.walk(ctx, d.dirs[i]); err != nil {
			return err
		}
	}
	return nil
}

func (t *Tree) noteWhiteout(d *dir, name string) {
	if strings.HasPrefix(name, ".wh.") && !d.inSysroot() {
		t.whiteouts = append(t.whiteouts, "/"+join(d.path, name))
	}
}

func (t *Tree) addLink(c object.Checksum, l link) {
	i, ok := t.index[c]
	if !ok {
		i = int32(len(t.contents))
		t.index[c] = i
		t.contents = append(t.contents, content{sum: c})
	}
	t.contents[i].links = append(t.contents[i].links, l)
}

// dirMeta is the metadata of d, which walk has loaded.
func (t *Tree) dirMeta(d *dir) object.DirMeta { return t.metas[d.meta] }

// dirComponent loads d's dirmeta and sets its component.
func (t *Tree) dirComponent(d *dir) (err error) {
	meta, ok := t.metas[d.meta]
	if !ok {
		if meta, err = t.repo.DirMeta(d.meta); err != nil {
			return err
		}
		t.metas[d.meta] = meta
	}
	if d.component, err = componentXattr(meta.Xattrs); err != nil {
		return err
	}
	if d.component == "" && d.parent != nil {
		d.component = d.parent.component
	}
	return nil
}

// stat reads the headers of all content objects, on all cores.
func (t *Tree) stat(ctx context.Context) error {
	const batch = 64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	for start := 0; start < len(t.contents); start += batch {
		part := t.contents[start:min(start+batch, len(t.contents))]
		group.Go(func() error {
			for i := range part {
				if err := ctx.Err(); err != nil {
					return err
				}
				if err := part[i].stat(t.repo); err != nil {
					return fmt.Errorf("path /%s: %w", part[i].links[0].path(), err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func (c *content) stat(r *ostreerepo.Repo) error {
	h, size, err := r.Stat(c.sum)
	if err != nil {
		return err
	}
	c.size = size
	c.component, err = componentXattr(h.Xattrs)
	if err != nil || c.component != "" {
		return err
	}
	for _, l := range c.links {
		if name := l.dir.component; name != "" && (c.component == "" || name < c.component) {
			c.component = name
		}
	}
	return nil
}

// xattrComponent is how a tree says which component a file, or all files below a
// directory, belong to (the convention of rpm-ostree and chunkah).
const xattrComponent = "user.component"

func componentXattr(x object.Xattrs) (string, error) {
	value, _ := x.Lookup(xattrComponent)
	name := string(bytes.TrimRight(value, "\x00"))
	if !utf8.ValidString(name) || strings.ContainsAny(name, ",\n\x00") {
		return "", fmt.Errorf("xattr %s: %q is not the name of a component: must be UTF-8 without commas and newlines", xattrComponent, name)
	}
	return name, nil
}
