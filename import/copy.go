package importer

import (
	"context"
	"errors"
	"fmt"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
	localpull "github.com/treenail/treenail/ostreerepo/pull"
)

// Copy brings an image that was pulled into src into dst, too, with all its layers
// and with what it takes to give it back as it was, as far as src has recorded that.
// The refs, which make it an image there, come when all else has. Progress may be
// nil; it hears how many objects came, and -1.
func Copy(ctx context.Context, dst, src *ostreerepo.Repo, s *Stored, progress func(done, total int64)) error {
	refs, err := s.refs(src)
	if err != nil {
		return fmt.Errorf("image %s: %w", s.Reference.Image(), err)
	}
	o := localpull.Options{DisableVerifyBindings: true, Progress: progress}
	for _, c := range refs {
		o.Refs = append(o.Refs, c.String())
	}
	unlock, err := dst.Lock(ctx, false) // nobody prunes what has no ref yet
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := localpull.Local(ctx, dst, src, o); err != nil {
		return fmt.Errorf("image %s: %w", s.Reference.Image(), err)
	}
	return dst.Update(ctx, ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		for ref, c := range refs {
			if err := tx.SetRef(ref, c); err != nil {
				return err
			}
		}
		return nil
	})
}

// refs are all refs that an image consists of. Those of the exact form may be
// missing: other programs do not make them.
func (s *Stored) refs(r *ostreerepo.Repo) (map[string]object.Checksum, error) {
	refs := map[string]object.Checksum{ImageRef(s.Reference): s.Commit}
	add := func(ref string, required bool) error {
		c, err := r.Resolve(ref)
		if errors.Is(err, ostreerepo.ErrNotFound) && !required {
			return nil
		}
		if err == nil {
			refs[ref] = c
		}
		return err
	}
	err := add(exactImageRef(s.Digest), false)
	for _, l := range s.Manifest.Layers {
		err = errors.Join(err, add(BlobRef(l.Digest), true), add(exactLayerRef(l.Digest), false))
	}
	return refs, err
}
