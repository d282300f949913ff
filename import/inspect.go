package importer

import (
	"cmp"
	"context"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/ostreetar"
	"github.com/treenail/treenail/oci"
)

// Info is what manifest and config say of an image. Sizes are bytes as stored
// in the image.
type Info struct {
	Digest       oci.Digest      `json:"digest"` // of the manifest
	ConfigDigest oci.Digest      `json:"configDigest"`
	MediaType    string          `json:"mediaType"`
	Encapsulated bool            `json:"encapsulated"`     // an OSTree commit is inside
	Commit       object.Checksum `json:"commit,omitzero"`  // as the label ostree.commit says
	Version      string          `json:"version,omitzero"` // of the operating system
	Created      string          `json:"created,omitzero"` // RFC 3339
	Architecture string          `json:"architecture"`
	OS           string          `json:"os"`
	Bootable     bool            `json:"bootable"`
	Linux        string          `json:"linux,omitzero"` // kernel version

	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"` // of the manifest

	Layers      []LayerInfo `json:"layers"`
	Size        int64       `json:"size"`        // of all layers
	CommitSize  int64       `json:"commitSize"`  // of the layers that make up the commit
	DerivedSize int64       `json:"derivedSize"` // of the layers after them
}

// LayerInfo is one layer of an image.
type LayerInfo struct {
	Index      int        `json:"index"`
	Kind       Kind       `json:"kind"`
	Digest     oci.Digest `json:"digest"`
	DiffID     oci.DiffID `json:"diffID"`
	Size       int64      `json:"size"`
	MediaType  string     `json:"mediaType"`
	Components []string   `json:"components,omitzero"`
}

// Inspect describes an image without reading its layers. It takes ordinary
// container images too: all their layers are derived. Of an image index it
// describes the image for p.
func Inspect(ctx context.Context, src oci.Source, p oci.Platform) (*Info, error) {
	img, err := oci.ReadImage(ctx, src, p)
	if err != nil {
		return nil, err
	}
	return describe(img)
}

func describe(img *oci.Image) (*Info, error) {
	plan, err := NewPlan(img.Manifest, img.Config)
	if err != nil {
		return nil, imageError(img, err)
	}
	labels := img.Config.Config.Labels
	info := &Info{
		Digest:       img.Digest,
		ConfigDigest: img.Manifest.Config.Digest,
		MediaType:    cmp.Or(img.Manifest.MediaType, oci.MediaTypeManifest), // only OCI may leave it out
		Encapsulated: plan.CommitLayer != nil,
		Commit:       plan.Commit,
		Version:      version(labels),
		Created:      img.Config.Created,
		Architecture: img.Config.Architecture,
		OS:           img.Config.OS,
		Bootable:     bootable(labels),
		Linux:        labels[ostreetar.LabelLinux],
		Labels:       orEmpty(labels),
		Annotations:  orEmpty(img.Manifest.Annotations),
		Layers:       []LayerInfo{},
		CommitSize:   plan.Size(),
		DerivedSize:  sizeOf(plan.Derived),
	}
	info.Size = info.CommitSize + info.DerivedSize
	for _, l := range plan.Layers() {
		info.Layers = append(info.Layers, layerInfo(l))
	}
	return info, nil
}

// orEmpty keeps a missing map from becoming null in JSON.
func orEmpty(m map[string]string) map[string]string {
	if m == nil {
		return map[string]string{}
	}
	return m
}

func layerInfo(l Layer) LayerInfo {
	return LayerInfo{
		Index:      l.Index,
		Kind:       l.Kind,
		Digest:     l.Descriptor.Digest,
		DiffID:     l.DiffID,
		Size:       l.Descriptor.Size,
		MediaType:  l.Descriptor.MediaType,
		Components: l.Components,
	}
}

func version(labels map[string]string) string {
	if v, ok := labels[ostreetar.LabelVersion]; ok {
		return v
	}
	return labels[ostreetar.LabelLegacyVersion]
}

// bootable is what the label ostree.bootable says. An image that was not made of
// a commit has the label of bootc alone, and its presence is enough.
func bootable(labels map[string]string) bool {
	if value, ok := labels[ostreetar.LabelBootable]; ok {
		return value == "true"
	}
	_, ok := labels[ostreetar.LabelBootc]
	return ok
}
