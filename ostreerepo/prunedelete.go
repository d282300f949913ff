package ostreerepo

import (
	"context"
	"errors"
	"io/fs"
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
