package importer

import (
	"context"
	"fmt"
	"io"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/ostreetar"
	"github.com/treenail/treenail/oci"
)

// Detached reads the detached metadata, an a{sv}, of the commit in an encapsulated
// image; nil if it has none. The first layer is read to its end to verify that.
func Detached(ctx context.Context, src oci.Source, p oci.Platform) (metadata []byte, err error) {
	img, err := oci.ReadImage(ctx, src, p)
	if err != nil {
		return nil, err
	}
	plan, err := NewPlan(img.Manifest, img.Config)
	if err == nil && plan.CommitLayer == nil {
		err = ErrNotEncapsulated
	}
	if err == nil {
		metadata, err = detached(ctx, src, plan)
	}
	if err != nil {
		return nil, imageError(img, err)
	}
	return metadata, nil
}

func detached(ctx context.Context, src oci.Source, plan *Plan) (metadata []byte, err error) {
	err = withLayer(ctx, src, plan.CommitLayer, func(r *ostreetar.Reader) error {
		if _, err := firstCommit(r, plan.Commit); err != nil {
			return err
		}
		for {
			item, err := r.Next()
			switch {
			case err == io.EOF:
				return nil
			case err != nil:
				return err
			case item.Name.Type == object.TypeCommitMeta:
				metadata = item.Data
			}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", plan.CommitLayer, err)
	}
	return metadata, nil
}
