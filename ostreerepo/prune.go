package ostreerepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/treenail/treenail/format/object"
	"golang.org/x/sys/unix"
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
	// BranchDepth is the depth for some refspecs, whatever the other options say.
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
// so that wherever it is interrupted every commit that is there is whole; then
// links to payloads and static deltas that lost what they are for, and summaries
// of remotes that are not configured any more. Objects of a parent repository
// count, but stay.
func (r *Repo) Prune(ctx context.Context, o PruneOptions) (PruneReport, error) {
	unlock, err := r.Lock(ctx, !o.DryRun)
	if err != nil {
		return PruneReport{}, err
	}
	defer unlock()
	p := &pruner{repo: r, o: o, keep: newReachable(r, o.CommitsOnly)}
	for _, step := range []func(context.Context) error{p.findReachable, p.deleteCommits, p.deleteObjects} {
		if err := step(ctx); err != nil {
			return p.report, err
		}
	}
	if o.DryRun {
		return p.report, nil
	}
	if err := r.removeDeltas(r.lacksCommit); err != nil {
		return p.report, err
	}
	return p.report, r.pruneSummaries()
}

type pruner struct {
	repo   *Repo
	o      PruneOptions
	keep   *reachable
	report PruneReport
}

func (p *pruner) findReachable(ctx context.Context) error {
	if p.o.RefsOnly || !p.o.YoungerThan.IsZero() || len(p.o.BranchDepth) > 0 || len(p.o.OnlyBranches) > 0 {
		return p.fromRefs(ctx)
	}
	for n, err := range p.repo.Objects() {
		if err == nil && n.Type == object.TypeCommit {
			err = p.keep.addCommit(ctx, n.Checksum, p.o.Depth)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *pruner) fromRefs(ctx context.Context) error {
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
	case ok:
	case len(p.o.OnlyBranches) > 0 && !slices.Contains(p.o.OnlyBranches, name):
		depth = AllParents
	case !p.o.YoungerThan.IsZero():
		return p.keep.addYounger(ctx, c, p.o.YoungerThan)
	default:
		depth = p.o.Depth
	}
	return p.keep.addCommit(ctx, c, depth)
}

func (p *pruner) deleteCommits(ctx context.Context) error {
	return p.eachObject(ctx, func(n object.Name) bool { return n.Type == object.TypeCommit }, p.repo.deleteCommit)
}

func (p *pruner) deleteObjects(ctx context.Context) error {
	if p.o.CommitsOnly {
		return nil
	}
	return p.eachObject(ctx, func(n object.Name) bool { return counted(n.Type) }, p.repo.removeObject)
}

// counted reports whether an object is one that goes by itself: detached metadata
// goes with its commit, and a tombstone stays.
func counted(t object.Type) bool {
	return t != object.TypeCommit && t != object.TypeCommitMeta && t != object.TypeTombstoneCommit
}

// eachObject deletes those of the chosen objects that are not to be kept.
func (p *pruner) eachObject(ctx context.Context, which func(object.Name) bool, remove func(object.Name) error) error {
	for n, err := range p.repo.Objects() {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if !which(n) {
			continue
		}
		p.report.Total++
		if p.keep.has(n) {
			continue
		}
		var st unix.Stat_t
		if err := unix.Fstatat(p.repo.objectsFD(), p.repo.loosePath(n), &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return p.repo.objectError(n, err)
		}
		if !p.o.DryRun {
			if err := remove(n); err != nil {
				return err
			}
		}
		p.report.Pruned++
		p.report.Freed += st.Size
	}
	return nil
}

// deleteCommit deletes a commit with what is only about it. The marker of a
// partial commit goes after the commit, which must not look whole in between.
func (r *Repo) deleteCommit(n object.Name) error {
	if r.tombstones {
		if err := r.writeTombstone(n.Checksum); err != nil {
			return err
		}
	}
	if err := r.removeObject(object.Name{Checksum: n.Checksum, Type: object.TypeCommitMeta}); err != nil {
		return err
	}
	if err := r.removeObject(n); err != nil {
		return err
	}
	if err := unix.Unlinkat(r.fd(), partialPath(n.Checksum), 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r.objectError(n, err)
	}
	return nil
}

// removeTombstone deletes the tombstone of the commit at path.
func (r *Repo) removeTombstone(path string) error {
	err := unix.Unlinkat(r.objectsFD(), strings.TrimSuffix(path, ".commit")+".tombstone-commit", 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// DeleteCommit deletes a commit that no ref names, and makes this and all later
// deletions leave a tombstone (core.tombstone-commits). What it consisted of stays
// until the next Prune.
func (r *Repo) DeleteCommit(ctx context.Context, c object.Checksum) error {
	unlock, err := r.Lock(ctx, true)
	if err != nil {
		return err
	}
	defer unlock()
	if err := r.checkUnreferenced(c); err != nil {
		return err
	}
	n := object.Name{Checksum: c, Type: object.TypeCommit}
	here, err := r.hasHere(n)
	if err == nil && !here {
		err = fmt.Errorf("unlinkat(%s): %w", r.loosePath(n), unix.ENOENT)
	}
	if err != nil {
		return fmt.Errorf("Deleting object %s: %w", n, err) //nolint:staticcheck // libostree's text
	}
	if err := r.enableTombstones(); err != nil {
		return err
	}
	return r.deleteCommit(n)
}

func (r *Repo) checkUnreferenced(c object.Checksum) error {
	refs, err := r.Refs()
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if ref.Commit == c {
			return fmt.Errorf("Commit '%s' is referenced by '%s'", c, ref.Name) //nolint:staticcheck // libostree's text
		}
	}
	collectionRefs, err := r.CollectionRefs()
	if err != nil {
		return err
	}
	for _, ref := range collectionRefs {
		if ref.Commit == c {
			return fmt.Errorf("Commit '%s' is referenced by (%s, %s)", c, ref.Collection, ref.Name) //nolint:staticcheck // libostree's text
		}
	}
	return nil
}

// PruneDeltas deletes the static deltas to a commit.
func (r *Repo) PruneDeltas(ctx context.Context, to object.Checksum) error {
	unlock, err := r.Lock(ctx, true)
	if err != nil {
		return err
	}
	defer unlock()
	return r.removeDeltas(func(c object.Checksum) (bool, error) { return c == to, nil })
}

func (r *Repo) lacksCommit(c object.Checksum) (bool, error) {
	ok, err := r.Has(object.Name{Checksum: c, Type: object.TypeCommit})
	return !ok, err
}

// pruneSummaries deletes what was kept of the summaries of remotes that are not
// configured any more.
func (r *Repo) pruneSummaries() error {
	const dir = "tmp/cache/summaries"
	entries, err := readDirIfAny(r.path + "/" + dir)
	if err != nil {
		return err
	}
	remotes := r.Remotes()
	for _, e := range entries {
		if slices.Contains(remotes, strings.TrimSuffix(e.Name(), ".sig")) {
			continue
		}
		if err := os.Remove(r.path + "/" + dir + "/" + e.Name()); err != nil {
			return err
		}
	}
	return nil
}
