package ostreerepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/treenail/treenail/format/object"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// deleteObjects deletes what is not marked, or only counts it: commits, and when
// they are gone directories, and when they are gone the rest.
func (p *pruner) deleteObjects(ctx context.Context) error {
	d := &deleter{pruner: p}
	defer func() {
		p.report.Pruned += int(d.pruned.Load())
		p.report.Freed += d.freed.Load()
	}()
	if err := d.commits(); err != nil || p.o.CommitsOnly {
		return err
	}
	for _, step := range []func(dir int) error{d.trees, d.metas, d.files, d.attached} {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(8) // which wait for the file system, not for a core
		for dir := range 256 {
			g.Go(func() error {
				if err := ctx.Err(); err != nil {
					return err
				}
				return step(dir)
			})
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
	return nil
}

type deleter struct {
	*pruner
	pruned, freed atomic.Int64
}

func (d *deleter) commits() error {
	for dir := range 256 {
		if err := d.unmarked(d.keep.commits, dir, object.TypeCommit, d.repo.deleteCommit); err != nil {
			return err
		}
	}
	return nil
}

func (d *deleter) trees(dir int) error {
	return d.unmarked(d.keep.trees, dir, object.TypeDirTree, d.repo.removeObject)
}

func (d *deleter) metas(dir int) error {
	return d.unmarked(d.keep.metas, dir, object.TypeDirMeta, d.repo.removeObject)
}

func (d *deleter) unmarked(set *exactSet, dir int, t object.Type, remove func(object.Name) error) error {
	for c := range set.all(dir, false) {
		if err := d.delete(object.Name{Checksum: c, Type: t}, remove); err != nil {
			return err
		}
	}
	return nil
}

func (d *deleter) files(dir int) error {
	return d.content(dir, func(t object.Type) bool { return t == object.TypeFile })
}

// attached are what belongs to files: payload links, and xattrs that are objects.
func (d *deleter) attached(dir int) error {
	if !d.keep.hasAttached() {
		return nil
	}
	return d.content(dir, func(t object.Type) bool { return t != object.TypeFile && !t.IsMeta() })
}

func (d *deleter) content(dir int, which func(object.Type) bool) error {
	return d.repo.eachLoose(dir, func(n object.Name) error {
		if !which(n.Type) || d.keep.keeps(n) {
			return nil
		}
		return d.delete(n, d.repo.removeObject)
	})
}

func (d *deleter) delete(n object.Name, remove func(object.Name) error) error {
	var st unix.Stat_t
	err := unix.Fstatat(d.repo.objectsFD(), d.repo.loosePath(n), &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // deleted since it was listed
	}
	if err != nil {
		return d.repo.objectError(n, err)
	}
	if !d.o.DryRun {
		if err := remove(n); err != nil {
			return err
		}
	}
	d.pruned.Add(1)
	d.freed.Add(st.Size)
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
