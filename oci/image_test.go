package oci_test

import (
	"strings"
	"testing"

	"github.com/treenail/treenail/oci"
)

var (
	amd64 = oci.Platform{OS: "linux", Architecture: "amd64"}
	armv7 = oci.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}
)

func TestReadImage(t *testing.T) {
	src := new(fakeSource)
	d := src.putImage(t, "layer", amd64)
	src.manifest = src.blobs[d.Digest]
	image, err := oci.ReadImage(t.Context(), src, oci.Platform{Architecture: "s390x"}) // not compared
	if err != nil {
		t.Fatal(err)
	}
	if image.Digest != d.Digest || string(image.RawManifest) != string(src.manifest) ||
		image.Config.OS != "linux" || len(image.Manifest.Layers) != 1 {
		t.Errorf("got %+v", image)
	}
	if oci.Sum(image.RawConfig) != image.Manifest.Config.Digest {
		t.Error("raw config is not what the manifest names")
	}
}

// putIndex makes src an index.
func putIndex(t *testing.T, src *fakeSource, entries ...oci.Descriptor) {
	t.Helper()
	src.mediaType = oci.MediaTypeIndex
	src.manifest = canonical(t, map[string]any{"schemaVersion": 2, "manifests": entries})
}

func TestReadImageFromIndex(t *testing.T) {
	src := new(fakeSource)
	a, b := src.putImage(t, "a", amd64), src.putImage(t, "b", armv7)
	attestation := src.putImage(t, "c", oci.Platform{OS: "unknown", Architecture: "unknown"})
	putIndex(t, src, attestation, a, b)
	tests := []struct {
		platform oci.Platform
		want     oci.Digest
		err      string
	}{
		{amd64, a.Digest, ""},
		{armv7, b.Digest, ""},
		{oci.Platform{Architecture: "arm"}, b.Digest, ""},
		{oci.Platform{Architecture: "arm", Variant: "v6"}, "", "fake: index: no image for linux/arm/v6 (there is: unknown/unknown, linux/amd64, linux/arm/v7)"},
	}
	for _, test := range tests {
		image, err := oci.ReadImage(t.Context(), src, test.platform)
		checkError(t, err, test.err)
		if err == nil && image.Digest != test.want {
			t.Errorf("%s: got %s", test.platform, image.Digest)
		}
	}
	alone := a
	alone.Platform = nil
	putIndex(t, src, alone)
	if image, err := oci.ReadImage(t.Context(), src, armv7); err != nil || image.Digest != a.Digest {
		t.Errorf("only entry, without platform: %v", err)
	}
}

func TestReadImageErrors(t *testing.T) {
	tests := []struct {
		name   string
		damage func(src *fakeSource, m *oci.Manifest)
		err    string
	}{
		{"config replaced", func(src *fakeSource, m *oci.Manifest) {
			src.blobs[m.Config.Digest] = []byte(strings.Repeat("x", int(m.Config.Size)))
		}, "fake: blob CONFIG: wrong content: digest is sha256:"},
		{"config cut", func(src *fakeSource, m *oci.Manifest) {
			src.blobs[m.Config.Digest] = []byte("{}")
		}, "fake: blob CONFIG: wrong content: size is 2, expected "},
		{"config longer", func(src *fakeSource, m *oci.Manifest) { m.Config.Size = 1 },
			"fake: blob CONFIG: wrong content: size is more, expected 1"},
		{"config huge", func(src *fakeSource, m *oci.Manifest) { m.Config.Size = 1 << 40 },
			"fake: blob CONFIG: 1099511627776 bytes are more than the limit of 4194304 for a document"},
		{"config missing", func(src *fakeSource, m *oci.Manifest) { delete(src.blobs, m.Config.Digest) },
			"fake: no blob CONFIG"},
		{"an artifact", func(src *fakeSource, m *oci.Manifest) { m.Config.MediaType = "application/vnd.oci.empty.v1+json" },
			"fake: manifest sha256:"},
		{"layer without diffID", func(src *fakeSource, m *oci.Manifest) { m.Layers = append(m.Layers, m.Layers[0]) },
			"fake: manifest sha256:"},
		{"type of an index", func(src *fakeSource, m *oci.Manifest) { src.mediaType = oci.MediaTypeIndex },
			"fake: manifest: content is not of its media type " + oci.MediaTypeIndex},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			src := new(fakeSource)
			m, err := oci.ParseManifest(src.blobs[src.putImage(t, "layer", amd64).Digest])
			if err != nil {
				t.Fatal(err)
			}
			config := string(m.Config.Digest)
			test.damage(src, m)
			src.manifest = canonical(t, m)
			_, err = oci.ReadImage(t.Context(), src, amd64)
			if want := strings.ReplaceAll(test.err, "CONFIG", config); err == nil || !strings.HasPrefix(err.Error(), want) {
				t.Errorf("error is %v, want %s", err, want)
			}
		})
	}
}

func TestReadImageVerifiesManifestOfIndex(t *testing.T) {
	src := new(fakeSource)
	a, b := src.putImage(t, "a", amd64), src.putImage(t, "b", amd64)
	src.blobs[a.Digest] = src.blobs[b.Digest]
	putIndex(t, src, a)
	_, err := oci.ReadImage(t.Context(), src, amd64)
	checkError(t, err, "fake: blob "+string(a.Digest)+": wrong content: digest is "+string(b.Digest)+", expected "+string(a.Digest))
}
