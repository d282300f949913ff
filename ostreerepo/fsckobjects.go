package ostreerepo

import (
	"context"

	"github.com/treenail/treenail/format/object"
)

// traverse marks all objects that the commits consist of, and reads the commits and
// dirtrees among them. What lies below one that it can't read stays unknown.
func (c *fscker) traverse(ctx context.Context) error {
	c.o.Stage(FsckObjects, len(c.report.Commits))
	for _, commit := range c.report.Commits {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := object.Name{Checksum: commit, Type: object.TypeCommit}
		c.visit(n)
		loaded, err := c.repo.Commit(commit)
		if c.problem(n, err) {
			continue
		}
		c.addTree(object.DirEntry{Tree: loaded.Tree, Meta: loaded.Meta})
	}
	return nil
}

// visit reports whether the object is met for the first time.
func (c *fscker) visit(n object.Name) bool {
	first := c.seen.visit(n)
	if first {
		c.report.Objects++
	}
	return first
}

func (c *fscker) addTree(root object.DirEntry) {
	todo := []object.DirEntry{root}
	for len(todo) > 0 {
		dir := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		c.visit(object.Name{Checksum: dir.Meta, Type: object.TypeDirMeta})
		n := object.Name{Checksum: dir.Tree, Type: object.TypeDirTree}
		if !c.visit(n) {
			continue
		}
		t, err := c.repo.DirTree(dir.Tree)
		if c.problem(n, err) {
			continue
		}
		for _, f := range t.Files {
			c.visit(object.Name{Checksum: f.Checksum, Type: object.TypeFile})
		}
		todo = append(todo, t.Dirs...)
	}
}
