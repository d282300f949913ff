package encapsulate

import (
	"slices"
	"strings"

	"github.com/treenail/treenail/format/ostreetar"
	"github.com/treenail/treenail/oci"
)

// Previous is an earlier image of the same system: what it had in which layer.
type Previous struct {
	chunks []previousChunk
	layers map[oci.DiffID]int64 // compressed size; nil when only a manifest is known
	reason string               // why chunks is empty
}

// previousChunk is a layer after the first: the names of its components or, where
// only the history tells, their IDs.
type previousChunk struct{ names, ids []string }

// NewPrevious takes over what an image has in its layers: the annotation
// ostree.components or, where a copying tool has dropped that, the history. Any
// image will do; of one that doesn't tell, Plan takes nothing.
func NewPrevious(image *oci.Image) *Previous {
	p := &Previous{layers: make(map[oci.DiffID]int64)}
	diffIDs := image.Config.RootFS.DiffIDs
	for i, d := range image.Manifest.Layers {
		p.layers[diffIDs[i]] = d.Size
	}
	final := slices.Index(diffIDs, oci.DiffID(image.Config.Config.Labels[ostreetar.LabelFinalDiffID]))
	if final < 0 {
		p.reason = "it is not an encapsulated commit"
		return p
	}
	history := slices.DeleteFunc(slices.Clone(image.Config.History), func(h oci.History) bool { return h.EmptyLayer })
	for i, d := range image.Manifest.Layers[1 : final+1] {
		text := ""
		if i+1 < len(history) {
			text = history[i+1].CreatedBy
		}
		p.add(d, text)
	}
	return p.checked()
}

// ParsePrevious is NewPrevious for the manifest of an image alone. It says too
// little to compare layers with, so [Preview] finds all of them changed.
func ParsePrevious(manifest []byte) (*Previous, error) {
	m, err := oci.ParseManifest(manifest)
	if err != nil {
		return nil, err
	}
	p := new(Previous)
	for _, d := range m.Layers {
		p.add(d, "")
	}
	return p.checked(), nil
}

func (p *Previous) add(d oci.Descriptor, history string) {
	if text, ok := d.Annotations[ostreetar.AnnotationComponents]; ok {
		p.chunks = append(p.chunks, previousChunk{names: strings.Split(text, ",")})
	} else if history != "" && !strings.HasSuffix(history, " components") {
		p.chunks = append(p.chunks, previousChunk{ids: strings.Split(history, " and ")})
	}
}

func (p *Previous) checked() *Previous {
	if len(p.chunks) == 0 {
		p.reason = "its layers don't say what they hold"
	}
	return p
}

// places finds the chunks in which components were.
type places struct{ byID, byName map[string][]int }

func (p *Previous) places() places {
	f := places{make(map[string][]int), make(map[string][]int)}
	for i, c := range p.chunks {
		for _, name := range c.names {
			f.byName[name] = append(f.byName[name], i)
		}
		for _, id := range c.ids {
			f.byID[id] = append(f.byID[id], i)
			f.byName[nameOfID(id)] = append(f.byName[nameOfID(id)], i)
		}
	}
	return f
}

// of returns the chunks that had a component, ascending.
func (f places) of(c Component) []int {
	if at := f.byID[c.ID]; len(at) > 0 {
		return at
	}
	return f.byName[c.Name]
}

// nameOfID is the package's name in a component's ID: NAME_VERSION_ARCHITECTURE
// of dpkg, NAME-VERSION-RELEASE of the others, or "initramfs (kernel VERSION)".
func nameOfID(id string) string {
	if name, _, ok := strings.Cut(id, " ("); ok {
		return name
	}
	if parts := strings.Split(id, "_"); len(parts) == 3 && !strings.Contains(parts[2], ".") {
		return parts[0]
	}
	name := id
	for range 2 {
		i := strings.LastIndexByte(name, '-')
		if i < 0 {
			return id
		}
		name = name[:i]
	}
	return name
}
