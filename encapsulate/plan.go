package encapsulate

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/treenail/treenail/format/object"
)

// Component is the content of one package, or of something else that changes
// as a whole.
type Component struct {
	ID     string // says which build it is, for instance "bash_5.2.15-2_amd64"
	Name   string // the package
	Source string // what is rebuilt together; empty: Name

	// Exclusive asks for a layer of its own, whatever its size.
	Exclusive bool

	Size    int64             // of all objects, in bytes
	Objects []object.Checksum // ascending; no object is in two components
}

// Chunk is what goes into one layer.
type Chunk struct {
	Name       string            // for the image's history
	Components []string          // names, sorted, each once
	Objects    []object.Checksum // ascending
	Size       int64             // of all objects, in bytes
}

// ownLayers is the share of layers, in percent, that go to the largest groups.
const ownLayers = 60

// Plan groups components into at most maxLayers-1 chunks; one layer is for the
// commit itself and all that is in no component. Whatever finds no place stays
// there: with maxLayers 1 that is everything.
//
// With a previous image, which may be nil, all that it had stays where it was as
// long as there are layers enough. Its reason not to have a say, if there is one,
// is the second result.
//
// The plan depends on nothing but the arguments, and not on the order of
// components. See the package comment for how it is made.
func Plan(components []Component, maxLayers int, previous *Previous) (_ []Chunk, unused string, _ error) {
	if maxLayers < 1 {
		return nil, "", fmt.Errorf("maximum of %d layers: an image has at least 1", maxLayers)
	}
	content := plan(components, maxLayers-1)
	if previous != nil {
		unused = previous.reason
		if kept, ok := previous.onto(components, content, maxLayers-1); ok {
			content = kept
		} else if unused == "" {
			unused = "this commit has none of its components"
		}
	}
	chunks := make([]Chunk, len(content))
	for i, c := range content {
		chunks[i] = chunkOf(c)
	}
	return chunks, unused, nil
}

// plan is Plan without a previous image.
func plan(components []Component, slots int) (chunks [][]Component) {
	exclusive, shared := groups(components)
	for i, g := range exclusive {
		if i < slots {
			chunks = append(chunks, g.components)
		} else {
			shared = append(shared, g)
		}
	}
	slots -= len(chunks)
	bySize(shared)
	own := min(slots*ownLayers/100, len(shared))
	byName(shared[:own])
	for _, g := range shared[:own] {
		chunks = append(chunks, g.components)
	}
	return append(chunks, spread(shared[own:], slots-slots*ownLayers/100)...)
}

// group is what the plan moves: an exclusive component, or all components of
// one source.
type group struct {
	key        string
	size       int64
	components []Component
}

func groups(components []Component) (exclusive, shared []*group) {
	bySource := make(map[string]*group)
	for _, c := range sortedComponents(components) {
		key := groupKey(c)
		g := bySource[key]
		switch {
		case c.Exclusive:
			g = &group{key: c.ID}
			exclusive = append(exclusive, g)
		case g == nil:
			g = &group{key: key}
			bySource[key] = g
			shared = append(shared, g)
		}
		g.size += c.Size
		g.components = append(g.components, c)
	}
	return exclusive, shared
}

// groupKey is what components that are rebuilt together have in common.
func groupKey(c Component) string { return cmp.Or(c.Source, c.Name) }

func sortedComponents(components []Component) []Component {
	return slices.SortedStableFunc(slices.Values(components), func(a, b Component) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID), slices.CompareFunc(a.Objects, b.Objects, object.Checksum.Compare))
	})
}

func bySize(g []*group) {
	slices.SortFunc(g, func(a, b *group) int {
		return cmp.Or(cmp.Compare(b.size, a.size), strings.Compare(a.key, b.key))
	})
}

func byName(g []*group) {
	slices.SortFunc(g, func(a, b *group) int { return strings.Compare(a.key, b.key) })
}

// spread puts groups into n bins and returns those that got something.
func spread(shared []*group, n int) [][]Component {
	if n < 1 {
		return nil
	}
	content := make([][]Component, n)
	byName(shared)
	for _, g := range shared {
		i := rendezvous(g.key, n)
		content[i] = append(content[i], g.components...)
	}
	return slices.DeleteFunc(content, func(c []Component) bool { return len(c) == 0 })
}

// rendezvous picks one of n bins for a key: the one with the highest hash of
// key and bin. Other keys don't matter, and with one bin more or less only the
// keys of that bin move.
func rendezvous(key string, n int) (bin int) {
	seed := sha256.Sum256([]byte(key))
	var best uint64
	for i := range n {
		binary.BigEndian.PutUint64(seed[:], uint64(i))
		h := sha256.Sum256(seed[:])
		if weight := binary.BigEndian.Uint64(h[:]); i == 0 || weight > best {
			bin, best = i, weight
		}
	}
	return bin
}

func chunkOf(components []Component) Chunk {
	c := Chunk{Name: chunkName(components)}
	for _, part := range components {
		c.Components = append(c.Components, part.Name)
		c.Objects = append(c.Objects, part.Objects...)
		c.Size += part.Size
	}
	slices.Sort(c.Components)
	c.Components = slices.Compact(c.Components)
	slices.SortFunc(c.Objects, object.Checksum.Compare)
	return c
}

// chunkName is what ostree-ext writes into the history.
func chunkName(components []Component) string {
	if len(components) > 5 {
		return fmt.Sprintf("%d components", len(components))
	}
	ids := make([]string, len(components))
	for i, c := range components {
		ids[i] = c.ID
	}
	return strings.Join(ids, " and ")
}
