package importer

import (
	"errors"
	"fmt"
	"sync"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
)

// MissingObjectError says that an image does not have all of its commit, and
// the repository does not have the rest.
type MissingObjectError struct {
	Commit object.Checksum
	Name   object.Name // the first one found missing
}

func (e *MissingObjectError) Error() string {
	return fmt.Sprintf("commit %s is incomplete: missing object %s", e.Commit, e.Name)
}

func isMissing(err error) bool {
	var missing *MissingObjectError
	return errors.As(err, &missing)
}

// maxEntries bounds the entries of all the dirtrees in an image, and with them
// the memory of an inventory to some 300 MB. Operating systems have less than a
// million files.
const maxEntries = 8 << 20

// inventory records what came out of the layers, so that the commit can be
// checked for completeness without reading back what was staged.
type inventory struct {
	mu      sync.Mutex
	have    map[object.Name]struct{}          // dirmetas and content objects that are there
	trees   map[object.Checksum][]object.Name // what the dirtrees that are there refer to
	entries int
}

func newInventory() *inventory {
	return &inventory{
		have:  make(map[object.Name]struct{}),
		trees: make(map[object.Checksum][]object.Name),
	}
}

// add notes that an object is there.
func (v *inventory) add(n object.Name) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.have[n] = struct{}{}
}

// addTree notes that a dirtree is there.
func (v *inventory) addTree(c object.Checksum, tree *object.DirTree) error {
	refs := references(tree)
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, dup := v.trees[c]; dup {
		return nil
	}
	v.entries += len(refs)
	if v.entries > maxEntries {
		return fmt.Errorf("dirtrees have more than %d entries", maxEntries)
	}
	v.trees[c] = refs
	return nil
}

// references lists the objects that a dirtree names, in its order.
func references(tree *object.DirTree) []object.Name {
	refs := make([]object.Name, 0, len(tree.Files)+2*len(tree.Dirs))
	for _, f := range tree.Files {
		refs = append(refs, object.Name{Checksum: f.Checksum, Type: object.TypeFile})
	}
	for _, d := range tree.Dirs {
		refs = append(refs,
			object.Name{Checksum: d.Meta, Type: object.TypeDirMeta},
			object.Name{Checksum: d.Tree, Type: object.TypeDirTree})
	}
	return refs
}

// check returns a *MissingObjectError unless all that the commit c refers to is
// in the inventory or in the repository.
func (v *inventory) check(tx *ostreerepo.Tx, c object.Checksum, commit *object.Commit) error {
	need := []object.Name{
		{Checksum: commit.Tree, Type: object.TypeDirTree},
		{Checksum: commit.Meta, Type: object.TypeDirMeta},
	}
	walked := make(map[object.Checksum]struct{}) // dirtrees
	for len(need) > 0 {
		n := need[len(need)-1]
		need = need[:len(need)-1]
		if n.Type == object.TypeDirTree {
			if _, done := walked[n.Checksum]; done {
				continue
			}
			walked[n.Checksum] = struct{}{}
		}
		refs, err := v.look(tx, n)
		if errors.Is(err, ostreerepo.ErrNotFound) {
			return &MissingObjectError{c, n}
		}
		if err != nil {
			return err
		}
		need = append(need, refs...)
	}
	return nil
}

// look returns what an object refers to. The error for one that is not there
// matches ostreerepo.ErrNotFound.
func (v *inventory) look(tx *ostreerepo.Tx, n object.Name) ([]object.Name, error) {
	if n.Type == object.TypeDirTree {
		return v.tree(tx, n.Checksum)
	}
	if _, ok := v.have[n]; ok {
		return nil, nil
	}
	ok, err := tx.Has(n)
	if err == nil && !ok {
		err = &ostreerepo.NotFoundError{Name: n}
	}
	return nil, err
}

func (v *inventory) tree(tx *ostreerepo.Tx, c object.Checksum) ([]object.Name, error) {
	if refs, ok := v.trees[c]; ok {
		return refs, nil
	}
	tree, err := tx.Repo().DirTree(c)
	if err != nil {
		return nil, err
	}
	return references(tree), nil
}
