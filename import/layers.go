package importer

import (
	"fmt"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
)

// StoredLayer is the commit that holds a layer of an image.
type StoredLayer struct {
	Layer
	Commit  object.Checksum
	Implied []string // directories of a derived layer that it had no entries for
}

// Layers finds the commits of the layers of an image.
func (s *Stored) Layers(r *ostreerepo.Repo) ([]StoredLayer, error) {
	plan, err := NewPlan(s.Manifest, s.Config)
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", s.Reference.Image(), err)
	}
	var layers []StoredLayer
	for _, l := range plan.Layers() {
		c, err := r.Resolve(BlobRef(l.Descriptor.Digest))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", &l, err)
		}
		commit, err := r.Commit(c)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", &l, err)
		}
		layers = append(layers, StoredLayer{l, c, implied(commit)})
	}
	return layers, nil
}

// implied lists the directories that the commit of a derived layer says it had no
// entries for.
func implied(c *object.Commit) (paths []string) {
	v, ok := c.Metadata.Lookup(keyImplied)
	if !ok || v.Type() != "as" {
		return nil
	}
	for i := range v.Len() {
		paths = append(paths, v.At(i).Str())
	}
	return paths
}
