package ostreerepo

import (
	"context"
	"errors"
	"io/fs"
	"sort"
	"sync"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/durable"
	"golang.org/x/sys/unix"
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
	Partial     int               // commits not verified because objects may be missing
	FsckPartial int               // those of them that an earlier Fsck marked
	Objects     int               // verified
	Problems    []FsckProblem
	Marked      []object.Checksum // commits that this Fsck marked partial
	Tombstones  []object.Checksum // missing parents that were given a tombstone
}

// FsckProblem is an object that is missing or damaged.
type FsckProblem struct {
	Object  object.Name
	Commits []object.Checksum // the verified commits that consist of it, sorted
	Uses    []FsckUse         // where they have it; no more than some hundred
	Err     error             // a *NotFoundError for a missing one
}

// FsckUse is a place that an object has in a commit.
type FsckUse struct {
	Commit object.Checksum
	Refs   []string // that name the commit, sorted
	Path   string   // "/" for the root, "" for the commit itself
}

// Missing reports whether the object is not there at all.
func (p *FsckProblem) Missing() bool { return errors.Is(p.Err, ErrNotFound) }

// Fsck verifies every object that the repository's complete commits consist of,
// on all cores. A missing object marks its commits partial. The report is valid
// also with an error, which says that the work could not be done; problems in
// the repository are no error.
func (r *Repo) Fsck(ctx context.Context, o FsckOptions) (*FsckReport, error) {
	o.KeepGoing = o.KeepGoing || o.Delete
	if o.Stage == nil {
		o.Stage = func(FsckStage, int) {}
	}
	c := &fscker{repo: r, o: o, report: &FsckReport{}, seen: map[object.Name]struct{}{}}
	steps := []func(context.Context) error{c.checkRefs, c.listCommits, c.traverse, c.verify, c.settle}
	if len(o.Revs) > 0 {
		steps[0], steps[1] = c.enableTombstones, c.resolveRevs
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return c.report, err
		}
	}
	return c.report, nil
}

type fscker struct {
	repo   *Repo
	o      FsckOptions
	report *FsckReport
	seen   map[object.Name]struct{}
	todo   []object.Name // reachable objects that traverse did not read
	mu     sync.Mutex    // guards report.Problems in verify
}

// settle completes the report and acts on it: damaged objects are deleted when
// that was asked for, and commits that lack objects are marked.
func (c *fscker) settle(ctx context.Context) error {
	problems := c.report.Problems
	if len(problems) == 0 {
		return nil
	}
	sort.Slice(problems, func(i, j int) bool { return problems[i].Object.Checksum.Compare(problems[j].Object.Checksum) < 0 })
	c.findUses()
	lost := map[object.Checksum]bool{}
	unlock, err := c.repo.Lock(ctx, true)
	if err != nil {
		return err
	}
	defer unlock()
	for i := range problems {
		p := &problems[i]
		if !p.Missing() {
			if !c.o.Delete {
				continue
			}
			if err := c.repo.removeObject(p.Object); err != nil {
				return err
			}
		}
		for _, commit := range p.Commits {
			lost[commit] = true
		}
	}
	return c.mark(lost)
}

func (c *fscker) mark(commits map[object.Checksum]bool) error {
	for _, commit := range c.report.Commits {
		if !commits[commit] {
			continue
		}
		path := c.repo.path + "/" + partialPath(commit)
		if err := durable.WriteFile(path, []byte("f"), 0o644); err != nil {
			return err
		}
		c.report.Marked = append(c.report.Marked, commit)
	}
	return nil
}

// removeObject deletes an object and what belongs to it alone.
func (r *Repo) removeObject(n object.Name) error {
	err := unix.Unlinkat(r.objectsFD(), r.loosePath(n), 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r.objectError(n, err)
	}
	return nil
}
