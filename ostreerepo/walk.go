package ostreerepo

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"

	"github.com/treenail/treenail/format/object"
)

// Entry is a file or directory of a tree.
type Entry struct {
	Path     string // "/" for the root, else "/usr/bin/sh"
	Dir      bool
	Checksum object.Checksum // of the content object, or of the dirtree
	Meta     object.Checksum // of the dirmeta, for a directory
}

// maxTreeDepth bounds how deep directories may nest; no path that a file system
// can hold is deeper.
const maxTreeDepth = 4096

// Walk goes through a tree: a directory, its files, then its subdirectories,
// each list in its dirtree's order. It ends at the first error.
func (r *Repo) Walk(tree, meta object.Checksum) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		r.walk(Entry{Path: "/", Dir: true, Checksum: tree, Meta: meta}, 0, yield)
	}
}

func (r *Repo) walk(dir Entry, depth int, yield func(Entry, error) bool) bool {
	if depth > maxTreeDepth {
		yield(dir, fmt.Errorf("repo %s: path %.80s…: nested too deep", r.path, dir.Path))
		return false
	}
	t, err := r.DirTree(dir.Checksum)
	if err != nil {
		yield(dir, fmt.Errorf("path %s: %w", dir.Path, err))
		return false
	}
	if !yield(dir, nil) {
		return false
	}
	prefix := strings.TrimSuffix(dir.Path, "/") + "/"
	for _, f := range t.Files {
		if !yield(Entry{Path: prefix + f.Name, Checksum: f.Checksum}, nil) {
			return false
		}
	}
	for _, d := range t.Dirs {
		sub := Entry{Path: prefix + d.Name, Dir: true, Checksum: d.Tree, Meta: d.Meta}
		if !r.walk(sub, depth+1, yield) {
			return false
		}
	}
	return true
}

// Lookup finds the file or directory at path in a tree. It follows no symlinks.
// A path that is not there is an *fs.PathError with fs.ErrNotExist, which names the
// first part of it that is missing, from the root.
func (r *Repo) Lookup(tree, meta object.Checksum, path string) (Entry, error) {
	at := Entry{Path: "/", Dir: true, Checksum: tree, Meta: meta}
	for _, name := range strings.Split(path, "/") {
		if name == "" || name == "." {
			continue
		}
		if !at.Dir {
			return Entry{}, &fs.PathError{Op: "lookup", Path: path, Err: errNotDirectory}
		}
		t, err := r.DirTree(at.Checksum)
		if err != nil {
			return Entry{}, fmt.Errorf("path %s: %w", at.Path, err)
		}
		next, ok := child(at, t, name)
		if !ok {
			return Entry{}, &fs.PathError{Op: "lookup", Path: pathIn(at, name), Err: fs.ErrNotExist}
		}
		at = next
	}
	return at, nil
}

var errNotDirectory = errors.New("not a directory")

func pathIn(dir Entry, name string) string { return strings.TrimSuffix(dir.Path, "/") + "/" + name }

func child(dir Entry, t *object.DirTree, name string) (Entry, bool) {
	path := pathIn(dir, name)
	if f, ok := t.File(name); ok {
		return Entry{Path: path, Checksum: f.Checksum}, true
	}
	if d, ok := t.Dir(name); ok {
		return Entry{Path: path, Dir: true, Checksum: d.Tree, Meta: d.Meta}, true
	}
	return Entry{}, false
}
