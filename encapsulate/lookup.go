package encapsulate

import (
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
)

// maxLinks bounds the symlinks followed for one path, as Linux does.
const maxLinks = 40

// Open opens the regular file at path, following the symlinks of the tree. /etc
// is the tree's /usr/etc. A file that is not there is an *fs.PathError with
// fs.ErrNotExist.
func (t *Tree) Open(path string) (*ostreerepo.File, error) {
	d, name := t.root, strings.TrimPrefix(path, "/")
	for links := maxLinks; links >= 0; links-- {
		parent, base := cut(name)
		if d = t.enter(d, parent, &links); d == nil {
			break
		}
		entry, ok := d.entries.File(base)
		if !ok {
			break
		}
		f, err := t.repo.OpenFile(entry.Checksum)
		if err != nil {
			return nil, fmt.Errorf("path /%s: %w", join(d.path, base), err)
		}
		if !f.Header.IsSymlink() {
			return f, nil
		}
		name = f.Header.Target
		f.Close()
		if strings.HasPrefix(name, "/") {
			d = t.root
		}
	}
	return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
}

// ReadFile reads the regular file at path as Open finds it. A file of more than
// limit bytes is an error.
func (t *Tree) ReadFile(path string, limit int64) ([]byte, error) {
	f, err := t.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if f.Size > limit {
		return nil, fmt.Errorf("path %s: %d bytes exceed the limit of %d", path, f.Size, limit)
	}
	data := make([]byte, f.Size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, fmt.Errorf("path %s: %w", path, err)
	}
	if _, err := io.Copy(io.Discard, f); err != nil {
		return nil, fmt.Errorf("path %s: %w", path, err)
	}
	return data, nil
}

// Files returns the names of what is in the directory at path but is not a
// directory, sorted; none when there is no such directory.
func (t *Tree) Files(path string) []string {
	d := t.resolveDir(strings.Trim(path, "/"))
	if d == nil {
		return nil
	}
	names := make([]string, len(d.entries.Files))
	for i, f := range d.entries.Files {
		names[i] = f.Name
	}
	return names
}

// Dirs returns the names of the directories in the directory at path, sorted; none
// when there is no such directory.
func (t *Tree) Dirs(path string) []string {
	d := t.resolveDir(strings.Trim(path, "/"))
	if d == nil {
		return nil
	}
	names := make([]string, len(d.entries.Dirs))
	for i, e := range d.entries.Dirs {
		names[i] = e.Name
	}
	return names
}

// find returns the content object at an absolute path as a package database
// gives it. Symlinks among the directories are followed, the last component is
// taken as it is.
func (t *Tree) find(path string) (index int32, ok bool) {
	parent, base := cut(strings.TrimPrefix(path, "/"))
	d := t.resolveDir(parent)
	if d == nil {
		return 0, false
	}
	entry, ok := d.entries.File(base)
	return t.index[entry.Checksum], ok
}

func cut(path string) (parent, base string) {
	i := strings.LastIndexByte(path, '/')
	return path[:max(i, 0)], path[i+1:]
}

// resolveDir finds a directory by its path from the root. It remembers the
// answer: package databases ask for the same few thousand again and again.
func (t *Tree) resolveDir(path string) *dir {
	if d, ok := t.resolved[path]; ok {
		return d
	}
	links := maxLinks
	d := t.enter(t.root, path, &links)
	t.resolved[strings.Clone(path)] = d // the path may be a piece of a whole database
	return d
}

// enter goes down path from d, following symlinks and taking them off *links;
// nil is the answer when there is no such directory.
func (t *Tree) enter(d *dir, path string, links *int) *dir {
	for name := range strings.SplitSeq(path, "/") {
		switch name {
		case "", ".":
		case "..":
			if d.parent != nil {
				d = d.parent
			}
		default:
			if d = t.child(d, name, links); d == nil {
				return nil
			}
		}
	}
	return d
}

func (t *Tree) child(d *dir, name string, links *int) *dir {
	if sub := d.sub(name); sub != nil {
		return sub
	}
	entry, ok := d.entries.File(name)
	if !ok {
		if d == t.root && name == "etc" {
			return t.enter(d, "usr/etc", links)
		}
		return nil
	}
	h, _, err := t.repo.Stat(entry.Checksum)
	if err != nil || !h.IsSymlink() || *links <= 0 {
		return nil
	}
	*links--
	if strings.HasPrefix(h.Target, "/") {
		d = t.root
	}
	return t.enter(d, h.Target, links)
}

// sub is the subdirectory called name, or nil.
func (d *dir) sub(name string) *dir {
	i, ok := slices.BinarySearchFunc(d.entries.Dirs, name, func(e object.DirEntry, name string) int {
		return strings.Compare(e.Name, name)
	})
	if !ok {
		return nil
	}
	return d.dirs[i]
}
