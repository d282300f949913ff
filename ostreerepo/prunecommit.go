package ostreerepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/treenail/treenail/format/object"
	"golang.org/x/sys/unix"
)

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
