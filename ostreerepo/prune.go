package ostreerepo

import (
	"context"
	"slices"
	"time"

	"github.com/treenail/treenail/format/object"
)

// AllParents is the depth that has no end.
const AllParents = -1

// PruneOptions say which commits Prune keeps. The zero value keeps all of them,
// and what they consist of.
type PruneOptions struct {
	// RefsOnly keeps only what refs lead to. The policies imply it: YoungerThan,
	// BranchDepth and OnlyBranches.
	RefsOnly bool
	// Depth is how many parents of a commit that is kept are kept too.
	Depth int
	// YoungerThan, unless it is zero, takes the place of Depth: after the commit
	// of a ref its parents are kept up to the first one that was made earlier.
	YoungerThan time.Time
	// BranchDepth is the depth for some refspecs, whatever the other options say. As
	// with libostree 0 stands for what Depth or YoungerThan say.
	BranchDepth map[string]int
	// OnlyBranches, unless it is empty, are the refspecs whose parents may go; what
	// other refs lead to stays.
	OnlyBranches []string

	CommitsOnly bool // delete commits alone, not what they consist of
	DryRun      bool // delete nothing
}

// PruneReport is what Prune did, or would do.
type PruneReport struct {
	Total  int   // loose objects that there were; of CommitsOnly, commits
	Pruned int   // of them deleted
	Freed  int64 // bytes of those
}

// Prune deletes the objects that no commit to keep consists of. Commits go first,
// then directories, then files, so that wherever it is interrupted all that is
// there is whole; then links to payloads and static deltas that lost what they are
// for, and summaries of remotes that are not configured any more. Objects of a
// parent repository count, but stay.
//
// What has to stay is found while others may read and write. Only then Prune takes
// the exclusive lock, looks at what came in between, and deletes.
func (r *Repo) Prune(ctx context.Context, o PruneOptions) (PruneReport, error) {
	p := &pruner{repo: r, o: o, keep: newReachable(r, o.CommitsOnly)}
	if err := p.locked(ctx, false, p.find); err != nil || o.DryRun {
		return p.report, err
	}
	err := p.locked(ctx, true, p.deleteAll)
	return p.report, err
}

type pruner struct {
	repo   *Repo
	o      PruneOptions
	keep   *reachable
	report PruneReport
}

func (p *pruner) locked(ctx context.Context, exclusive bool, fn func(context.Context) error) error {
	unlock, err := p.repo.Lock(ctx, exclusive)
	if err != nil {
		return err
	}
	defer unlock()
	return fn(ctx)
}

// find lists the objects and marks those that have to stay.
func (p *pruner) find(ctx context.Context) error {
	counted := counted
	if p.o.CommitsOnly {
		counted = func(t object.Type) bool { return t == object.TypeCommit }
	}
	if err := p.keep.list(counted); err != nil {
		return err
	}
	for _, n := range p.keep.counts {
		p.report.Total += n
	}
	if err := p.mark(ctx); err != nil || !p.o.DryRun {
		return err
	}
	return p.deleteObjects(ctx)
}

// counted reports whether an object is one that goes by itself: detached metadata
// goes with its commit, and a tombstone stays.
func counted(t object.Type) bool {
	return t != object.TypeCommitMeta && t != object.TypeTombstoneCommit
}

func (p *pruner) deleteAll(ctx context.Context) error {
	if err := p.mark(ctx); err != nil {
		return err
	}
	if err := p.keep.addNew(ctx); err != nil {
		return err
	}
	if err := p.deleteObjects(ctx); err != nil {
		return err
	}
	return p.repo.pruneRest()
}

// mark marks what has to stay. Once more it is quick: what is marked already is not
// looked into again.
func (p *pruner) mark(ctx context.Context) error {
	if !p.o.RefsOnly && p.o.YoungerThan.IsZero() && len(p.o.BranchDepth) == 0 && len(p.o.OnlyBranches) == 0 {
		return p.keep.addAll(ctx, p.o.Depth)
	}
	for _, branch := range p.o.OnlyBranches {
		if _, err := p.repo.Resolve(branch); err != nil {
			return err
		}
	}
	refs, err := p.repo.Refs()
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if err := p.addRef(ctx, ref.Name, ref.Commit); err != nil {
			return err
		}
	}
	collectionRefs, err := p.repo.CollectionRefs()
	if err != nil {
		return err
	}
	for _, ref := range collectionRefs {
		if ref.Collection == p.repo.collectionID {
			continue // local refs, which were among the others
		}
		if err := p.addRef(ctx, ref.Collection+":"+ref.Name, ref.Commit); err != nil {
			return err
		}
	}
	return nil
}

// addRef keeps a ref's commit and as many of its parents as the policies say.
func (p *pruner) addRef(ctx context.Context, name string, c object.Checksum) error {
	depth, ok := p.o.BranchDepth[name]
	switch {
	case ok && depth != 0:
	case !ok && len(p.o.OnlyBranches) > 0 && !slices.Contains(p.o.OnlyBranches, name):
		depth = AllParents
	case !p.o.YoungerThan.IsZero():
		return p.keep.addYounger(ctx, c, p.o.YoungerThan)
	default:
		depth = p.o.Depth
	}
	return p.keep.addCommit(ctx, c, depth)
}
