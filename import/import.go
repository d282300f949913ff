package importer

import (
	"context"
	"fmt"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
)

// Options are the choices of Import.
type Options struct {
	Ref      string       // set to the commit at the end: a ref or REMOTE:REF; "" for none
	Platform oci.Platform // which image of an index; zero: Linux on this architecture
	Verify   Verify       // must accept the commit before anything is written; nil: all are accepted

	// Progress, if not nil, hears how many bytes of the layers were fetched, as
	// stored in the image, and how many there are. One goroutine calls it at a time.
	Progress func(done, total int64)
}

// Result says what Import did.
type Result struct {
	Commit object.Checksum  `json:"commit"`
	Digest oci.Digest       `json:"digest"` // of the manifest
	Layers int              `json:"layers"` // fetched to their end
	Stats  ostreerepo.Stats `json:"-"`      // of the transaction
}

// Import restores the commit of the encapsulated image in src in repository r.
// The package comment says what is verified, and what is not fetched. On an error
// the repository is as it was.
//
// The error for an image without a commit is ErrNotEncapsulated, for one with
// more than the commit a *DerivedLayersError; for damage it is an *oci.DigestError,
// an *object.ChecksumError or a *MissingObjectError where these apply.
func Import(ctx context.Context, src oci.Source, r *ostreerepo.Repo, o Options) (*Result, error) {
	if o.Ref != "" {
		if _, _, err := ostreerepo.ParseRefspec(o.Ref); err != nil {
			return nil, err
		}
	}
	img, err := oci.ReadImage(ctx, src, o.Platform)
	if err != nil {
		return nil, err
	}
	result, err := importImage(ctx, src, img, r, o)
	if err != nil {
		return nil, imageError(img, err)
	}
	return result, nil
}

func importImage(ctx context.Context, src oci.Source, img *oci.Image, r *ostreerepo.Repo, o Options) (*Result, error) {
	plan, err := NewPlan(img.Manifest, img.Config)
	if err != nil {
		return nil, err
	}
	if err := plan.verify(ctx, src, o.Verify); err != nil {
		return nil, err
	}
	layers, err := plan.encapsulated()
	if err != nil {
		return nil, err
	}
	src = meteredSource{src, &meter{report: o.Progress, total: plan.Size()}}
	result := &Result{Digest: img.Digest}
	err = r.Update(ctx, ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		in := newIngest(src, plan.Commit)
		if err := in.commitOf(ctx, tx, layers, result); err != nil {
			return err
		}
		result.Stats = tx.Stats()
		// A commit is published after what it consists of, so this transaction
		// need not mark it partial; but an earlier one may have done that.
		tx.UnmarkPartial(result.Commit)
		if o.Ref == "" {
			return nil
		}
		return tx.SetRef(o.Ref, result.Commit)
	})
	return result, err
}

func imageError(img *oci.Image, err error) error {
	return fmt.Errorf("image %s: %w", img.Digest, err)
}

// commitOf brings the commit of the layers into the transaction, by fetching no
// more than is needed, and says so in result.
func (in *ingest) commitOf(ctx context.Context, tx *ostreerepo.Tx, layers []Layer, result *Result) error {
	complete, err := in.alreadyThere(tx)
	if err != nil {
		return err
	}
	if complete {
		result.Commit = in.want
		fetched, err := in.detachedOnly(ctx, tx, &layers[0])
		if fetched {
			result.Layers = 1
		}
		return err
	}
	err = in.layers(ctx, layers, func(ctx context.Context, l *Layer) error {
		return in.layer(ctx, &intake{Layer: l, tx: tx})
	})
	if err != nil {
		return err
	}
	result.Commit = in.found
	result.Layers = len(layers)
	return in.inventory.check(tx, in.found, in.commit)
}

// alreadyThere reports whether the repository has all of the promised commit.
func (in *ingest) alreadyThere(tx *ostreerepo.Tx) (bool, error) {
	r := tx.Repo()
	ok, err := r.Has(object.Name{Checksum: in.want, Type: object.TypeCommit})
	if !ok || err != nil {
		return false, err
	}
	if partial, err := r.Partial(in.want); partial || err != nil {
		return false, err
	}
	commit, err := r.Commit(in.want)
	if err != nil {
		return false, err
	}
	err = in.inventory.check(tx, in.want, commit)
	if isMissing(err) {
		return false, nil
	}
	return err == nil, err
}
