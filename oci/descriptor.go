package oci

import (
	"fmt"
	"runtime"
	"strings"
)

// Media types of the OCI image-spec v1.1 and of Docker's image manifest
// version 2, schema 2.
const (
	MediaTypeIndex     = "application/vnd.oci.image.index.v1+json"
	MediaTypeManifest  = "application/vnd.oci.image.manifest.v1+json"
	MediaTypeConfig    = "application/vnd.oci.image.config.v1+json"
	MediaTypeLayer     = "application/vnd.oci.image.layer.v1.tar"
	MediaTypeLayerGzip = "application/vnd.oci.image.layer.v1.tar+gzip"
	MediaTypeLayerZstd = "application/vnd.oci.image.layer.v1.tar+zstd"

	MediaTypeDockerIndex     = "application/vnd.docker.distribution.manifest.list.v2+json"
	MediaTypeDockerManifest  = "application/vnd.docker.distribution.manifest.v2+json"
	MediaTypeDockerConfig    = "application/vnd.docker.container.image.v1+json"
	MediaTypeDockerLayer     = "application/vnd.docker.image.rootfs.diff.tar"
	MediaTypeDockerLayerGzip = "application/vnd.docker.image.rootfs.diff.tar.gzip"
	MediaTypeDockerLayerZstd = "application/vnd.docker.image.rootfs.diff.tar.zstd"
)

// AnnotationRefName is the annotation of an index entry that holds its tag
// (OCI image-spec, annotations.md).
const AnnotationRefName = "org.opencontainers.image.ref.name"

// A Descriptor points to a blob: what it is, its digest and its size in bytes
// (OCI image-spec, descriptor.md). Other keys of a descriptor are not kept.
type Descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      Digest            `json:"digest"`
	Size        int64             `json:"size"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Platform    *Platform         `json:"platform,omitempty"`
}

func (d *Descriptor) check(what string) error {
	switch {
	case d.Digest == "":
		return fmt.Errorf("%s: descriptor without digest", what)
	case d.Size < 0:
		return fmt.Errorf("%s %s: negative size", what, d.Digest)
	}
	return nil
}

// IsManifest reports whether the descriptor points to a manifest or an index,
// which registries keep apart from other blobs.
func (d *Descriptor) IsManifest() bool {
	switch d.MediaType {
	case MediaTypeManifest, MediaTypeIndex, MediaTypeDockerManifest, MediaTypeDockerIndex:
		return true
	}
	return false
}

// A Platform says what a manifest's image runs on, in Go's names of systems and
// architectures (OCI image-spec, image-index.md). The zero value stands for
// Linux on the architecture of this program.
type Platform struct {
	Architecture string `json:"architecture"`
	OS           string `json:"os"`
	Variant      string `json:"variant,omitempty"`
}

// ParsePlatform parses OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT.
func ParsePlatform(s string) (Platform, error) {
	parts := strings.Split(s, "/")
	for _, part := range parts {
		if part == "" {
			parts = nil
		}
	}
	switch len(parts) {
	case 2:
		return Platform{OS: parts[0], Architecture: parts[1]}, nil
	case 3:
		return Platform{OS: parts[0], Architecture: parts[1], Variant: parts[2]}, nil
	}
	return Platform{}, fmt.Errorf("platform %q: not OS/ARCHITECTURE[/VARIANT]", s)
}

func (p Platform) String() string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return s
}

func (p Platform) orHost() Platform {
	if p.OS == "" {
		p.OS = "linux"
	}
	if p.Architecture == "" {
		p.Architecture = runtime.GOARCH
	}
	return p
}

// accepts reports whether an image for q satisfies a request for p; a request
// without variant takes any.
func (p Platform) accepts(q *Platform) bool {
	return q != nil && p.OS == q.OS && p.Architecture == q.Architecture &&
		(p.Variant == "" || p.Variant == q.Variant)
}
