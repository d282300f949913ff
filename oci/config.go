package oci

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// A Config describes an image: what it runs on, how to run it, and its layers
// (OCI image-spec, config.md; Docker's config has the same shape). Members this
// type does not name are kept in Extra and written back by its JSON encoding.
type Config struct {
	Created      string                     `json:"created,omitzero"` // RFC 3339
	Author       string                     `json:"author,omitzero"`
	Architecture string                     `json:"architecture"`
	OS           string                     `json:"os"`
	Variant      string                     `json:"variant,omitzero"`
	Config       ContainerConfig            `json:"config"`
	RootFS       RootFS                     `json:"rootfs"`
	History      []History                  `json:"history,omitzero"`
	Extra        map[string]json.RawMessage `json:"-"`
}

// A ContainerConfig holds the defaults of a container made from the image.
// Members it does not name, for example Healthcheck, are kept in Extra.
type ContainerConfig struct {
	User         string                     `json:"User,omitzero"`
	ExposedPorts map[string]struct{}        `json:"ExposedPorts,omitzero"`
	Env          []string                   `json:"Env,omitzero"`
	Entrypoint   []string                   `json:"Entrypoint,omitzero"`
	Cmd          []string                   `json:"Cmd,omitzero"`
	Volumes      map[string]struct{}        `json:"Volumes,omitzero"`
	WorkingDir   string                     `json:"WorkingDir,omitzero"`
	Labels       map[string]string          `json:"Labels,omitzero"`
	StopSignal   string                     `json:"StopSignal,omitzero"`
	Extra        map[string]json.RawMessage `json:"-"`
}

// RootFS lists the layers of an image by their uncompressed content, lowest
// first.
type RootFS struct {
	Type    string   `json:"type"` // always "layers"
	DiffIDs []DiffID `json:"diff_ids"`
}

// A History entry tells how one layer was made.
type History struct {
	Created    string `json:"created,omitzero"` // RFC 3339
	CreatedBy  string `json:"created_by,omitzero"`
	Author     string `json:"author,omitzero"`
	Comment    string `json:"comment,omitzero"`
	EmptyLayer bool   `json:"empty_layer,omitzero"` // the entry has no layer
}

// ParseConfig decodes an image config. Everything may be absent: a config that
// is a starting point for another often has no layers yet.
func ParseConfig(raw []byte) (*Config, error) {
	if len(raw) > MaxDocumentSize {
		return nil, fmt.Errorf("config: %d bytes are more than the limit of %d", len(raw), MaxDocumentSize)
	}
	c := new(Config)
	if err := json.Unmarshal(raw, c); err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return c, nil
}

type (
	plainConfig          Config
	plainContainerConfig ContainerConfig
)

// UnmarshalJSON decodes a config and keeps unknown members in Extra.
func (c *Config) UnmarshalJSON(data []byte) (err error) {
	c.Extra, err = decodeObject(data, (*plainConfig)(c))
	return err
}

// MarshalJSON encodes a config with the members in Extra.
func (c Config) MarshalJSON() ([]byte, error) {
	return encodeObject(plainConfig(c), c.Extra)
}

// UnmarshalJSON decodes container defaults and keeps unknown members in Extra.
func (c *ContainerConfig) UnmarshalJSON(data []byte) (err error) {
	c.Extra, err = decodeObject(data, (*plainContainerConfig)(c))
	return err
}

// MarshalJSON encodes container defaults with the members in Extra.
func (c ContainerConfig) MarshalJSON() ([]byte, error) {
	return encodeObject(plainContainerConfig(c), c.Extra)
}

// decodeObject decodes the members of data that the struct pointer known names
// and returns the others. Names count as written: encoding/json alone would also
// take a name in another case, and so lose the original.
func decodeObject(data []byte, known any) (extra map[string]json.RawMessage, err error) {
	if err := json.Unmarshal(data, &extra); err != nil {
		return nil, err
	}
	mine := make(map[string]json.RawMessage)
	for field := range reflect.TypeOf(known).Elem().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if value, ok := extra[name]; ok && name != "-" {
			mine[name] = value
			delete(extra, name)
		}
	}
	named, err := json.Marshal(mine)
	if err != nil {
		return nil, err
	}
	if len(extra) == 0 {
		extra = nil
	}
	return extra, json.Unmarshal(named, known)
}

// encodeObject encodes a struct together with further members; those of the
// struct win.
func encodeObject(known any, extra map[string]json.RawMessage) ([]byte, error) {
	data, err := json.Marshal(known)
	if err != nil || len(extra) == 0 {
		return data, err
	}
	members := make(map[string]json.RawMessage)
	for name, value := range extra {
		members[name] = value
	}
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, err
	}
	return json.Marshal(members)
}
