package importer

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
)

// Keys of the detached metadata of an image's commit in which ostree-ext notes, as
// strings, what the image would become.
const (
	keyCachedDigest   = "ostree-ext.cached.manifest-digest"
	keyCachedManifest = "ostree-ext.cached.manifest"
	keyCachedConfig   = "ostree-ext.cached.config"
)

// Update is what a pull would bring.
type Update struct {
	Image   *oci.Image
	Stored  *Stored          // what is there of the image now; nil: nothing that is of use
	Missing []oci.Descriptor // layers that would be fetched
}

// Unchanged reports whether the image is there as it is.
func (u *Update) Unchanged() bool { return u.Stored != nil && u.Stored.Digest == u.Image.Digest }

// Check looks for an update of an image without fetching layers. One that it finds is
// noted with the image that is there, where bootc looks for it, until that is replaced
// or ClearUpdate.
func Check(ctx context.Context, src oci.Source, r *ostreerepo.Repo, ref oci.Reference, p oci.Platform) (*Update, error) {
	img, err := oci.ReadImage(ctx, src, p)
	if err != nil {
		return nil, err
	}
	u := &Update{Image: img}
	if u.Missing, err = Missing(r, img.Manifest.Layers); err != nil {
		return nil, imageError(img, err)
	}
	// A damaged image is pulled again, so it is as good as none.
	if u.Stored, err = Find(r, ref); err != nil || u.Unchanged() {
		return u, nil
	}
	manifest, err := oci.CanonicalJSON(json.RawMessage(img.RawManifest))
	if err != nil {
		return nil, imageError(img, err)
	}
	config, err := oci.CanonicalJSON(json.RawMessage(img.RawConfig))
	if err != nil {
		return nil, imageError(img, err)
	}
	return u, u.Stored.cache(ctx, r,
		gvariant.Entry{Key: keyCachedDigest, Value: gvariant.NewString(string(img.Digest))},
		gvariant.Entry{Key: keyCachedManifest, Value: gvariant.NewString(string(manifest))},
		gvariant.Entry{Key: keyCachedConfig, Value: gvariant.NewString(string(config))},
	)
}

// ClearUpdate forgets the update that was noted with an image.
func ClearUpdate(ctx context.Context, r *ostreerepo.Repo, s *Stored) error { return s.cache(ctx, r) }

// cache replaces what the detached metadata of an image's commit says about an update.
// Everything else in there, such as signatures, stays.
func (s *Stored) cache(ctx context.Context, r *ostreerepo.Repo, update ...gvariant.Entry) error {
	detached, ok, err := r.DetachedMetadata(s.Commit)
	if err != nil {
		return fmt.Errorf("image %s: %w", s.Reference.Image(), err)
	}
	var entries []gvariant.Entry
	had := false
	for i := 0; ok && i < detached.Len(); i++ {
		e := detached.At(i)
		key := e.At(0).Str()
		switch key {
		case keyCachedDigest, keyCachedManifest, keyCachedConfig:
			had = true
		default:
			entries = append(entries, gvariant.Entry{Key: key, Value: e.At(1).Variant()})
		}
	}
	if !had && len(update) == 0 {
		return nil
	}
	return r.Update(ctx, ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		return tx.PutDetached(s.Commit, gvariant.NewVardict(append(entries, update...)...))
	})
}

// Unused lists the images that are pulled but not in used; broken as in References.
func Unused(r *ostreerepo.Repo, used []oci.Reference) (unused []oci.Reference, broken []error, err error) {
	images, broken, err := References(r)
	keep := map[string]bool{}
	for _, u := range used {
		keep[ImageRef(u)] = true
	}
	return slices.DeleteFunc(images, func(image oci.Reference) bool { return keep[ImageRef(image)] }), broken, err
}
