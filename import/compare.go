package importer

import (
	"errors"
	"slices"

	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
)

// Comparison is how the layers of one image differ from those of another, as their
// manifests tell. Layers are told apart by digest.
type Comparison struct {
	New     []oci.Descriptor // all layers of the new image
	Removed []oci.Descriptor // those that only the old image has
	Added   []oci.Descriptor // those that only the new image has

	// Named says that both images name the components of their layers. Only encapsulated
	// ones do, and programs that copy them by way of a storage forget it.
	Named bool
	// Components whose names only one of the images has, sorted, and those in layers
	// that were added whose names both have.
	ComponentsRemoved, ComponentsAdded, ComponentsTouched []string
}

// Compare compares the layers of two images.
func Compare(old, new *oci.Manifest) *Comparison {
	c := &Comparison{New: new.Layers, Removed: missingFrom(new.Layers, old.Layers), Added: missingFrom(old.Layers, new.Layers)}
	before, after := componentNames(old.Layers), componentNames(new.Layers)
	if c.Named = len(before) > 0 && len(after) > 0; !c.Named {
		return c
	}
	c.ComponentsRemoved = namesNotIn(after, before)
	c.ComponentsAdded = namesNotIn(before, after)
	c.ComponentsTouched = namesNotIn(c.ComponentsAdded, componentNames(c.Added))
	return c
}

// missingFrom lists the layers in list that are not in other.
func missingFrom(other, list []oci.Descriptor) (missing []oci.Descriptor) {
	has := map[oci.Digest]bool{}
	for _, l := range other {
		has[l.Digest] = true
	}
	for _, l := range list {
		if !has[l.Digest] {
			missing = append(missing, l)
		}
	}
	return missing
}

// componentNames lists the names of the components in layers, sorted.
func componentNames(layers []oci.Descriptor) (names []string) {
	for _, l := range layers {
		names = append(names, components(l)...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// namesNotIn lists the names that are not in a sorted list.
func namesNotIn(list, names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, found := slices.BinarySearch(list, name)
		return found
	})
}

// Missing lists the layers that a pull into r would fetch.
func Missing(r *ostreerepo.Repo, layers []oci.Descriptor) (missing []oci.Descriptor, err error) {
	for _, l := range layers {
		_, err := r.Resolve(BlobRef(l.Digest))
		if errors.Is(err, ostreerepo.ErrNotFound) {
			missing = append(missing, l)
		} else if err != nil {
			return nil, err
		}
	}
	return missing, nil
}
