package ostreerepo

import (
	"context"
	"errors"
	"slices"

	"github.com/treenail/treenail/format/object"
)

// settle completes the report and acts on it: commits that lack objects, or will, are
// marked, and then damaged objects are deleted when that was asked for.
func (c *fscker) settle(ctx context.Context) error {
	if len(c.report.Problems) == 0 {
		return nil
	}
	unlock, err := c.repo.Lock(ctx, c.o.Delete)
	if err != nil {
		return err
	}
	defer unlock()
	if err := c.lookAgain(); err != nil {
		return err
	}
	if err := c.mark(); err != nil || !c.o.Delete {
		return err
	}
	for i := range c.report.Problems {
		c.delete(&c.report.Problems[i])
	}
	return nil
}

// lookAgain drops what is no problem any more, because somebody has brought the
// object or pruned the commits that had it.
func (c *fscker) lookAgain() error {
	var err error
	problems := slices.DeleteFunc(c.report.Problems, func(p FsckProblem) bool { return c.read(p.Object) == nil })
	if len(c.o.Revs) == 0 {
		c.report.Commits = slices.DeleteFunc(c.report.Commits, func(sum object.Checksum) bool {
			here, hereErr := c.repo.Has(object.Name{Checksum: sum, Type: object.TypeCommit})
			err = errors.Join(err, hereErr)
			return !here
		})
		problems = slices.DeleteFunc(problems, func(p FsckProblem) bool {
			return p.Object.Type == object.TypeCommit && errors.Is(c.read(p.Object), ErrNotFound)
		})
	}
	slices.SortFunc(problems, func(a, b FsckProblem) int { return compareNames(a.Object, b.Object) })
	c.report.Problems = problems
	c.findUses()
	c.report.Problems = slices.DeleteFunc(problems, func(p FsckProblem) bool {
		t := p.Object.Type
		return len(p.Commits) == 0 && t != object.TypeCommit && t != object.TypeFileXattrs
	})
	return err
}

// read verifies an object of any type.
func (c *fscker) read(n object.Name) (err error) {
	switch n.Type {
	case object.TypeCommit:
		_, err = c.repo.Commit(n.Checksum)
	case object.TypeDirTree:
		_, err = c.repo.DirTree(n.Checksum)
	case object.TypeFileXattrs:
		err = c.repo.verifyXattrs(n)
	default:
		err = c.verifyObject(n)
	}
	return err
}

// mark marks the commits that lack an object, other than the commit itself, or will
// when damaged ones are deleted.
func (c *fscker) mark() error {
	lost := map[object.Checksum]bool{}
	for i := range c.report.Problems {
		p := &c.report.Problems[i]
		if p.Object.Type == object.TypeCommit || !p.Missing() && !c.o.Delete {
			continue
		}
		for _, commit := range p.Commits {
			lost[commit] = true
		}
	}
	for _, commit := range c.report.Commits {
		if lost[commit] {
			c.report.Marked = append(c.report.Marked, commit)
		}
	}
	return c.repo.writePartial(c.report.Marked, []byte("f"), c.repo.fsync)
}

// delete deletes a damaged object. A parent repository's stays.
func (c *fscker) delete(p *FsckProblem) {
	if p.Missing() {
		return
	}
	here, err := c.repo.hasHere(p.Object)
	switch {
	case err == nil && !here:
		err = errors.New("it is in a parent repository")
	case err == nil && p.Object.Type == object.TypeCommit:
		err = c.repo.deleteCommit(p.Object)
	case err == nil:
		err = c.repo.removeObject(p.Object)
	}
	p.Deleted, p.DeleteErr = err == nil, err
}

// deleteBadCommit deletes the commit that was noted last, and returns what is wrong
// with it then.
func (c *fscker) deleteBadCommit(ctx context.Context) (bad error, err error) {
	unlock, err := c.repo.Lock(ctx, true)
	if err != nil {
		return nil, err
	}
	defer unlock()
	p := &c.report.Problems[len(c.report.Problems)-1]
	c.delete(p)
	_, bad = c.repo.Commit(p.Object.Checksum)
	return bad, nil
}
