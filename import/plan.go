package importer

import (
	"errors"
	"fmt"
	"strings"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/ostreetar"
	"github.com/treenail/treenail/oci"
)

// ErrNotEncapsulated says that an image has no label ostree.final-diffid: it is
// an ordinary container image and no commit can be restored from it.
var ErrNotEncapsulated = errors.New("no ostree.final-diffid label found: not an ostree encapsulated container")

// DerivedLayersError says that an image has layers after those of its commit,
// so that the commit alone is not what the image holds.
type DerivedLayersError struct {
	Count int
}

func (e *DerivedLayersError) Error() string {
	return fmt.Sprintf("image has %d non-ostree layers", e.Count)
}

// Kind says what a layer of an image holds.
type Kind string

// The kinds of layers, in the order in which an image has them.
const (
	KindOSTree  Kind = "ostree"  // the commit, all its metadata objects, what no chunk has
	KindChunk   Kind = "chunk"   // content objects of the commit, nothing else
	KindDerived Kind = "derived" // an ordinary file system layer
)

// Layer is one layer of an image, as manifest and config describe it.
type Layer struct {
	Index      int // in the manifest, from 0
	Kind       Kind
	Descriptor oci.Descriptor
	DiffID     oci.DiffID
	Components []string // of a chunk: names from the annotation ostree.components
}

// String names the layer in errors.
func (l *Layer) String() string { return fmt.Sprintf("layer %d (%s)", l.Index, l.Descriptor.Digest) }

// Plan says which layers of an image make up its commit. It is computed from
// manifest and config alone; Import acts on it.
type Plan struct {
	// Commit is what the label ostree.commit promises; zero without the label.
	// The layers decide, but a promise that they do not keep is an error.
	Commit object.Checksum

	CommitLayer *Layer  // nil: the image is not encapsulated, all its layers are derived
	Chunks      []Layer // component layers, in image order
	Derived     []Layer // layers after those of the commit
}

// NewPlan sorts the layers of an image into the commit layer, chunks and
// derived layers. The label ostree.final-diffid of the config names the last
// layer of the commit; an image without it has derived layers only.
func NewPlan(m *oci.Manifest, c *oci.Config) (*Plan, error) {
	diffIDs := c.RootFS.DiffIDs
	if len(m.Layers) != len(diffIDs) {
		return nil, fmt.Errorf("manifest has %d layers, but config has %d diffIDs", len(m.Layers), len(diffIDs))
	}
	layers := make([]Layer, len(diffIDs))
	for i, d := range m.Layers {
		layers[i] = Layer{Index: i, Kind: KindDerived, Descriptor: d, DiffID: diffIDs[i]}
	}
	label, ok := c.Config.Labels[ostreetar.LabelFinalDiffID]
	if !ok {
		return &Plan{Derived: layers}, nil
	}
	final, err := finalLayer(layers, label)
	if err != nil {
		return nil, err
	}
	p := &Plan{CommitLayer: &layers[0], Chunks: layers[1 : final+1], Derived: layers[final+1:]}
	p.CommitLayer.Kind = KindOSTree
	for i := range p.Chunks {
		chunk := &p.Chunks[i]
		chunk.Kind = KindChunk
		chunk.Components = components(chunk.Descriptor)
	}
	p.Commit, err = labelledCommit(c.Config.Labels)
	return p, err
}

// finalLayer is the index of the one layer whose diffID is label.
func finalLayer(layers []Layer, label string) (int, error) {
	want, err := oci.ParseDiffID(label)
	if err != nil {
		return 0, fmt.Errorf("label %s: %w", ostreetar.LabelFinalDiffID, err)
	}
	final := -1
	for i, l := range layers {
		if l.DiffID != want {
			continue
		}
		if final >= 0 {
			return 0, fmt.Errorf("label %s: multiple layers have diffID %s", ostreetar.LabelFinalDiffID, want)
		}
		final = i
	}
	if final < 0 {
		return 0, fmt.Errorf("missing %s %s: no layer has this diffID", ostreetar.LabelFinalDiffID, want)
	}
	return final, nil
}

func labelledCommit(labels map[string]string) (object.Checksum, error) {
	label, ok := labels[ostreetar.LabelCommit]
	if !ok {
		return object.Checksum{}, nil
	}
	c, err := object.ParseChecksum(label)
	if err != nil {
		return c, fmt.Errorf("label %s: %w", ostreetar.LabelCommit, err)
	}
	return c, nil
}

// components are the names in the annotation ostree.components; none is usual
// for a chunk that is kept for packages to come.
func components(d oci.Descriptor) []string {
	list := d.Annotations[ostreetar.AnnotationComponents]
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// Base are the layers of the commit in image order; none in an image without one.
func (p *Plan) Base() []Layer {
	if p.CommitLayer == nil {
		return nil
	}
	return append([]Layer{*p.CommitLayer}, p.Chunks...)
}

// Layers are all layers of the image in its order.
func (p *Plan) Layers() []Layer { return append(p.Base(), p.Derived...) }

// Size is what the layers of the commit weigh in the image, in bytes as stored
// there, which is compressed as a rule.
func (p *Plan) Size() int64 {
	if p.CommitLayer == nil {
		return 0
	}
	return p.CommitLayer.Descriptor.Size + sizeOf(p.Chunks)
}

func sizeOf(layers []Layer) int64 {
	var n int64
	for _, l := range layers {
		n += l.Descriptor.Size
	}
	return n
}

// encapsulated returns the layers of the commit in image order, or why the
// image is not one commit and nothing else.
func (p *Plan) encapsulated() ([]Layer, error) {
	if p.CommitLayer == nil {
		return nil, ErrNotEncapsulated
	}
	if n := len(p.Derived); n > 0 {
		return nil, &DerivedLayersError{n}
	}
	return p.Base(), nil
}
