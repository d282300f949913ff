package importer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
)

// Stored is an image that was pulled into a repository.
type Stored struct {
	Reference oci.Reference   `json:"-"`
	Commit    object.Checksum `json:"commit"`
	Base      object.Checksum `json:"base,omitzero"`
	Digest    oci.Digest      `json:"digest"`
	Manifest  *oci.Manifest   `json:"-"`
	Config    *oci.Config     `json:"-"`
	// RawManifest and RawConfig are canonical JSON, which need not be the bytes
	// that the registry has.
	RawManifest, RawConfig []byte `json:"-"`
}

// NoImageError says that a repository has no such image.
type NoImageError struct {
	References []oci.Reference
}

func (e *NoImageError) Error() string {
	names := make([]string, len(e.References))
	for i, r := range e.References {
		names[i] = r.Image()
	}
	return "Missing images: " + strings.Join(names, ", ")
}

// References lists the images that were pulled, in the order of their refs. broken are
// refs that stand for no image.
func References(r *ostreerepo.Repo) (images []oci.Reference, broken []error, err error) {
	refs, err := r.Refs()
	if err != nil {
		return nil, nil, err
	}
	for _, ref := range refs {
		if !strings.HasPrefix(ref.Name, imagePrefix) {
			continue
		}
		image, err := imageOf(ref.Name)
		if err != nil {
			broken = append(broken, err)
			continue
		}
		images = append(images, image)
	}
	return images, broken, nil
}

// Find reads what is stored of an image. A *NoImageError says that nothing is.
func Find(r *ostreerepo.Repo, image oci.Reference) (*Stored, error) {
	c, err := r.Resolve(ImageRef(image))
	if errors.Is(err, ostreerepo.ErrNotFound) {
		return nil, &NoImageError{[]oci.Reference{image}}
	}
	if err != nil {
		return nil, err
	}
	s, err := stored(r, c)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", image.Image(), err)
	}
	s.Reference = image
	return s, nil
}

// FindDigest reads what is stored of the image with a manifest's digest.
func FindDigest(r *ostreerepo.Repo, d oci.Digest) (*Stored, error) {
	images, _, err := References(r)
	if err != nil {
		return nil, err
	}
	for _, image := range images {
		if s, err := Find(r, image); err == nil && s.Digest == d {
			return s, nil
		}
	}
	return nil, fmt.Errorf("no image in the repository has the digest %s", d)
}

// stored reads the commit of an image.
func stored(r *ostreerepo.Repo, c object.Checksum) (*Stored, error) {
	commit, err := r.Commit(c)
	if err != nil {
		return nil, err
	}
	s := &Stored{
		Commit: c, Base: commit.Parent,
		RawManifest: []byte(metadataString(commit, keyManifest)), RawConfig: []byte(metadataString(commit, keyConfig)),
	}
	if s.Digest, err = oci.ParseDigest(metadataString(commit, keyDigest)); err != nil {
		return nil, fmt.Errorf("commit %s: %s: %w", c, keyDigest, err)
	}
	if s.Manifest, err = oci.ParseManifest(s.RawManifest); err != nil {
		return nil, fmt.Errorf("commit %s: %w", c, err)
	}
	if s.Config, err = oci.ParseConfig(s.RawConfig); err != nil {
		return nil, fmt.Errorf("commit %s: %w", c, err)
	}
	return s, nil
}

// Step is how one layer of an image came about.
type Step struct {
	Digest    oci.Digest `json:"digest"`
	Size      int64      `json:"size"` // as stored in the image
	CreatedBy string     `json:"createdBy"`
}

// History tells how each layer came about, as far as the config says that.
func (s *Stored) History() []Step {
	steps := make([]Step, len(s.Manifest.Layers))
	for i, l := range s.Manifest.Layers {
		steps[i] = Step{Digest: l.Digest, Size: l.Size}
	}
	i := 0
	for _, h := range s.Config.History {
		if !h.EmptyLayer && i < len(steps) {
			steps[i].CreatedBy = h.CreatedBy
			i++
		}
	}
	return steps
}

// Remove forgets images. If one of them is not stored, none is removed, and the
// error is a *NoImageError. Their layers stay until PruneLayers.
func Remove(ctx context.Context, r *ostreerepo.Repo, images []oci.Reference) error {
	missing := &NoImageError{}
	for _, image := range images {
		exists, err := r.RefExists(ImageRef(image))
		if err != nil {
			return err
		}
		if !exists {
			missing.References = append(missing.References, image)
		}
	}
	if len(missing.References) > 0 {
		return missing
	}
	return r.Update(ctx, ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		for _, image := range images {
			if err := tx.RemoveRef(ImageRef(image)); err != nil {
				return err
			}
		}
		return nil
	})
}

// rootPrefixes are refs of commits that are in use besides images: deployments,
// and what programs derived from images.
var rootPrefixes = []string{imagePrefix, basePrefix, "ostree/0/", "ostree/1/", "rpmostree/base/"}

// PruneLayers removes the refs of layers that no image and no deployment has any
// more, and returns how many. Objects go with the next prune of the repository.
// An image that cannot be read does not stop it: broken says which. Its layers are
// not known, so their refs go, but not what its commit holds.
func PruneLayers(ctx context.Context, r *ostreerepo.Repo) (removed int, broken []error, err error) {
	refs, err := r.Refs()
	if err != nil {
		return 0, nil, err
	}
	used := map[string]bool{}
	for _, ref := range refs {
		if !slices.ContainsFunc(rootPrefixes, func(prefix string) bool { return strings.HasPrefix(ref.Name, prefix) }) {
			continue
		}
		if err := useLayers(r, ref, used); err != nil {
			broken = append(broken, err)
		}
	}
	err = r.Update(ctx, ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		for _, ref := range refs {
			layer := strings.HasPrefix(ref.Name, blobPrefix)
			if used[ref.Name] || !layer && !strings.HasPrefix(ref.Name, exactPrefix) {
				continue
			}
			if err := tx.RemoveRef(ref.Name); err != nil {
				return err
			}
			if layer {
				removed++
			}
		}
		return nil
	})
	return removed, broken, err
}

// useLayers notes the layers of the image that a ref leads to, if it leads to one.
func useLayers(r *ostreerepo.Repo, ref ostreerepo.Ref, used map[string]bool) error {
	commit, err := r.Commit(ref.Commit)
	if err != nil {
		return fmt.Errorf("ref %s: %w", ref.Name, err)
	}
	if metadataString(commit, keyDigest) == "" && !strings.HasPrefix(ref.Name, imagePrefix) {
		return nil
	}
	s, err := stored(r, ref.Commit)
	if err != nil {
		return fmt.Errorf("ref %s: %w", ref.Name, err)
	}
	used[exactImageRef(s.Digest)] = true
	for _, l := range s.Manifest.Layers {
		used[BlobRef(l.Digest)] = true
		used[exactLayerRef(l.Digest)] = true
	}
	return nil
}
