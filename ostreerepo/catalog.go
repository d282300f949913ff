package ostreerepo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/treenail/treenail/format/object"
	"golang.org/x/sys/unix"
)

// catalog is the loose objects of a repository at the time of its making, and marks
// at those that a traversal has met. Of metadata objects it keeps the checksums, as
// one that is taken for another would not be looked into.
type catalog struct {
	repo                          *Repo
	commits, trees, metas, xattrs *exactSet
	files                         marker
	counts                        [object.TypeFileXattrsLink + 1]int

	// elsewhere are objects that were met and are not in the catalog: a parent
	// repository has them, or nobody.
	elsewhere map[object.Name]struct{}
}

// marker is a markSet with keys of any kind.
type marker interface {
	fill(dir int, sums []object.Checksum)
	mark(c object.Checksum) (first, here bool)
	marked(c object.Checksum) (marked, here bool)
}

func newCatalog(r *Repo, files marker) *catalog {
	return &catalog{
		repo: r, files: files, elsewhere: map[object.Name]struct{}{},
		commits: newExactSet(), trees: newExactSet(), metas: newExactSet(), xattrs: newExactSet(),
	}
}

// set is where objects of a type are marked, nil for types that are not.
func (c *catalog) set(t object.Type) marker {
	switch t {
	case object.TypeFile:
		return c.files
	case object.TypeDirTree:
		return c.trees
	case object.TypeDirMeta:
		return c.metas
	case object.TypeCommit:
		return c.commits
	case object.TypeFileXattrs:
		return c.xattrs
	}
	return nil
}

// list fills the catalog with the objects of the types that which chooses.
func (c *catalog) list(which func(object.Type) bool) error {
	for dir := range 256 {
		var sums [object.TypeFileXattrsLink + 1][]object.Checksum
		err := c.repo.eachLoose(dir, func(n object.Name) error {
			if which(n.Type) {
				sums[n.Type] = append(sums[n.Type], n.Checksum)
			}
			return nil
		})
		if err != nil {
			return err
		}
		for t := object.TypeFile; t <= object.TypeFileXattrsLink; t++ {
			c.counts[t] += len(sums[t])
			if set := c.set(t); set != nil {
				set.fill(dir, sums[t])
			}
		}
	}
	return nil
}

// eachLoose calls fn for the loose objects of one of the 256 directories, in the
// order in which the system lists them.
func (r *Repo) eachLoose(dir int, fn func(object.Name) error) error {
	name := fmt.Sprintf("%02x", dir)
	objects, err := listLoose(r.objectsFD(), name, r.mode == ModeArchive)
	if err != nil {
		return fmt.Errorf("repo %s: objects/%s: %w", r.path, name, err)
	}
	for _, n := range objects {
		if err := fn(n); err != nil {
			return err
		}
	}
	return nil
}

// listLoose lists the objects in one of the directories named after the first two
// digits of checksums, in the order in which the system does.
func listLoose(dirfd int, name string, archive bool) ([]object.Name, error) {
	f, err := openDir(dirfd, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	files, err := f.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	objects := make([]object.Name, 0, len(files))
	for _, file := range files {
		if n, err := object.ParseLoosePath(name, file, archive); err == nil {
			objects = append(objects, n)
		}
	}
	return objects, nil
}

// eachCommit calls fn for the commits that are here.
func (r *Repo) eachCommit(fn func(object.Checksum) error) error {
	for dir := range 256 {
		err := r.eachLoose(dir, func(n object.Name) error {
			if n.Type != object.TypeCommit {
				return nil
			}
			return fn(n.Checksum)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// met reports whether the object has been visited.
func (c *catalog) met(n object.Name) bool {
	marked, here := c.set(n.Type).marked(n.Checksum)
	if !here {
		_, marked = c.elsewhere[n]
	}
	return marked
}

// visit marks an object and reports whether it is met for the first time.
func (c *catalog) visit(n object.Name) bool {
	first, here := c.set(n.Type).mark(n.Checksum)
	if here {
		return first
	}
	if _, ok := c.elsewhere[n]; ok {
		return false
	}
	c.elsewhere[n] = struct{}{}
	return true
}

// others lists the objects of elsewhere, sorted.
func (c *catalog) others() []object.Name {
	names := make([]object.Name, 0, len(c.elsewhere))
	for n := range c.elsewhere {
		names = append(names, n)
	}
	slices.SortFunc(names, compareNames)
	return names
}

func compareNames(a, b object.Name) int {
	if c := a.Checksum.Compare(b.Checksum); c != 0 {
		return c
	}
	return int(a.Type) - int(b.Type)
}

// removeObject deletes an object.
func (r *Repo) removeObject(n object.Name) error {
	err := unix.Unlinkat(r.objectsFD(), r.loosePath(n), 0)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return r.objectError(n, err)
	}
	return nil
}
