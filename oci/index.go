package oci

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// parseIndex decodes an image index or Docker manifest list.
func parseIndex(raw []byte) ([]Descriptor, error) {
	var index struct{ Manifests []Descriptor }
	if err := json.Unmarshal(raw, &index); err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	for i := range index.Manifests {
		if err := index.Manifests[i].check("index: manifest"); err != nil {
			return nil, err
		}
	}
	return index.Manifests, nil
}

// choosePlatform returns the first manifest of an index that p accepts. An entry
// that names no platform is taken only when it is the only one.
func choosePlatform(manifests []Descriptor, p Platform) (Descriptor, error) {
	if len(manifests) == 1 && manifests[0].Platform == nil {
		return manifests[0], nil
	}
	var have []string
	for _, d := range manifests {
		if p.accepts(d.Platform) {
			return d, nil
		}
		if d.Platform != nil {
			have = append(have, d.Platform.String())
		}
	}
	return Descriptor{}, fmt.Errorf("index: no image for %s (there is: %s)", p, strings.Join(have, ", "))
}

// FindInIndex returns the entry of a layout's index.json that carries tag, or,
// if tag is empty, the only entry.
func FindInIndex(index []byte, tag string) (Descriptor, error) {
	manifests, err := parseIndex(index)
	if err != nil {
		return Descriptor{}, err
	}
	var tags []string
	for _, d := range manifests {
		name := d.Annotations[AnnotationRefName]
		if tag != "" && name == tag || tag == "" && len(manifests) == 1 {
			return d, nil
		}
		if name != "" {
			tags = append(tags, name)
		}
	}
	switch {
	case len(manifests) == 0:
		return Descriptor{}, errors.New("index: no image in it")
	case tag == "":
		return Descriptor{}, fmt.Errorf("index: %d images in it, name one by its tag (%s)", len(manifests), strings.Join(tags, ", "))
	}
	return Descriptor{}, fmt.Errorf("index: no image with tag %q (there is: %s)", tag, strings.Join(tags, ", "))
}

// DescribeManifest returns the entry of a manifest in an index: its digest and
// size, and the platform that its config, given as raw bytes, names.
func DescribeManifest(raw []byte, mediaType string, config []byte) Descriptor {
	d := Descriptor{MediaType: mediaType, Digest: Sum(raw), Size: int64(len(raw))}
	if c, err := ParseConfig(config); err == nil && c.OS != "" && c.Architecture != "" {
		d.Platform = &Platform{Architecture: c.Architecture, OS: c.OS, Variant: c.Variant}
	}
	return d
}

// SetInIndex returns a layout's index.json with d in it. With a tag, d replaces
// the entry of that tag and everything else is kept as it is; without one, d
// becomes the only entry. An empty index starts a new one.
func SetInIndex(index []byte, tag string, d Descriptor) ([]byte, error) {
	doc := map[string]json.RawMessage{"schemaVersion": json.RawMessage("2")}
	var entries []any
	if tag != "" {
		d.Annotations = map[string]string{AnnotationRefName: tag}
		if len(index) > 0 {
			if err := json.Unmarshal(index, &doc); err != nil {
				return nil, fmt.Errorf("index: %w", err)
			}
		}
		others, err := withoutTag(doc["manifests"], tag)
		if err != nil {
			return nil, err
		}
		entries = others
	}
	raw, err := json.Marshal(append(entries, d))
	if err != nil {
		return nil, err
	}
	doc["manifests"] = raw
	return CanonicalJSON(doc)
}

// withoutTag returns the raw entries that do not carry tag. They stay raw, so
// that keys and digest algorithms unknown here survive.
func withoutTag(manifests json.RawMessage, tag string) (kept []any, err error) {
	var entries []json.RawMessage
	if len(manifests) > 0 {
		if err := json.Unmarshal(manifests, &entries); err != nil {
			return nil, fmt.Errorf("index: %w", err)
		}
	}
	for _, raw := range entries {
		var entry struct{ Annotations map[string]string }
		if err := json.Unmarshal(raw, &entry); err != nil {
			return nil, fmt.Errorf("index: %w", err)
		}
		if entry.Annotations[AnnotationRefName] != tag {
			kept = append(kept, raw)
		}
	}
	return kept, nil
}
