package ostreerepo

import (
	"io/fs"
	"slices"
	"strings"

	"github.com/treenail/treenail/format/object"
	"golang.org/x/sys/unix"
)

// FS returns the tree of a commit for reading with package io/fs. Symlinks are
// followed inside of the tree: an absolute target begins at its root, and ".." does
// not lead out of that. All times are the epoch (1970), and Sys of an fs.FileInfo is
// an object.FileHeader. What is read is verified, see File.
func (r *Repo) FS(commit object.Checksum) (fs.ReadLinkFS, error) {
	c, err := r.Commit(commit)
	if err != nil {
		return nil, err
	}
	return &treeFS{r, Entry{Path: "/", Dir: true, Checksum: c.Tree, Meta: c.Meta}}, nil
}

type treeFS struct {
	repo *Repo
	root Entry
}

func (t *treeFS) Open(name string) (fs.File, error) {
	e, err := t.find("open", name, true)
	if err != nil {
		return nil, err
	}
	info, err := t.info(e)
	switch {
	case err != nil:
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	case e.Dir:
		return &fsDir{fs: t, Entry: e, info: info}, nil
	}
	f, err := t.repo.OpenFile(e.Checksum)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &fsFile{f, info}, nil
}

func (t *treeFS) Stat(name string) (fs.FileInfo, error) { return t.stat("stat", name, true) }

func (t *treeFS) Lstat(name string) (fs.FileInfo, error) { return t.stat("lstat", name, false) }

func (t *treeFS) stat(op, name string, follow bool) (fs.FileInfo, error) {
	e, err := t.find(op, name, follow)
	if err != nil {
		return nil, err
	}
	info, err := t.info(e)
	if err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return info, nil
}

func (t *treeFS) ReadLink(name string) (string, error) {
	info, err := t.stat("readlink", name, false)
	if err != nil {
		return "", err
	}
	h := info.Sys().(object.FileHeader)
	if !h.IsSymlink() {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return h.Target, nil
}

// maxLinks is how many symlinks a path may lead through, as in Linux.
const maxLinks = 40

// find resolves a name, and a symlink that is all of it where follow is set.
func (t *treeFS) find(op, name string, follow bool) (Entry, error) {
	if !fs.ValidPath(name) {
		return Entry{}, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	e, err := t.walk(strings.Split(name, "/"), follow)
	if err != nil {
		return Entry{}, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return e, nil
}

func (t *treeFS) walk(names []string, follow bool) (Entry, error) {
	at := []Entry{t.root} // and the way down from it
	for links := 0; len(names) > 0; {
		name := names[0]
		names = names[1:]
		next, err := t.step(at, name)
		if err != nil {
			return Entry{}, err
		}
		if next.Dir || len(names) == 0 && !follow {
			at = append(at[:depth(next)], next)
			continue
		}
		h, _, err := t.repo.Stat(next.Checksum)
		if err != nil {
			return Entry{}, err
		}
		if !h.IsSymlink() {
			at = append(at, next)
			continue
		}
		if links++; links > maxLinks {
			return Entry{}, unix.ELOOP
		}
		if strings.HasPrefix(h.Target, "/") {
			at = at[:1]
		}
		names = slices.Concat(strings.Split(h.Target, "/"), names)
	}
	return at[len(at)-1], nil
}

// depth is the number of directories above an entry.
func depth(e Entry) int { return strings.Count(strings.TrimSuffix(e.Path, "/"), "/") }

// step goes on by one name from the last entry of a way.
func (t *treeFS) step(at []Entry, name string) (Entry, error) {
	dir := at[len(at)-1]
	switch {
	case !dir.Dir:
		return Entry{}, unix.ENOTDIR
	case name == "" || name == ".":
		return dir, nil
	case name == "..":
		return at[max(0, len(at)-2)], nil
	}
	tree, err := t.repo.DirTree(dir.Checksum)
	if err != nil {
		return Entry{}, err
	}
	if next, ok := child(dir, tree, name); ok {
		return next, nil
	}
	return Entry{}, fs.ErrNotExist
}
