// Package diff compares two trees, each a commit's or a directory on disk.
//
//	for c, err := range diff.Trees(ctx, diff.Commit(repo, old), diff.Dir("rootfs"), diff.Options{}) {
//		…
//	}
//
// What is the same by its checksum is not looked into. A file on disk is hashed
// when the other tree has one of the same name, with the owner, mode and xattrs
// that it has on disk; files are hashed on all cores. Of a directory its owner,
// mode and xattrs count, the root's excepted.
//
// What counts as a change and in which order changes come is libostree's.
package diff

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"strings"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/par"
)

// Kind says what happened to a path. It is a letter, as programs print it.
type Kind byte

const (
	Modified Kind = 'M'
	Removed  Kind = 'D'
	Added    Kind = 'A'
)

// Change is a difference between two trees.
type Change struct {
	Kind Kind
	Path string // below the roots, such as "usr/bin/sh"
	Dir  bool   // in the second tree, or in the first if it was removed
}

// Options say how trees are compared. The zero value compares all that there is.
type Options struct {
	// NoXattrs leaves the xattrs of directories on disk out. Files in commits that
	// have xattrs differ then. It is implied where one of the trees is in a
	// repository without xattrs.
	NoXattrs bool
	// UID and GID are taken for the owner of all in the second tree, if that is a
	// directory on disk; nil is the owner on disk.
	UID, GID *uint32
}

// Trees yields the changes from a to b. Of a directory that was removed only the
// directory itself is there, of one that was added all that is in it. The order
// is that of a depth-first walk in which a directory's files come before its
// subdirectories; what was added to a directory comes after all changes to what
// it had. It ends at the first error.
func Trees(ctx context.Context, a, b Tree, o Options) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		s := sides{noXattrs: o.NoXattrs || a.noXattrs() || b.noXattrs(), o: o}
		for c, err := range par.Map(ctx, s.candidates(ctx, a, b), ahead*runtime.GOMAXPROCS(0), settle) {
			if err == nil && c.same {
				continue
			}
			if !yield(c.Change, err) || err != nil {
				return
			}
		}
	}
}

// ahead is how many files for each core wait to be hashed.
const ahead = 16

// sides are two trees under comparison.
type sides struct {
	noXattrs bool
	o        Options
}

// candidate is a change, or may be one: when sums is there, it says.
type candidate struct {
	Change
	sums func(context.Context) (same bool, err error)
	same bool
}

func settle(ctx context.Context, c candidate) (candidate, error) {
	if c.sums == nil {
		return c, nil
	}
	var err error
	c.same, err = c.sums(ctx)
	return c, err
}

// errStopped ends a walk whose results are not wanted any more.
var errStopped = errors.New("stopped")

func (s *sides) candidates(ctx context.Context, a, b Tree) iter.Seq2[candidate, error] {
	return func(yield func(candidate, error) bool) {
		w := &walk{ctx: ctx, yield: func(c candidate) error {
			if !yield(c, nil) {
				return errStopped
			}
			return nil
		}}
		if err := w.roots(a, b, s); err != nil && err != errStopped {
			yield(candidate{}, err)
		}
	}
}

// walk goes through two trees at once.
type walk struct {
	ctx   context.Context
	yield func(candidate) error
}

func (w *walk) roots(a, b Tree, s *sides) error {
	dirA, err := a.open(settings{noXattrs: s.noXattrs})
	if err != nil {
		return err
	}
	defer dirA.release()
	dirB, err := b.open(settings{noXattrs: s.noXattrs, uid: s.o.UID, gid: s.o.GID})
	if err != nil {
		return err
	}
	defer dirB.release()
	return w.compare(dirA, dirB, "", 0)
}

// maxDepth bounds how deep directories may nest.
const maxDepth = 4096

// compare goes through a pair of directories at path, which is "" or ends in a
// slash.
func (w *walk) compare(a, b dir, path string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("path %.80s…: nested too deep", path)
	}
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if same(a, b) {
		return nil
	}
	listA, err := a.list()
	if err != nil {
		return err
	}
	listB, err := b.list()
	if err != nil {
		return err
	}
	for _, n := range listA.all() {
		if err := w.old(a, b, n, listB, path, depth); err != nil {
			return err
		}
	}
	for _, n := range listB.all() {
		if _, ok := listA.find(n.name); !ok {
			if err := w.added(b, n, path, depth); err != nil {
				return err
			}
		}
	}
	return nil
}

