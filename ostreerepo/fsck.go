package ostreerepo

import (
	"context"
	"errors"
	"sync"

	"github.com/treenail/treenail/format/object"
)

// FsckOptions are the choices of Fsck.
type FsckOptions struct {
	Revs           []string // verify these commits alone, without their parents; none: all
	KeepGoing      bool     // report every damaged object, not only the first
	Delete         bool     // remove damaged objects; implies KeepGoing
	AddTombstones  bool     // for commits whose parent is missing
	VerifyBindings bool     // refs must be among the bindings of their commits
	VerifyBackRefs bool     // bindings must be refs

	// Stage is called before each part of the work, with the number of commits
	// for the stages that speak of some.
	Stage func(stage FsckStage, commits int)
	// Progress is called with the objects verified so far and their total, from
	// one goroutine at a time.
	Progress func(done, total int64)
}

// FsckStage is a part of Fsck's work.
type FsckStage uint8

// The stages, in their order. FsckPartial comes only when there are partial commits.
const (
	FsckRefs FsckStage = iota
	FsckCollectionRefs
	FsckCommits
	FsckPartial
	FsckObjects
)

// FsckReport is what Fsck found.
type FsckReport struct {
	Commits     []object.Checksum // verified, sorted
	Partial     []object.Checksum // not verified because objects may be missing, sorted
	FsckPartial []object.Checksum // those of them that an earlier Fsck marked
	Objects     int               // verified, or found missing
	Problems    []FsckProblem     // in the order of the objects' checksums
	Marked      []object.Checksum // commits that this Fsck marked partial
	Tombstones  []object.Checksum // missing parents that were given a tombstone
}

// FsckProblem is an object that is missing or damaged.
type FsckProblem struct {
	Object   object.Name
	Err      error             // a *NotFoundError for a missing one
	Commits  []object.Checksum // the verified commits that consist of it, sorted
	Uses     []FsckUse         // where they have it, sorted by path; of very many only some
	MoreUses bool              // there are others

	Deleted   bool
	DeleteErr error // why it could not be
}

// FsckUse is a path at which commits have an object.
type FsckUse struct {
	Path    string   // "/" for the root, "" for the commit itself
	Refs    []string // that name such commits, sorted; of very many only the first
	Commits int      // how many such commits there are
	Unnamed int      // those of them that no ref names
}

// Missing reports whether the object is not there at all.
func (p *FsckProblem) Missing() bool { return errors.Is(p.Err, ErrNotFound) }

// Fsck verifies every object that the repository's complete commits consist of,
// on all cores. A missing object marks its commits partial. The report is valid
// also with an error, which says that the work could not be done; problems in
// the repository are no error.
//
// Others may read, write and prune meanwhile: what seems to be wrong is looked at
// once more under the repository's lock. Memory grows by some 40 bytes for each
// object, and where there are problems by as much for each directory.
func (r *Repo) Fsck(ctx context.Context, o FsckOptions) (*FsckReport, error) {
	o.KeepGoing = o.KeepGoing || o.Delete
	if o.Stage == nil {
		o.Stage = func(FsckStage, int) {}
	}
	c := &fscker{repo: r, o: o, report: &FsckReport{}, files: newExactSet(), lostXattrs: map[object.Checksum]struct{}{}}
	c.seen = newCatalog(r, c.files)
	steps := []func(context.Context) error{c.checkRefs, c.listCommits, c.traverse, c.verify, c.verifyXattrs}
	if len(o.Revs) > 0 {
		steps[0], steps[1] = c.enableTombstones, c.resolveRevs
	}
	for _, step := range steps {
		if c.stopped {
			break
		}
		if err := step(ctx); err != nil {
			c.findUses()
			return c.report, err
		}
	}
	return c.report, c.settle(ctx)
}

type fscker struct {
	repo    *Repo
	o       FsckOptions
	report  *FsckReport
	seen    *catalog
	files   *exactSet // that of seen
	stopped bool      // by the first damaged object

	mu         sync.Mutex                   // guards lostXattrs
	lostXattrs map[object.Checksum]struct{} // of bare-split-xattrs
}

// problem notes that reading n went wrong and reports whether it did.
func (c *fscker) problem(n object.Name, err error) bool {
	if err == nil {
		return false
	}
	c.report.Problems = append(c.report.Problems, FsckProblem{Object: n, Err: err})
	if !c.o.KeepGoing && !errors.Is(err, ErrNotFound) {
		c.stopped = true
	}
	return true
}
