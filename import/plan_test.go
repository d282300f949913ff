package importer_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	importer "github.com/treenail/treenail/import"
	"github.com/treenail/treenail/oci"
)

const commitSum = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

func diffID(n byte) oci.DiffID {
	return oci.DiffID("sha256:" + strings.Repeat("0", 63) + string('a'+rune(n)))
}

// documents are manifest and config of an image with n layers.
func documents(n int, labels map[string]string) (*oci.Manifest, *oci.Config) {
	m, c := &oci.Manifest{}, &oci.Config{}
	c.Config.Labels = labels
	for i := range n {
		m.Layers = append(m.Layers, oci.Descriptor{Digest: oci.Digest(diffID(byte(i))), Size: 1 << i})
		c.RootFS.DiffIDs = append(c.RootFS.DiffIDs, diffID(byte(i)))
	}
	return m, c
}

func kinds(p *importer.Plan) string {
	var out []string
	for i, l := range p.Layers() {
		if l.Index != i {
			out = append(out, "misplaced")
		}
		out = append(out, string(l.Kind))
	}
	return strings.Join(out, " ")
}

func TestNewPlan(t *testing.T) {
	tests := []struct {
		layers int
		labels map[string]string
		kinds  string
		size   int64
		err    string
	}{
		{layers: 0, kinds: ""},
		{layers: 2, kinds: "derived derived"},
		{layers: 1, labels: map[string]string{"ostree.final-diffid": string(diffID(0))}, kinds: "ostree", size: 1},
		{layers: 3, labels: map[string]string{"ostree.final-diffid": string(diffID(2)), "ostree.commit": commitSum}, kinds: "ostree chunk chunk", size: 7},
		{layers: 4, labels: map[string]string{"ostree.final-diffid": string(diffID(1))}, kinds: "ostree chunk derived derived", size: 3},
		{layers: 1, labels: map[string]string{"ostree.commit": commitSum}, kinds: "derived"},
		{layers: 1, labels: map[string]string{"ostree.final-diffid": string(diffID(5))}, err: "missing ostree.final-diffid sha256:"},
		{layers: 0, labels: map[string]string{"ostree.final-diffid": string(diffID(0))}, err: "missing ostree.final-diffid sha256:"},
		{layers: 1, labels: map[string]string{"ostree.final-diffid": "md5:1"}, err: "label ostree.final-diffid: "},
		{layers: 1, labels: map[string]string{"ostree.final-diffid": string(diffID(0)), "ostree.commit": "x"}, err: "label ostree.commit: checksum"},
	}
	for _, test := range tests {
		p, err := importer.NewPlan(documents(test.layers, test.labels))
		if test.err != "" {
			if err == nil || !strings.HasPrefix(err.Error(), test.err) {
				t.Errorf("%d layers, %v: error %v, want %s…", test.layers, test.labels, err, test.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%d layers, %v: %v", test.layers, test.labels, err)
		} else if kinds(p) != test.kinds || p.Size() != test.size {
			t.Errorf("%d layers, %v: plan %q of %d bytes, want %q of %d", test.layers, test.labels, kinds(p), p.Size(), test.kinds, test.size)
		}
	}
}

func TestNewPlanInconsistent(t *testing.T) {
	m, c := documents(2, map[string]string{"ostree.final-diffid": string(diffID(1))})
	c.RootFS.DiffIDs = c.RootFS.DiffIDs[:1]
	if _, err := importer.NewPlan(m, c); err == nil || err.Error() != "manifest has 2 layers, but config has 1 diffIDs" {
		t.Errorf("one diffID for two layers: %v", err)
	}
	m, c = documents(3, map[string]string{"ostree.final-diffid": string(diffID(1))})
	c.RootFS.DiffIDs[2] = diffID(1)
	if _, err := importer.NewPlan(m, c); err == nil || !strings.Contains(err.Error(), "multiple layers have diffID") {
		t.Errorf("two layers with the final diffID: %v", err)
	}
}

func TestInspect(t *testing.T) {
	img := image{
		layers: []layer{{tar: []byte("0")}, {tar: []byte("1"), components: "bash,glibc"}, {tar: []byte("2"), mediaType: oci.MediaTypeLayer}},
		final:  1,
		labels: map[string]string{
			"ostree.commit": commitSum, "version": "old", "org.opencontainers.image.version": "42.0",
			"ostree.bootable": "true", "containers.bootc": "1", "ostree.linux": "6.1.0",
		},
	}
	src := img.source(t)
	info, err := importer.Inspect(context.Background(), src, oci.Platform{})
	ok(t, err)
	if len(src.opened) != 1 {
		t.Errorf("opened %d blobs, want only the config", len(src.opened))
	}
	var got map[string]any
	ok(t, json.Unmarshal(marshal(t, info), &got))
	for _, l := range got["layers"].([]any) {
		delete(l.(map[string]any), "size") // as gzip has it
	}
	for _, key := range []string{"size", "commitSize", "labels", "configDigest"} {
		delete(got, key)
	}
	want := map[string]any{
		"digest": string(digest(src.manifest)), "mediaType": oci.MediaTypeManifest,
		"encapsulated": true, "commit": commitSum, "version": "42.0", "created": "2024-02-03T04:05:06Z",
		"architecture": "amd64", "os": "linux", "bootable": true, "linux": "6.1.0",
		"annotations": map[string]any{"an": "notation"},
		"derivedSize": 1.0,
		"layers": []any{
			map[string]any{"index": 0.0, "kind": "ostree", "digest": string(digest(compress(t, []byte("0")))), "diffID": sum([]byte("0")), "mediaType": oci.MediaTypeLayerGzip},
			map[string]any{"index": 1.0, "kind": "chunk", "digest": string(digest(compress(t, []byte("1")))), "diffID": sum([]byte("1")), "mediaType": oci.MediaTypeLayerGzip, "components": []any{"bash", "glibc"}},
			map[string]any{"index": 2.0, "kind": "derived", "digest": sum([]byte("2")), "diffID": sum([]byte("2")), "mediaType": oci.MediaTypeLayer},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if info.Size != info.CommitSize+1 || info.Layers[2].Size != 1 {
		t.Errorf("size %d of which %d of the commit, layer 2 has %d", info.Size, info.CommitSize, info.Layers[2].Size)
	}
}

func TestInspectPlain(t *testing.T) {
	img := image{layers: []layer{{tar: []byte("0")}}, plain: true}
	info, err := importer.Inspect(context.Background(), img.source(t), oci.Platform{})
	ok(t, err)
	if info.Encapsulated || info.Bootable || info.Layers[0].Kind != importer.KindDerived || info.CommitSize != 0 {
		t.Errorf("plain image described as %+v", info)
	}
	if text := string(marshal(t, info)); strings.Contains(text, "null") || strings.Contains(text, `"commit"`) {
		t.Errorf("JSON %s", text)
	}
}

func TestInspectBootable(t *testing.T) {
	for _, test := range []struct {
		labels map[string]string
		want   bool
	}{
		{map[string]string{"containers.bootc": "1"}, true},
		{map[string]string{"containers.bootc": "1", "ostree.bootable": "false"}, false},
		{map[string]string{"ostree.bootable": "true"}, true},
		{nil, false},
	} {
		img := image{plain: true, labels: test.labels}
		info, err := importer.Inspect(context.Background(), img.source(t), oci.Platform{})
		ok(t, err)
		if info.Bootable != test.want {
			t.Errorf("%v: bootable %v", test.labels, info.Bootable)
		}
	}
}

func TestImportRefusesOtherImages(t *testing.T) {
	r := newRepo(t, "archive")
	plain := image{layers: []layer{{tar: []byte("0")}}, plain: true}
	_, err := importer.Import(context.Background(), plain.source(t), r, importer.Options{})
	if !errors.Is(err, importer.ErrNotEncapsulated) {
		t.Errorf("plain image: %v", err)
	}
	derived := image{layers: []layer{{tar: []byte("0")}, {tar: []byte("1")}}, final: 1}
	_, err = importer.Import(context.Background(), derived.source(t), r, importer.Options{})
	var layers *importer.DerivedLayersError
	if !errors.As(err, &layers) || layers.Count != 1 || !strings.Contains(err.Error(), "image has 1 non-ostree layers") {
		t.Errorf("derived image: %v", err)
	}
}
