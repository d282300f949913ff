package encapsulate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/treenail/treenail/format/ostreetar"
	"github.com/treenail/treenail/oci"
)

// labels returns those of the image, except that of the final diffID, which is
// not known before the layers are.
func labels(c *commit, o *Options) (map[string]string, error) {
	l := make(map[string]string)
	for _, step := range []func() error{
		func() error { return copyMeta(l, c, o.CopyMeta, true) },
		func() error { return copyMeta(l, c, o.CopyMetaOpt, false) },
		func() error { return labelBootable(l, c) },
		func() error { return labelText(l, ostreetar.LabelLinux, c, ostreetar.MetadataLinux) },
		func() error { return labelText(l, ostreetar.LabelVersion, c, ostreetar.MetadataVersion) },
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	l[ostreetar.LabelCommit] = c.sum.String()
	maps.Copy(l, o.Labels)
	if o.ContentMeta != nil {
		maps.Copy(l, o.ContentMeta.Labels)
	}
	return l, nil
}

func copyMeta(l map[string]string, c *commit, keys []string, required bool) error {
	for _, key := range keys {
		value, ok, err := c.text(key)
		if err != nil {
			return err
		}
		if !ok && required {
			return fmt.Errorf("could not find commit metadata key: %s", key)
		}
		if ok {
			l[key] = value
		}
	}
	return nil
}

func labelText(l map[string]string, label string, c *commit, key string) error {
	value, ok, err := c.text(key)
	if ok {
		l[label] = value
	}
	return err
}

func labelBootable(l map[string]string, c *commit) error {
	v, ok, err := c.lookup(ostreetar.MetadataBootable, "b")
	if ok {
		l[ostreetar.LabelBootable] = strconv.FormatBool(v.Bool())
		l[ostreetar.LabelBootc] = "1"
	}
	return err
}

// baseConfig reads the config that the image's is made of: an image config, or
// only the member "config" of one.
func baseConfig(raw []byte) (*oci.Config, error) {
	if len(raw) == 0 {
		return new(oci.Config), nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, fmt.Errorf("base config: %w", err)
	}
	if members["config"] == nil && members["rootfs"] == nil && members["architecture"] == nil {
		raw = bytes.Join([][]byte{[]byte(`{"config":`), raw, []byte(`}`)}, nil)
	}
	c, err := oci.ParseConfig(raw)
	if err != nil {
		return nil, fmt.Errorf("base %w", err)
	}
	return c, nil
}

// imageConfig returns the config but for layers, history and the final diffID.
func imageConfig(c *commit, o *Options) (*oci.Config, error) {
	config, err := baseConfig(o.BaseConfig)
	if err != nil {
		return nil, err
	}
	if err := setPlatform(config, c, o); err != nil {
		return nil, err
	}
	if config.Created, err = created(c, o); err != nil {
		return nil, err
	}
	cmd, err := c.cmd()
	if len(o.Cmd) > 0 {
		cmd = o.Cmd
	}
	if len(cmd) > 0 {
		config.Config.Cmd = cmd
	}
	config.RootFS = oci.RootFS{Type: "layers"}
	config.History = nil
	return config, err
}

func created(c *commit, o *Options) (string, error) {
	switch {
	case o.Created != "":
		return o.Created, nil
	case o.ContentMeta != nil && o.ContentMeta.Created != "":
		return o.ContentMeta.Created, nil
	}
	return c.created()
}

// setPlatform decides what the image runs on: what the options say, else the
// base config, else the commit, else this program.
func setPlatform(config *oci.Config, c *commit, o *Options) error {
	arch, _, err := c.text("ostree.architecture")
	if err != nil {
		return err
	}
	config.Architecture = firstOf(o.Architecture, config.Architecture, goArchitecture(arch), runtime.GOARCH)
	config.OS = firstOf(o.OS, config.OS, "linux")
	return nil
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// goArchitecture turns the kernel's name of an architecture into Go's, which
// OCI uses.
func goArchitecture(arch string) string {
	switch arch {
	case "x86_64":
		return "amd64"
	case "aarch64":
		return "arm64"
	case "i386", "i486", "i586", "i686":
		return "386"
	case "powerpc64":
		return "ppc64"
	case "powerpc64le":
		return "ppc64le"
	}
	if strings.HasPrefix(arch, "armv") {
		return "arm"
	}
	return arch
}

// historyTime is the time that history entries get.
func historyTime(created string) string {
	t, err := time.Parse(time.RFC3339, created)
	if err != nil {
		t = time.Unix(0, 0)
	}
	return formatTime(t)
}

// putImage writes config and manifest, which makes the image visible.
func (e *encapsulation) putImage(layers []LayerInfo) (oci.Digest, error) {
	final := layers[len(layers)-1].DiffID
	e.labels[ostreetar.LabelFinalDiffID] = string(final)
	if e.config.Config.Labels == nil {
		e.config.Config.Labels = make(map[string]string)
	}
	maps.Copy(e.config.Config.Labels, e.labels)
	manifest := oci.Manifest{SchemaVersion: 2, Annotations: maps.Clone(e.labels)}
	maps.Copy(manifest.Annotations, e.options.Annotations)
	for _, l := range layers {
		e.config.RootFS.DiffIDs = append(e.config.RootFS.DiffIDs, l.DiffID)
		e.config.History = append(e.config.History, oci.History{Created: historyTime(e.config.Created), CreatedBy: l.Name})
		manifest.Layers = append(manifest.Layers, l.Descriptor)
	}
	raw, err := oci.CanonicalJSON(e.config)
	if err != nil {
		return "", fmt.Errorf("config: %w", err)
	}
	manifest.Config, err = e.sink.PutBlob(e.ctx, oci.MediaTypeConfig, bytes.NewReader(raw))
	if err != nil {
		return "", fmt.Errorf("config: %w", err)
	}
	if raw, err = oci.CanonicalJSON(manifest); err != nil {
		return "", fmt.Errorf("manifest: %w", err)
	}
	digest, err := e.sink.PutManifest(e.ctx, raw, oci.MediaTypeManifest)
	if err != nil {
		return "", fmt.Errorf("manifest: %w", err)
	}
	return digest, nil
}
