package pull

import (
	"fmt"

	"github.com/treenail/treenail/format/object"
)

// maxDepth bounds how deep directories may nest; no path that a file system can
// hold is deeper.
const maxDepth = 4096

// pullTree brings in the tree of a commit. What it shares with the tree of old,
// a commit that is complete in the destination, is there; old may be nil.
func (p *puller) pullTree(commit, old *object.Commit) error {
	root := object.DirEntry{Tree: commit.Tree, Meta: commit.Meta}
	var oldRoot object.DirEntry
	if old != nil {
		oldRoot = object.DirEntry{Tree: old.Tree, Meta: old.Meta}
	}
	return p.pullDir(root, oldRoot, 0)
}

// pullDir brings in a directory and all below it, but what old has too.
func (p *puller) pullDir(dir, old object.DirEntry, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("dirtree %s: nested too deep", dir.Tree)
	}
	if dir.Meta != old.Meta {
		if err := p.pullDirMeta(dir.Meta); err != nil {
			return err
		}
	}
	if dir.Tree == old.Tree || !p.first(object.Name{Checksum: dir.Tree, Type: object.TypeDirTree}) {
		return nil
	}
	t, err := p.loadDirTree(dir.Tree)
	if err != nil {
		return err
	}
	before := &object.DirTree{}
	if !old.Tree.IsZero() {
		if before, err = p.dst.DirTree(old.Tree); err != nil {
			before = &object.DirTree{} // damaged: nothing is known to be there
		}
	}
	for _, f := range t.Files {
		if was, ok := before.File(f.Name); ok && was.Checksum == f.Checksum {
			continue
		}
		if err := p.pullFile(f.Checksum); err != nil {
			return err
		}
	}
	for _, d := range t.Dirs {
		was, _ := before.Dir(d.Name)
		if err := p.pullDir(d, was, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// loadDirTree reads a dirtree where it is, as loadCommit does.
func (p *puller) loadDirTree(c object.Checksum) (*object.DirTree, error) {
	n := object.Name{Checksum: c, Type: object.TypeDirTree}
	if had, err := p.dst.Has(n); err != nil {
		return nil, err
	} else if had {
		return p.dst.DirTree(c)
	}
	data, err := p.take(n)
	if err != nil {
		return nil, err
	}
	t, err := object.DecodeDirTree(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n, err)
	}
	return t, nil
}

func (p *puller) pullDirMeta(c object.Checksum) error {
	n := object.Name{Checksum: c, Type: object.TypeDirMeta}
	if !p.first(n) {
		return nil
	}
	if had, err := p.dst.Has(n); had || err != nil {
		return err
	}
	_, err := p.take(n)
	return err
}

func (p *puller) pullFile(c object.Checksum) error {
	n := object.Name{Checksum: c, Type: object.TypeFile}
	if !p.first(n) {
		return nil
	}
	return p.workers.Do(func() error {
		if had, err := p.dst.Has(n); had || err != nil {
			return err
		}
		created, err := p.im.Content(c)
		if err != nil {
			return p.worded(n, err)
		}
		if created {
			p.count(func(r *Result) { r.Content++ })
		}
		return nil
	})
}
