package ostreerepo

import (
	"context"
	"errors"
	"fmt"

	"github.com/treenail/treenail/format/object"
)

// enableTombstones prepares the repository for those that fsck may write.
func (c *fscker) enableTombstones(context.Context) error {
	if !c.o.AddTombstones {
		return nil
	}
	return c.repo.enableTombstones()
}

func (c *fscker) checkRefs(ctx context.Context) error {
	if err := c.enableTombstones(ctx); err != nil {
		return err
	}
	c.o.Stage(FsckRefs, 0)
	refs, err := c.repo.Refs()
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if err := c.checkRef(ref.Name, "", ref); err != nil {
			return err
		}
	}
	c.o.Stage(FsckCollectionRefs, 0)
	collectionRefs, err := c.repo.CollectionRefs()
	if err != nil {
		return err
	}
	for _, ref := range collectionRefs {
		label := fmt.Sprintf("(%s, %s)", ref.Collection, ref.Name)
		if err := c.checkRef(label, ref.Collection, Ref{Name: ref.Name, Commit: ref.Commit}); err != nil {
			return err
		}
	}
	return nil
}

func (c *fscker) checkRef(label, collection string, ref Ref) error {
	kind := "ref"
	if collection != "" {
		kind = "collection–ref"
	}
	commit, err := c.repo.Commit(ref.Commit)
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("Loading commit for %s %s: %w", kind, label, err) //nolint:staticcheck // libostree's text
	}
	if err != nil || !c.o.VerifyBindings {
		return nil // damage is found and reported with the objects
	}
	_, name, err := ParseRefspec(ref.Name)
	if err != nil {
		return err
	}
	if err := VerifyBindings(commit, collection, name); err != nil {
		return fmt.Errorf("Commit %s: %w", ref.Commit, err) //nolint:staticcheck // libostree's text
	}
	return nil
}

func (c *fscker) listCommits(ctx context.Context) error {
	c.o.Stage(FsckCommits, 0)
	for n, err := range c.repo.Objects() {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if n.Type == object.TypeCommit {
			if err := c.addCommit(n); err != nil {
				return err
			}
		}
	}
	if c.report.Partial > 0 {
		c.o.Stage(FsckPartial, c.report.Partial)
	}
	return nil
}

// resolveRevs takes the place of checkRefs and listCommits where only some commits
// are to be verified.
func (c *fscker) resolveRevs(context.Context) error {
	c.o.Stage(FsckCommits, 0)
	for _, rev := range c.o.Revs {
		commit, err := c.repo.Resolve(rev)
		if err != nil {
			return err
		}
		if err := c.addCommit(object.Name{Checksum: commit, Type: object.TypeCommit}); err != nil {
			return err
		}
	}
	if c.report.Partial > 0 {
		c.o.Stage(FsckPartial, c.report.Partial)
	}
	return nil
}

func (c *fscker) addCommit(n object.Name) error {
	partial, byFsck, err := c.repo.partialReason(n.Checksum)
	if err != nil {
		return err
	}
	if partial {
		c.report.Partial++
		if byFsck {
			c.report.FsckPartial++
		}
		return nil
	}
	c.report.Commits = append(c.report.Commits, n.Checksum)
	commit, err := c.repo.Commit(n.Checksum)
	if err != nil {
		return nil // traverse reports it
	}
	if c.o.VerifyBackRefs {
		if err := c.repo.verifyBackRefs(n.Checksum, commit); err != nil {
			return err
		}
	}
	if c.o.AddTombstones && !commit.Parent.IsZero() {
		return c.addTombstone(commit.Parent)
	}
	return nil
}
