package transport_test

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/oci/transport"
)

// pushFor writes an image for an architecture and returns its reference.
func pushFor(t *testing.T, ref oci.Reference, arch string, n int) oci.Digest {
	t.Helper()
	sink, err := transport.OpenSink(t.Context(), ref, insecure)
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	digest, err := putImage(t.Context(), sink, layers(n), func(m *oci.Manifest) {
		config := oci.Config{Architecture: arch, OS: "linux", RootFS: oci.RootFS{Type: "layers"}}
		for _, layer := range layers(n) {
			config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, oci.DiffID(oci.Sum(layer)))
		}
		raw, err := oci.CanonicalJSON(config)
		if err != nil {
			t.Fatal(err)
		}
		if m.Config, err = sink.PutBlob(t.Context(), oci.MediaTypeConfig, bytes.NewReader(raw)); err != nil {
			t.Fatal(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

func merge(t *testing.T, to oci.Reference, from ...oci.Reference) []oci.Descriptor {
	t.Helper()
	var sources []oci.Source
	for _, ref := range from {
		src, err := transport.OpenSource(t.Context(), ref, insecure)
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		sources = append(sources, src)
	}
	sink, err := transport.OpenSink(t.Context(), to, insecure)
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	_, entries, err := oci.Merge(t.Context(), sink, sources)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// TestMerge makes an index in every medium that holds one, reads each platform from it, and puts
// another image in the place of one.
func TestMerge(t *testing.T) {
	eachMedium(t, func(t *testing.T, ref oci.Reference) {
		if ref.Transport == "dir" {
			return
		}
		dir := t.TempDir()
		amd, arm, other := parse(t, "oci:"+dir+"/amd:1"), parse(t, "oci-archive:"+dir+"/arm.tar:1"), parse(t, "oci:"+dir+"/other")
		digests := map[string]oci.Digest{"amd64": pushFor(t, amd, "amd64", 2), "arm64": pushFor(t, arm, "arm64", 3)}
		merge(t, ref, amd, arm)
		check := func() {
			t.Helper()
			for arch, want := range digests {
				src, err := transport.OpenSource(t.Context(), ref, insecure)
				if err != nil {
					t.Fatal(err)
				}
				image, err := oci.ReadImage(t.Context(), src, oci.Platform{OS: "linux", Architecture: arch})
				if err != nil || image.Digest != want {
					t.Fatalf("%s: %v, want %s", arch, err, want)
				}
				for i, d := range image.Manifest.Layers {
					layer, err := oci.OpenLayer(t.Context(), src, d, image.Config.RootFS.DiffIDs[i])
					if err != nil {
						t.Fatal(err)
					}
					if _, err := io.Copy(io.Discard, layer); err != nil {
						t.Error(err)
					}
					layer.Close()
				}
				src.Close()
			}
		}
		check()
		digests["arm64"] = pushFor(t, other, "arm64", 4)
		if entries := merge(t, ref, ref, other); len(entries) != 2 || entries[1].Digest != digests["arm64"] {
			t.Errorf("entries %+v", entries)
		}
		check()
		var index struct{ Manifests []oci.Descriptor }
		if err := json.Unmarshal(skopeo(t, "inspect", "--raw", "--tls-verify=false", ref.Image()), &index); err != nil || len(index.Manifests) != 2 {
			t.Errorf("skopeo sees %+v (%v)", index, err)
		}
	})
}

func TestHasBlob(t *testing.T) {
	eachMedium(t, func(t *testing.T, ref oci.Reference) {
		open := func() oci.Sink {
			sink, err := transport.OpenSink(t.Context(), ref, insecure)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { sink.Close() })
			return sink
		}
		has := func(sink oci.Sink, d oci.Descriptor) bool {
			found, err := oci.HasBlob(t.Context(), sink, d)
			if err != nil {
				t.Error(err)
			}
			return found
		}
		sink := open()
		d, _, err := putLayer(t.Context(), sink, layers(1)[0])
		if err != nil {
			t.Fatal(err)
		}
		longer := d
		longer.Size++
		if !has(sink, d) || has(sink, longer) || has(sink, oci.Descriptor{MediaType: d.MediaType, Digest: oci.Sum(nil), Size: 0}) {
			t.Error("what was put is not there, or what was not is")
		}
		if _, err := putImage(t.Context(), sink, layers(1)); err != nil {
			t.Fatal(err)
		}
		if kept := !strings.HasPrefix(ref.Transport, "oci-archive"); has(open(), d) != kept {
			t.Errorf("a new sink has the blob of the image that is there: want %t", kept)
		}
	})
}
