package composefs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"runtime"

	"github.com/treenail/treenail/format/composefs"
	"github.com/treenail/treenail/format/fsverity"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
	"github.com/treenail/treenail/internal/par"
	"github.com/treenail/treenail/ostreerepo"
	"golang.org/x/sys/unix"
)

// builder makes the tree of an image.
type builder struct {
	repo *ostreerepo.Repo
	o    Options

	metas map[object.Checksum]object.DirMeta
	files map[object.Checksum]*file
	dirs  map[string]*composefs.Node
	done  int64
}

// file is a content object, which may be at several paths.
type file struct {
	header object.FileHeader
	size   int64
	digest *[fsverity.Size]byte
}

// item is a file or directory on its way into the tree.
type item struct {
	ostreerepo.Entry
	file *file // of a regular file or symlink
	own  bool  // this is the first item with the file, which is to be read
}

// newTree makes the tree of the image of a commit's tree.
func newTree(ctx context.Context, r *ostreerepo.Repo, tree, meta object.Checksum, o Options) (*composefs.Node, error) {
	b := &builder{repo: r, o: o, metas: map[object.Checksum]object.DirMeta{},
		files: map[object.Checksum]*file{}, dirs: map[string]*composefs.Node{}}
	ahead := 8 * runtime.GOMAXPROCS(0)
	for it, err := range par.Map(ctx, b.items(tree, meta), ahead, b.load) {
		if err == nil {
			err = b.add(it)
		}
		if err != nil {
			return nil, err
		}
	}
	root := b.dirs["/"]
	addMountPoints(root)
	return root, nil
}

// addMountPoints adds the directories that a system needs in its root.
func addMountPoints(root *composefs.Node) {
	have := map[string]bool{}
	for _, child := range root.Children {
		have[child.Name] = true
	}
	for _, name := range []string{"usr", "etc", "boot", "var", "sysroot"} {
		if !have[name] {
			root.Children = append(root.Children, &composefs.Node{Name: name, Mode: object.ModeDir | 0o755})
		}
	}
}

func (b *builder) items(tree, meta object.Checksum) iter.Seq2[item, error] {
	return func(yield func(item, error) bool) {
		for e, err := range b.repo.Walk(tree, meta) {
			it := item{Entry: e}
			if err == nil && !e.Dir {
				if it.file = b.files[e.Checksum]; it.file == nil {
					it.file, it.own = &file{}, true
					b.files[e.Checksum] = it.file
				}
			}
			if !yield(it, err) {
				return
			}
		}
	}
}

// load reads what the image has to know of a file.
func (b *builder) load(_ context.Context, it item) (item, error) {
	if !it.own {
		return it, nil
	}
	f, err := b.repo.OpenFile(it.Checksum)
	if err != nil {
		return it, fmt.Errorf("path %s: %w", it.Path, err)
	}
	defer f.Close()
	it.file.header, it.file.size = f.Header, f.Size
	if f.Header.IsSymlink() || f.Size == 0 || b.o.NoVerity {
		return it, nil
	}
	if it.file.digest, err = b.digest(f, it.Checksum); err != nil {
		return it, fmt.Errorf("path %s: %w", it.Path, err)
	}
	return it, nil
}

// digest is the fs-verity digest of a content object.
func (b *builder) digest(f *ostreerepo.File, c object.Checksum) (*[fsverity.Size]byte, error) {
	digest, err := b.measured(c)
	if !errors.Is(err, errors.ErrUnsupported) {
		return digest, err
	}
	sum := fsverity.New()
	if _, err := io.CopyBuffer(sum, f, make([]byte, min(f.Size, 128<<10))); err != nil {
		return nil, err
	}
	return (*[fsverity.Size]byte)(sum.Sum(nil)), nil
}

// measured is the digest under which the kernel verifies the object's file. Where
// it does not the error is errors.ErrUnsupported.
func (b *builder) measured(c object.Checksum) (*[fsverity.Size]byte, error) {
	dirfd, name, err := b.repo.Loose(object.Name{Checksum: c, Type: object.TypeFile})
	if err != nil {
		return nil, err
	}
	if path.Ext(name) != ".file" {
		return nil, errors.ErrUnsupported // deflated
	}
	f, err := linuxfs.Open(dirfd, name, unix.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	digest, err := linuxfs.MeasureVerity(f)
	if err != nil {
		return nil, err
	}
	return (*[fsverity.Size]byte)(digest), nil
}

// add puts an item into the tree.
func (b *builder) add(it item) error {
	n := &composefs.Node{Name: path.Base(it.Path)}
	if it.Dir {
		m, err := b.dirMeta(it.Meta)
		if err != nil {
			return fmt.Errorf("path %s: %w", it.Path, err)
		}
		n.UID, n.GID, n.Mode, n.Xattrs = m.UID, m.GID, m.Mode, m.Xattrs
		b.dirs[it.Path] = n
	} else {
		it.file.describe(n, it.Checksum)
	}
	if it.Path != "/" {
		dir := b.dirs[path.Dir(it.Path)]
		dir.Children = append(dir.Children, n)
	}
	b.done++
	if b.o.Progress != nil {
		b.o.Progress(b.done, -1)
	}
	return nil
}

// describe makes a node that of the file.
func (f *file) describe(n *composefs.Node, c object.Checksum) {
	h := &f.header
	n.UID, n.GID, n.Mode, n.Xattrs = h.UID, h.GID, h.Mode, h.Xattrs
	if h.IsSymlink() {
		n.Payload = h.Target
		return
	}
	n.Size, n.Digest = uint64(f.size), f.digest
	if f.size > 0 {
		n.Payload = object.Name{Checksum: c, Type: object.TypeFile}.LoosePath(false)
	}
}

func (b *builder) dirMeta(c object.Checksum) (object.DirMeta, error) {
	if m, ok := b.metas[c]; ok {
		return m, nil
	}
	m, err := b.repo.DirMeta(c)
	b.metas[c] = m
	return m, err
}
