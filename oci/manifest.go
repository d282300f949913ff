package oci

import (
	"encoding/json"
	"errors"
	"fmt"
)

// MaxDocumentSize bounds a manifest, an index and a config, in bytes. Registries
// commonly refuse manifests above 4 MiB (OCI distribution-spec, pushing
// manifests).
const MaxDocumentSize = 4 << 20

// A Manifest lists the parts of one image (OCI image-spec, manifest.md). Keys it
// does not name are not kept: keep the raw bytes to keep an image's identity.
type Manifest struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType,omitempty"`
	Config        Descriptor        `json:"config"`
	Layers        []Descriptor      `json:"layers"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

// ParseManifest decodes an OCI image manifest or a Docker manifest of version 2,
// schema 2. An index is an error.
func ParseManifest(raw []byte) (*Manifest, error) {
	isIndex, err := documentKind(raw)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if isIndex {
		return nil, errors.New("manifest: is an image index")
	}
	m := new(Manifest)
	if err := json.Unmarshal(raw, m); err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	return m, m.check()
}

func (m *Manifest) check() error {
	if err := m.Config.check("manifest: config"); err != nil {
		return err
	}
	for i := range m.Layers {
		if err := m.Layers[i].check("manifest: layer"); err != nil {
			return err
		}
	}
	return nil
}

// Blobs returns the descriptors of everything the manifest needs: the config,
// then the layers.
func (m *Manifest) Blobs() []Descriptor {
	return append([]Descriptor{m.Config}, m.Layers...)
}

// IsIndex reports whether a document is an index of images rather than the manifest
// of one. One that could be read as either is an error.
func IsIndex(raw []byte) (bool, error) {
	isIndex, err := documentKind(raw)
	if err != nil {
		err = fmt.Errorf("manifest: %w", err)
	}
	return isIndex, err
}

// Parts returns the descriptors of what a manifest or an index needs: config and
// layers, or the manifests it lists.
func Parts(raw []byte) (parts []Descriptor, isIndex bool, err error) {
	if isIndex, err = documentKind(raw); err != nil {
		return nil, false, fmt.Errorf("manifest: %w", err)
	}
	if isIndex {
		parts, err = parseIndex(raw)
		return parts, true, err
	}
	m, err := ParseManifest(raw)
	if err != nil {
		return nil, false, err
	}
	return m.Blobs(), false, nil
}

// documentKind tells an index from a manifest by what is in it. A document that
// could be read as either is refused, since two readers would see two images.
func documentKind(raw []byte) (isIndex bool, err error) {
	if len(raw) > MaxDocumentSize {
		return false, fmt.Errorf("%d bytes are more than the limit of %d", len(raw), MaxDocumentSize)
	}
	var doc struct {
		SchemaVersion             int
		MediaType                 string
		Config, Layers, Manifests json.RawMessage
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return false, err
	}
	isIndex = doc.Manifests != nil
	switch {
	case doc.SchemaVersion != 2:
		return false, fmt.Errorf("unsupported schema version %d", doc.SchemaVersion)
	case isIndex && (doc.Layers != nil || doc.Config != nil):
		return false, errors.New("is both a manifest and an index")
	}
	return isIndex, checkMediaType(doc.MediaType, isIndex)
}

// checkMediaType compares a document's declared type, if any, with its content.
func checkMediaType(mediaType string, isIndex bool) error {
	switch mediaType {
	case "":
		return nil
	case MediaTypeManifest, MediaTypeDockerManifest:
		if !isIndex {
			return nil
		}
	case MediaTypeIndex, MediaTypeDockerIndex:
		if isIndex {
			return nil
		}
	default:
		return fmt.Errorf("unhandled manifest type: %s", mediaType)
	}
	return fmt.Errorf("content is not of its media type %s", mediaType)
}