// same reports whether two directories are known to have the same in them.
func same(a, b dir) bool {
	sumA, okA := a.tree()
	sumB, okB := b.tree()
	return okA && okB && sumA == sumB
}

// old handles what the first tree has at n.
func (w *walk) old(a, b dir, n node, listB listing, path string, depth int) error {
	m, ok := listB.find(n.name)
	switch {
	case !ok:
		return w.yield(candidate{Change: Change{Removed, path + n.name, n.dir}})
	case n.dir != m.dir:
		return w.yield(candidate{Change: Change{Modified, path + n.name, m.dir}})
	}
	if err := w.pair(a, b, n, m, path); err != nil || !n.dir {
		return err
	}
	return w.descend(a, b, n, m, path, depth)
}

// pair has two nodes compared, which is done elsewhere when it takes hashing.
func (w *walk) pair(a, b dir, n, m node, path string) error {
	if known(n) && known(m) && n.sum == m.sum {
		return nil
	}
	c := candidate{Change: Change{Modified, path + n.name, m.dir}}
	if !known(n) || !known(m) {
		a.hold()
		b.hold()
		c.sums = func(ctx context.Context) (bool, error) {
			defer a.release()
			defer b.release()
			return equal(ctx, a, b, n, m)
		}
	}
	return w.yield(c)
}

func known(n node) bool { return !n.sum.IsZero() }

func equal(ctx context.Context, a, b dir, n, m node) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	sumA, err := a.sum(n)
	if err != nil {
		return false, err
	}
	sumB, err := b.sum(m)
	return sumA == sumB, err
}

func (w *walk) descend(a, b dir, n, m node, path string, depth int) error {
	childA, err := a.open(n)
	if err != nil {
		return err
	}
	defer childA.release()
	childB, err := b.open(m)
	if err != nil {
		return err
	}
	defer childB.release()
	return w.compare(childA, childB, path+n.name+"/", depth+1)
}

// added yields n and, of a directory, all that is in it.
func (w *walk) added(b dir, n node, path string, depth int) error {
	if err := w.yield(candidate{Change: Change{Added, path + n.name, n.dir}}); err != nil || !n.dir {
		return err
	}
	if depth > maxDepth {
		return fmt.Errorf("path %.80s…: nested too deep", path)
	}
	child, err := b.open(n)
	if err != nil {
		return err
	}
	defer child.release()
	list, err := child.list()
	if err != nil {
		return err
	}
	for _, c := range list.all() {
		if err := w.added(child, c, path+n.name+"/", depth+1); err != nil {
			return err
		}
	}
	return nil
}

// node is an entry of a directory. Its checksum is that of the content object or,
// of a directory, of the dirmeta; zero when it takes hashing to know it.
type node struct {
	name string
	dir  bool
	sum  object.Checksum
	tree object.Checksum // the dirtree, of a directory in a commit
}

// listing is what is in a directory, each part sorted by name.
type listing struct{ files, dirs []node }

// all are the files, then the directories.
func (l listing) all() []node { return append(l.files[:len(l.files):len(l.files)], l.dirs...) }

func (l listing) find(name string) (node, bool) {
	for _, part := range [][]node{l.files, l.dirs} {
		if i, ok := search(part, name); ok {
			return part[i], true
		}
	}
	return node{}, false
}

// dir is an open directory of a tree. It closes when all who hold it have
// released it; who opens it holds it.
type dir interface {
	tree() (sum object.Checksum, known bool) // the dirtree
	list() (listing, error)
	open(node) (dir, error)
	sum(node) (object.Checksum, error)
	hold()
	release()
}

// settings are how a directory on disk is seen.
type settings struct {
	noXattrs bool
	uid, gid *uint32
}

// Tree is one of two sides that are compared: see [Commit] and [Dir].
type Tree struct {
	open     func(settings) (dir, error)
	noXattrs func() bool
}

// joinPath is a path for messages.
func joinPath(dir, name string) string { return strings.TrimSuffix(dir, "/") + "/" + name }
