package tree

import (
	"fmt"
	"strings"

	"github.com/treenail/treenail/format/object"
)

// path splits an archive's path, after the path filter, into names. The root has
// none.
func (a *archive) path(s string) ([]string, error) {
	if err := checkPath(s); err != nil {
		return nil, err
	}
	for {
		if s == "." {
			s = ""
		}
		rest, ok := strings.CutPrefix(s, "/")
		if !ok {
			rest, ok = strings.CutPrefix(s, "./")
		}
		if !ok {
			break
		}
		s = rest
	}
	var names []string
	s = a.t.o.TarPathFilter.rewrite(s)
	for name := range strings.SplitSeq(s, "/") {
		switch name {
		case "", ".":
		case "..":
			return nil, fmt.Errorf("Invalid uplink '..' in path %s", s) //nolint:staticcheck // libostree's text
		default:
			names = append(names, name)
		}
	}
	return a.layer.rename(names), nil
}

// parent finds the directory that path lies in, the root for the root itself.
func (a *archive) parent(path []string, e *archiveEntry) (*dir, error) {
	d, missing, err := a.walk(path)
	switch {
	case err != nil:
		return nil, err
	case missing == "":
		return d, nil
	case a.layer != nil:
		return a.implyParents(path)
	case !a.t.o.TarAutocreateParents:
		return nil, fmt.Errorf("No such file or directory: %s", missing) //nolint:staticcheck // libostree's text
	}
	return a.createParents(path, e)
}

// walk follows all names of path but the last. It stops at the first that is not
// there and returns it.
func (a *archive) walk(path []string) (d *dir, missing string, err error) {
	d = a.t.root
	if err := d.load(a.t.tx.View()); err != nil {
		return nil, "", err
	}
	for i := 0; i < len(path)-1; i++ {
		name := path[i]
		if d.files[name] != nil {
			if a.layer != nil {
				return nil, name, nil // a directory has to be there, so it is
			}
			return nil, "", fmt.Errorf("Not a directory: %s", strings.Join(path[:i+1], "/")) //nolint:staticcheck // libostree's manner
		}
		sub := d.dirs[name]
		if sub == nil {
			return nil, name, nil
		}
		if err := sub.load(a.t.tx.View()); err != nil {
			return nil, "", err
		}
		d = sub
	}
	return d, "", nil
}

// createParents makes the directories above path. As libostree does, it gives
// the owner of the entry and the mode 0755 to all of them, also to those that
// were there, and no option but Label changes that.
func (a *archive) createParents(path []string, e *archiveEntry) (*dir, error) {
	d, at := a.t.root, ""
	if err := a.setParentMeta(d, "/", e); err != nil {
		return nil, err
	}
	for _, name := range path[:len(path)-1] {
		var err error
		if d, err = d.subdir(name); err != nil {
			return nil, err
		}
		if err := d.load(a.t.tx.View()); err != nil {
			return nil, err
		}
		at += "/" + name
		if err := a.setParentMeta(d, at, e); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// setParentMeta sets the dirmeta of a directory that is above an entry.
func (a *archive) setParentMeta(d *dir, path string, e *archiveEntry) error {
	h := object.FileHeader{UID: e.header.UID, GID: e.header.GID, Mode: object.ModeDir | 0o755}
	a.t.filter.relabel(path, &h)
	meta, err := a.t.putDirMeta(h)
	d.setMeta(meta)
	return err
}

// ensureRoot gives the root what an archive without an entry for it leaves out.
func (a *archive) ensureRoot() (err error) {
	if !a.t.root.meta.IsZero() || !a.t.o.TarAutocreateParents {
		return nil
	}
	h := object.FileHeader{Mode: object.ModeDir | 0o755}
	a.t.filter.apply("/", &h)
	a.t.root.meta, err = a.t.putDirMeta(h)
	return err
}
