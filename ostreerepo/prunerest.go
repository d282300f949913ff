package ostreerepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/treenail/treenail/format/object"
	"golang.org/x/sys/unix"
)

// pruneRest deletes what is about objects that are gone.
func (r *Repo) pruneRest() error {
	if err := r.removeDeltas(r.lacksCommit); err != nil {
		return err
	}
	if err := r.pruneCache(); err != nil {
		return err
	}
	r.cleanTmp()
	return r.pruneSummaries()
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

// pruneCache deletes the inflated copies of objects that are not there any more, which
// checkouts from an archive repository have left; libostree keeps them.
func (r *Repo) pruneCache() error {
	const place = "uncompressed-objects-cache"
	cache, err := openDir(r.fd(), place)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("repo %s: %s: %w", r.path, place, err)
	}
	defer cache.Close()
	for dir := range 256 {
		copies, err := listLoose(int(cache.Fd()), fmt.Sprintf("%02x", dir), false)
		if err != nil {
			return fmt.Errorf("repo %s: %s/%02x: %w", r.path, place, dir, err)
		}
		for _, n := range copies {
			if n.Type != object.TypeFile {
				continue
			}
			if ok, err := r.Has(n); err != nil {
				return r.objectError(n, err)
			} else if ok {
				continue
			}
			if err := unix.Unlinkat(int(cache.Fd()), n.LoosePath(false), 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("repo %s: %s/%s: %w", r.path, place, n.LoosePath(false), err)
			}
		}
	}
	return nil
}
