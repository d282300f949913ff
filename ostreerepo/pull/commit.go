package pull

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
)

// pulled is a commit that the destination or the transaction has now.
type pulled struct {
	*object.Commit
	sum  object.Checksum
	data []byte
	had  bool // the destination had it before
}

// pullHead pulls a commit and as many of its parents as there are and are asked for.
func (p *puller) pullHead(h head) error {
	c, err := p.loadCommit(h.commit)
	if err != nil {
		return err
	}
	if err := p.verifyBindings(h, c.Commit); err != nil {
		return fmt.Errorf("Commit %s: %w", h.commit, err) //nolint:staticcheck // libostree's text
	}
	for left := p.generations(); ; left-- {
		if err := p.workers.Err(); err != nil {
			return err
		}
		first, deeper := p.visit(c.sum, left)
		if first {
			if err := p.pullCommit(h, c); err != nil {
				return err
			}
		}
		if !deeper || left == 0 || c.Parent.IsZero() {
			return nil
		}
		parent, err := p.loadCommit(c.Parent)
		if errors.Is(err, ostreerepo.ErrNotFound) {
			return p.pullTombstone(c.Parent) // history ends here
		}
		if err != nil {
			return err
		}
		c = parent
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
// from which it is taken over.
func (p *puller) loadCommit(sum object.Checksum) (c pulled, err error) {
	n := object.Name{Checksum: sum, Type: object.TypeCommit}
	c.sum = sum
	if c.had, err = p.dst.Has(n); err != nil {
		return c, err
	}
	if c.had {
		c.data, err = p.dst.Metadata(n)
	} else {
		c.data, err = p.take(n)
	}
	if err != nil {
		return c, err
	}
	if c.Commit, err = object.DecodeCommit(c.data); err != nil {
		return c, fmt.Errorf("object %s: %w", n, err)
	}
	return c, nil
}

// take takes a metadata object over and counts it.
func (p *puller) take(n object.Name) ([]byte, error) {
	data, created, err := p.im.Metadata(n)
	if err != nil {
		return nil, p.worded(n, err)
	}
	if created {
		p.count(func(r *Result) { r.Metadata++ })
	}
	return data, nil
}

// pullTombstone brings in what is left of a commit that the source has deleted.
func (p *puller) pullTombstone(c object.Checksum) error {
	if !p.src.tombstones() {
		return nil
	}
	n := object.Name{Checksum: c, Type: object.TypeTombstoneCommit}
	if had, err := p.dst.Has(n); had || err != nil {
		return err
	}
	_, _, err := p.im.Metadata(n)
	if errors.Is(err, ostreerepo.ErrNotFound) {
		return nil // deleted before there were tombstones
	}
	return err
}

// pullCommit brings in what belongs to a commit, which itself is there now.
func (p *puller) pullCommit(h head, c pulled) error {
	detached, err := p.pullDetached(c)
	if err != nil {
		return err
	}
	if p.VerifyCommit != nil {
		if err := p.VerifyCommit(c.sum, c.data, detached); err != nil {
			return err
		}
	}
	if c.had {
		if complete, err := p.complete(c.sum); complete || err != nil {
			return err
		}
	}
	if p.CommitMetadataOnly {
		if !c.had {
			p.tx.MarkPartial(c.sum)
		}
		return nil
	}
	if p.RequireDeltas {
		return p.refuseDelta(h, c.sum)
	}
	if err := p.pullTree(c.Commit, p.resembling(h, c.Commit)); err != nil {
		return err
	}
	p.tx.UnmarkPartial(c.sum)
	return nil
}

func (p *puller) refuseDelta(h head, c object.Checksum) error {
	if name := p.src.deltaTo(c); name != "" {
		return fmt.Errorf("static delta %s: applying deltas is not supported by this version", name)
	}
	return fmt.Errorf("Static deltas required, but none found for %s to %s", h.ref, c) //nolint:staticcheck // libostree's text
}

// pullDetached copies the detached metadata, which may have changed since the
// commit was pulled. What the source does not have stays as it is. It returns
// what the commit has then.
func (p *puller) pullDetached(c pulled) (gvariant.Value, error) {
	v, ok, err := p.src.DetachedMetadata(c.sum)
	if err != nil {
		return v, err
	}
	if c.had {
		old, had, err := p.dst.DetachedMetadata(c.sum)
		if !ok {
			return old, err
		}
		p.result.DetachedBytes += int64(len(v.Bytes()))
		if had && bytes.Equal(old.Bytes(), v.Bytes()) {
			return v, nil
		}
	}
	if !ok {
		return v, nil
	}
	return v, p.tx.PutDetached(c.sum, v)
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
		if old, ok, err := p.dst.Ref(h.store); ok && err == nil {
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
