package pull

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
)

// pullHead pulls a commit and as many of its parents as there are and are asked for.
func (p *puller) pullHead(h head) error {
	commit, had, err := p.loadCommit(h.commit)
	if err != nil {
		return p.importError(object.Name{Checksum: h.commit, Type: object.TypeCommit}, err)
	}
	if err := p.verifyBindings(h, commit); err != nil {
		return fmt.Errorf("Commit %s: %w", h.commit, err) //nolint:staticcheck // libostree's text
	}
	c := h.commit
	for left := p.generations(); ; left-- {
		if err := p.workers.err(); err != nil {
			return err
		}
		first, deeper := p.visit(c, left)
		if first {
			if err := p.pullCommit(h, c, commit, had); err != nil {
				return err
			}
		}
		if !deeper || left == 0 || commit.Parent.IsZero() {
			return nil
		}
		c = commit.Parent
		commit, had, err = p.loadCommit(c)
		if errors.Is(err, ostreerepo.ErrNotFound) {
			return nil // history ends here
		}
		if err != nil {
			return p.importError(object.Name{Checksum: c, Type: object.TypeCommit}, err)
		}
	}
}

// verifyBindings verifies that a commit was made for one of the refs that lead to
// it. libostree looks at one of these, whichever its hash table has first.
func (p *puller) verifyBindings(h head, commit *object.Commit) error {
	if h.ref == "" || p.DisableVerifyBindings {
		return nil
	}
	err := ostreerepo.VerifyBindings(commit, p.src.CollectionID(), h.ref)
	for _, other := range p.heads {
		if err == nil || other.commit != h.commit || other.ref == "" {
			continue
		}
		if ostreerepo.VerifyBindings(commit, p.src.CollectionID(), other.ref) == nil {
			return nil
		}
	}
	return err
}

// visit notes that left parents of a commit are wanted: first says that the
// commit itself was not met before, deeper that fewer parents were wanted then.
func (p *puller) visit(c object.Checksum, left int) (first, deeper bool) {
	before, met := p.depths[c]
	if met && before >= left {
		return false, false
	}
	p.depths[c] = left
	return !met, true
}

// loadCommit reads a commit where it is: in the destination, or in the source,
// from which it is taken over. had tells the two apart.
func (p *puller) loadCommit(c object.Checksum) (commit *object.Commit, had bool, err error) {
	n := object.Name{Checksum: c, Type: object.TypeCommit}
	had, err = p.dst.Has(n)
	if err != nil {
		return nil, false, err
	}
	if had {
		commit, err = p.dst.Commit(c)
		return commit, true, err
	}
	data, err := p.take(n)
	if err != nil {
		return nil, false, err
	}
	commit, err = object.DecodeCommit(data)
	return commit, false, err
}

// take takes a metadata object over and counts it.
func (p *puller) take(n object.Name) ([]byte, error) {
	data, created, err := p.im.Metadata(n)
	if created && err == nil {
		p.count(func(r *Result) { r.Metadata++ })
	}
	return data, err
}

// pullCommit brings in what belongs to a commit, which itself is there now.
func (p *puller) pullCommit(h head, c object.Checksum, commit *object.Commit, had bool) error {
	if err := p.verify(c, commit); err != nil {
		return err
	}
	if err := p.pullDetached(c, had); err != nil {
		return err
	}
	complete := false
	if had {
		var err error
		if complete, err = p.complete(c); err != nil {
			return err
		}
	}
	switch {
	case complete:
		return nil
	case p.CommitMetadataOnly:
		if !had {
			p.tx.MarkPartial(c)
		}
		return nil
	}
	if err := p.pullTree(commit, p.resembling(h, commit)); err != nil {
		return err
	}
	p.tx.UnmarkPartial(c)
	return nil
}

// verify verifies the signatures that the source has of a commit.
func (p *puller) verify(c object.Checksum, commit *object.Commit) error {
	if p.VerifyCommit == nil {
		return nil
	}
	detached, _, err := p.src.DetachedMetadata(c)
	if err != nil {
		return err
	}
	return p.VerifyCommit(c, commit.Encode(), detached)
}

// pullDetached copies the detached metadata, which may have changed since the
// commit was pulled. What the source does not have stays as it is.
func (p *puller) pullDetached(c object.Checksum, had bool) error {
	v, ok, err := p.src.DetachedMetadata(c)
	if err != nil || !ok {
		return err
	}
	if had {
		p.result.DetachedBytes += int64(len(v.Bytes()))
		old, ok, err := p.dst.DetachedMetadata(c)
		if err == nil && ok && bytes.Equal(old.Bytes(), v.Bytes()) {
			return nil
		}
	}
	return p.tx.PutDetached(c, v)
}

// complete reports whether the destination has a commit with all of its objects.
// The mark of a partial one may lie in a parent of the destination.
func (p *puller) complete(c object.Checksum) (bool, error) {
	has, err := p.dst.Has(object.Name{Checksum: c, Type: object.TypeCommit})
	if err != nil || !has {
		return false, err
	}
	for at := p.dst; at != nil; at = at.Parent() {
		if partial, err := at.Partial(c); partial || err != nil {
			return false, err
		}
	}
	return true, nil
}

// resembling finds a commit that the destination has completely and whose tree is
// likely to be nearly that of a new one; nil is none.
func (p *puller) resembling(h head, commit *object.Commit) *object.Commit {
	candidates := []object.Checksum{commit.Parent}
	if h.ref != "" {
		if old, err := p.dst.Resolve(h.store); err == nil {
			candidates = append(candidates, old)
		}
	}
	for _, c := range candidates {
		if ok, err := p.complete(c); err != nil || !ok {
			continue
		}
		if found, err := p.dst.Commit(c); err == nil {
			return found
		}
	}
	return nil
}
