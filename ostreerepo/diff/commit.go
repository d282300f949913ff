package diff

import (
	"slices"
	"strings"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
)

// Commit is the tree of a commit.
func Commit(r *ostreerepo.Repo, c *object.Commit) Tree {
	return Tree{
		open:     func(settings) (dir, error) { return commitDir{r, c.Tree}, nil },
		noXattrs: r.DisableXattrs,
	}
}

// commitDir is a directory in a repository. Nothing about it needs closing.
type commitDir struct {
	repo     *ostreerepo.Repo
	contents object.Checksum
}

func (d commitDir) tree() (object.Checksum, bool) { return d.contents, true }

func (d commitDir) list() (listing, error) {
	t, err := d.repo.DirTree(d.contents)
	if err != nil {
		return listing{}, err
	}
	l := listing{make([]node, len(t.Files)), make([]node, len(t.Dirs))}
	for i, f := range t.Files {
		l.files[i] = node{name: f.Name, sum: f.Checksum}
	}
	for i, sub := range t.Dirs {
		l.dirs[i] = node{name: sub.Name, dir: true, sum: sub.Meta, tree: sub.Tree}
	}
	return l, nil
}

func (d commitDir) open(n node) (dir, error)            { return commitDir{d.repo, n.tree}, nil }
func (d commitDir) sum(n node) (object.Checksum, error) { return n.sum, nil }
func (d commitDir) hold()                               {}
func (d commitDir) release()                            {}

func search(nodes []node, name string) (int, bool) {
	return slices.BinarySearchFunc(nodes, name, func(n node, name string) int { return strings.Compare(n.name, name) })
}
