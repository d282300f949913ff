package ostreerepo

import (
	"context"
	"errors"
	"fmt"
	"slices"

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
		if err := c.checkRef(ctx, "", ref); err != nil || c.stopped {
			return err
		}
	}
	c.o.Stage(FsckCollectionRefs, 0)
	collectionRefs, err := c.repo.collectionRefs(func(p collectionPlace) bool { return !p.ofRemote() })
	if err != nil {
		return err
	}
	for _, ref := range collectionRefs {
		if err := c.checkRef(ctx, ref.Collection, Ref{Name: ref.Name, Commit: ref.Commit}); err != nil || c.stopped {
			return err
		}
	}
	return nil
}

// label is how messages name the ref.
func (r CollectionRef) label() string { return fmt.Sprintf("(%s, %s)", r.Collection, r.Name) }

func (c *fscker) checkRef(ctx context.Context, collection string, ref Ref) error {
	_, name, err := ParseRefspec(ref.Name)
	if err != nil {
		return err
	}
	commit, err := c.repo.Commit(ref.Commit)
	if err != nil {
		if collection != "" {
			name = CollectionRef{Collection: collection, Name: name}.label()
		}
		return c.badRef(ctx, name, ref.Commit, err)
	}
	if !c.o.VerifyBindings {
		return nil
	}
	if err := VerifyBindings(commit, collection, name); err != nil {
		return fmt.Errorf("Commit %s: %w", ref.Commit, err) //nolint:staticcheck // libostree's text
	}
	return nil
}

// badRef is about a ref whose commit can't be read. One that is damaged and stays is
// found again with the objects.
func (c *fscker) badRef(ctx context.Context, ref string, commit object.Checksum, err error) error {
	missing := errors.Is(err, ErrNotFound)
	if !missing && c.o.KeepGoing && !c.o.Delete {
		return nil
	}
	c.problem(object.Name{Checksum: commit, Type: object.TypeCommit}, err)
	if !missing && !c.o.Delete {
		return nil // which ends the work
	}
	if !missing {
		var lockErr error
		if err, lockErr = c.deleteBadCommit(ctx); lockErr != nil || err == nil {
			return lockErr
		}
	}
	return fmt.Errorf("Loading commit for ref %s: %w", ref, err) //nolint:staticcheck // libostree's text
}

func (c *fscker) listCommits(ctx context.Context) error {
	c.o.Stage(FsckCommits, 0)
	if err := c.seen.list(func(object.Type) bool { return true }); err != nil {
		return err
	}
	for dir := range 256 {
		for commit := range c.seen.commits.all(dir, false) {
			if err := c.addCommit(commit); err != nil {
				return err
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return c.endOfCommits()
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
		if err := c.addCommit(commit); err != nil {
			return err
		}
	}
	return c.endOfCommits()
}

func (c *fscker) endOfCommits() error {
	for _, list := range []*[]object.Checksum{&c.report.Commits, &c.report.Partial, &c.report.FsckPartial} {
		slices.SortFunc(*list, object.Checksum.Compare)
		*list = slices.Compact(*list)
	}
	if n := len(c.report.Partial); n > 0 {
		c.o.Stage(FsckPartial, n)
	}
	return nil
}

func (c *fscker) addCommit(sum object.Checksum) error {
	partial, byFsck, err := c.repo.partialReason(sum)
	if err != nil {
		return err
	}
	if byFsck {
		c.report.FsckPartial = append(c.report.FsckPartial, sum)
	}
	if partial {
		c.report.Partial = append(c.report.Partial, sum)
		return nil
	}
	c.report.Commits = append(c.report.Commits, sum)
	if !c.o.VerifyBackRefs && !c.o.AddTombstones {
		return nil
	}
	commit, err := c.repo.Commit(sum)
	if err != nil {
		return nil // traverse reports it
	}
	if c.o.VerifyBackRefs {
		if err := c.repo.verifyBackRefs(sum, commit); err != nil {
			return err
		}
	}
	if c.o.AddTombstones && !commit.Parent.IsZero() {
		return c.addTombstone(commit.Parent)
	}
	return nil
}
