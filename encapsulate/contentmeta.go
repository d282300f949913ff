package encapsulate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/treenail/treenail/format/object"
)

// ContentMeta says explicitly which object goes into which layer: version 1 of
// the JSON file that ostree-ext's "encapsulate --contentmeta" takes and that
// rechunk writes.
type ContentMeta struct {
	Created string            // as Options.Created
	Labels  map[string]string // override Options.Labels
	Layers  []ContentLayer    // in this order
	Mapping map[object.Checksum]string
}

// ContentLayer is one layer of a ContentMeta.
type ContentLayer struct {
	ID   string // what Mapping refers to
	Name string // for people, goes into ostree.components
}

// ParseContentMeta reads a content meta file.
func ParseContentMeta(data []byte) (*ContentMeta, error) {
	var file struct {
		Version *int                       `json:"version"`
		Created string                     `json:"created"`
		Labels  map[string]string          `json:"labels"`
		Layers  orderedLayers              `json:"layers"`
		Mapping map[object.Checksum]string `json:"mapping"`
		Ordered bool                       `json:"ordered"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("content meta: %w", err)
	}
	switch {
	case file.Version == nil:
		return nil, fmt.Errorf("content meta: no version")
	case *file.Version != 1:
		return nil, fmt.Errorf("content meta: unsupported metadata version: %d. Currently supported: 1", *file.Version)
	case file.Ordered:
		return nil, fmt.Errorf("content meta: ordered mapping not currently supported")
	}
	m := &ContentMeta{Created: file.Created, Labels: file.Labels, Layers: file.Layers, Mapping: file.Mapping}
	return m, m.check()
}

func (m *ContentMeta) check() error {
	known := make(map[string]bool)
	for _, l := range m.Layers {
		known[l.ID] = true
	}
	for sum, id := range m.Mapping {
		if !known[id] {
			return fmt.Errorf("content meta: object %s is mapped to layer %q, which is not among the layers", sum, id)
		}
	}
	return nil
}

// orderedLayers reads a JSON object whose order counts.
type orderedLayers []ContentLayer

// UnmarshalJSON reads {"ID": "NAME", …}. Of a name given twice the last counts.
func (l *orderedLayers) UnmarshalJSON(data []byte) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return errors.Join(errors.New("layers: not an object"), err)
	}
	for dec.More() {
		id, err := dec.Token()
		if err != nil {
			return err
		}
		layer := ContentLayer{ID: id.(string)} // as all member names
		if err := dec.Decode(&layer.Name); err != nil {
			return fmt.Errorf("layer %q: %w", layer.ID, err)
		}
		l.set(layer)
	}
	return nil
}

func (l *orderedLayers) set(layer ContentLayer) {
	for i := range *l {
		if (*l)[i].ID == layer.ID {
			(*l)[i] = layer
			return
		}
	}
	*l = append(*l, layer)
}

// chunks makes one chunk of each layer that has objects in the tree. What is not
// mapped is in none.
func (m *ContentMeta) chunks(t *Tree) []Chunk {
	place := make(map[string]int, len(m.Layers))
	chunks := make([]Chunk, len(m.Layers))
	for i, l := range m.Layers {
		place[l.ID] = i
		chunks[i] = Chunk{Name: l.ID, Components: []string{l.Name}}
	}
	for _, c := range t.contents {
		id, mapped := m.Mapping[c.sum]
		if !mapped {
			continue
		}
		chunk := &chunks[place[id]]
		chunk.Objects = append(chunk.Objects, c.sum)
		chunk.Size += c.size
	}
	for _, c := range chunks {
		slices.SortFunc(c.Objects, object.Checksum.Compare)
	}
	return slices.DeleteFunc(chunks, func(c Chunk) bool { return len(c.Objects) == 0 })
}
