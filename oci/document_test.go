package oci_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/treenail/treenail/oci"
)

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

func TestParseDigest(t *testing.T) {
	if _, err := oci.ParseDigest(digestA); err != nil {
		t.Error(err)
	}
	for in, want := range map[string]string{
		"":                                  `digest "": not a sha256 digest`,
		"sha512:" + digestA[7:]:             `digest "sha512:` + digestA[7:] + `": not a sha256 digest`,
		digestA[:70]:                        `digest "` + digestA[:70] + `": not 64 lower-case hex digits`,
		"sha256:" + strings.Repeat("A", 64): `digest "sha256:` + strings.Repeat("A", 64) + `": not 64 lower-case hex digits`,
		"sha256:" + strings.Repeat("/", 64): `digest "sha256:` + strings.Repeat("/", 64) + `": not 64 lower-case hex digits`,
	} {
		_, err := oci.ParseDigest(in)
		checkError(t, err, want)
	}
	if got, want := oci.Sum(nil), oci.Digest("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"); got != want {
		t.Errorf("digest of nothing is %s", got)
	}
}

func TestParsePlatform(t *testing.T) {
	for _, in := range []string{"linux/amd64", "linux/arm/v7"} {
		p, err := oci.ParsePlatform(in)
		if err != nil || p.String() != in {
			t.Errorf("%s: got %s, %v", in, p, err)
		}
	}
	for _, in := range []string{"", "linux", "linux/", "/amd64", "a/b/c/d", "a/b/"} {
		if _, err := oci.ParsePlatform(in); err == nil {
			t.Errorf("%q: no error", in)
		}
	}
}

func TestParseManifest(t *testing.T) {
	const raw = `{"schemaVersion":2,"config":{"mediaType":"c","digest":"` + digestA + `","size":1,"urls":["u"]},` +
		`"layers":[{"mediaType":"l","digest":"` + digestB + `","size":2,"annotations":{"k":"v"}}],"annotations":{"a":"b"},"subject":{}}`
	got, err := oci.ParseManifest([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	want := &oci.Manifest{
		SchemaVersion: 2,
		Config:        oci.Descriptor{MediaType: "c", Digest: digestA, Size: 1},
		Layers:        []oci.Descriptor{{MediaType: "l", Digest: digestB, Size: 2, Annotations: map[string]string{"k": "v"}}},
		Annotations:   map[string]string{"a": "b"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	docker := strings.Replace(raw, `{"schemaVersion":2,`, `{"schemaVersion":2,"mediaType":"`+oci.MediaTypeDockerManifest+`",`, 1)
	if _, err := oci.ParseManifest([]byte(docker)); err != nil {
		t.Errorf("docker manifest: %v", err)
	}
}

func TestParseManifestErrors(t *testing.T) {
	const config = `"config":{"digest":"` + digestA + `","size":1}`
	for in, want := range map[string]string{
		`{"schemaVersion":1}`: "manifest: unsupported schema version 1",
		`{"schemaVersion":2}`: "manifest: config: descriptor without digest",
		`{"schemaVersion":2,` + config + `,"layers":[{"size":1}]}`:                             "manifest: layer: descriptor without digest",
		`{"schemaVersion":2,` + config + `,"layers":[{"digest":"` + digestB + `","size":-1}]}`: "manifest: layer " + digestB + ": negative size",
		`{"schemaVersion":2,"config":{"digest":"md5:1"}}`:                                      `manifest: digest "md5:1": not a sha256 digest`,
		`{"schemaVersion":2,"manifests":[]}`:                                                   "manifest: is an image index",
		`{"schemaVersion":2,"manifests":[],` + config + `}`:                                    "manifest: is both a manifest and an index",
		`{"schemaVersion":2,"mediaType":"text/plain",` + config + `}`:                          "manifest: unhandled manifest type: text/plain",
		`{"schemaVersion":2,"mediaType":"` + oci.MediaTypeIndex + `",` + config + `}`:          "manifest: content is not of its media type " + oci.MediaTypeIndex,
		`[`: "manifest: unexpected end of JSON input",
		`"` + strings.Repeat(" ", oci.MaxDocumentSize) + `"`: "manifest: 4194306 bytes are more than the limit of 4194304",
	} {
		_, err := oci.ParseManifest([]byte(in))
		checkError(t, err, want)
	}
}

func TestConfigKeepsUnknownMembers(t *testing.T) {
	const raw = `{"os":"linux","architecture":"amd64","config":{"Healthcheck":{"Interval":30000000000},"env":"other case",` +
		`"Env":["A=<b>"],"Labels":{},"OnBuild":null,"-":1,"":2},"rootfs":{"diff_ids":["` + digestA + `"],"type":"layers"},` +
		`"docker_version":"20","history":[{"created_by":"x","empty_layer":true}],"-":3,"os.features":["f"]}`
	c, err := oci.ParseConfig([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	if c.OS != "linux" || c.Config.Env[0] != "A=<b>" || c.RootFS.DiffIDs[0] != digestA || !c.History[0].EmptyLayer {
		t.Errorf("parsed as %+v", c)
	}
	if got, want := string(canonical(t, c)), string(canonical(t, json.RawMessage(raw))); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestConfigEncoding(t *testing.T) {
	c := oci.Config{
		Architecture: "amd64", OS: "linux", Created: "2024-01-01T00:00:00Z",
		Config:  oci.ContainerConfig{Labels: map[string]string{"b": "2", "a": "1"}, Cmd: []string{"/sbin/init"}},
		RootFS:  oci.RootFS{Type: "layers", DiffIDs: []oci.DiffID{digestA}},
		History: []oci.History{{Created: "2024-01-01T00:00:00Z", CreatedBy: "x"}},
	}
	const want = `{"architecture":"amd64","config":{"Cmd":["/sbin/init"],"Labels":{"a":"1","b":"2"}},"created":"2024-01-01T00:00:00Z",` +
		`"history":[{"created":"2024-01-01T00:00:00Z","created_by":"x"}],"os":"linux","rootfs":{"diff_ids":["` + digestA + `"],"type":"layers"}}`
	if got := string(canonical(t, c)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	c.Extra = map[string]json.RawMessage{"os": json.RawMessage(`"plan9"`), "x": json.RawMessage(`1`)}
	if got := string(canonical(t, c)); got != want[:len(want)-1]+`,"x":1}` {
		t.Errorf("with extra members: %s", got)
	}
	if got := string(canonical(t, oci.Config{})); got != `{"architecture":"","config":{},"os":"","rootfs":{"diff_ids":null,"type":""}}` {
		t.Errorf("empty config: %s", got)
	}
}

func TestParseConfigErrors(t *testing.T) {
	for in, want := range map[string]string{
		`[]`:                                   "config: json: cannot unmarshal array into Go value",
		`{"config":""}`:                        "config: json: cannot unmarshal string into Go struct field",
		`{"rootfs":{"diff_ids":["sha256:1"]}}`: `config: diffID "sha256:1": not 64 lower-case hex digits`,
		`"` + strings.Repeat(" ", oci.MaxDocumentSize) + `"`: "config: 4194306 bytes are more than the limit of 4194304",
	} {
		_, err := oci.ParseConfig([]byte(in))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.40s: error is %v, want %s", in, err, want)
		}
	}
}

func TestSetInIndex(t *testing.T) {
	const (
		foreign = `{"annotations":{"org.opencontainers.image.ref.name":"other"},"digest":"sha512:zz","mediaType":"m","size":3,"urls":["u"]}`
		old     = `{"annotations":{"org.opencontainers.image.ref.name":"v1"},"digest":"` + digestB + `","mediaType":"m","size":4}`
		index   = `{"annotations":{"k":"v"},"manifests":[` + old + `,` + foreign + `],"schemaVersion":2}`
	)
	d := oci.Descriptor{MediaType: "m", Digest: digestA, Size: 5, Platform: &oci.Platform{OS: "linux", Architecture: "arm64"}}
	const entry = `"digest":"` + digestA + `","mediaType":"m","platform":{"architecture":"arm64","os":"linux"},"size":5}`
	tests := []struct{ name, index, tag, want string }{
		{"new, no tag", "", "", `{"manifests":[{` + entry + `],"schemaVersion":2}`},
		{"new, tag", "", "v1", `{"manifests":[{"annotations":{"org.opencontainers.image.ref.name":"v1"},` + entry + `],"schemaVersion":2}`},
		{"no tag replaces all", index, "", `{"manifests":[{` + entry + `],"schemaVersion":2}`},
		{"tag replaces its entry", index, "v1", `{"annotations":{"k":"v"},"manifests":[` + foreign + `,{"annotations":{"org.opencontainers.image.ref.name":"v1"},` + entry + `],"schemaVersion":2}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := oci.SetInIndex([]byte(test.index), test.tag, d)
			if err != nil || string(got) != test.want {
				t.Errorf("got  %s, %v\nwant %s", got, err, test.want)
			}
		})
	}
	if _, err := oci.SetInIndex([]byte(`{"manifests":3}`), "x", d); err == nil {
		t.Error("broken index: no error")
	}
}

func TestFindInIndex(t *testing.T) {
	entry := func(tag, digest string) string {
		return `{"annotations":{"org.opencontainers.image.ref.name":"` + tag + `"},"digest":"` + digest + `","mediaType":"m","size":3}`
	}
	one := `{"schemaVersion":2,"manifests":[` + entry("v1", digestA) + `]}`
	two := `{"schemaVersion":2,"manifests":[` + entry("v1", digestA) + `,` + entry("v2", digestB) + `]}`
	tests := []struct {
		index, tag string
		want       oci.Digest
		err        string
	}{
		{one, "", digestA, ""},
		{one, "v1", digestA, ""},
		{two, "v2", digestB, ""},
		{two, "", "", "index: 2 images in it, name one by its tag (v1, v2)"},
		{two, "v3", "", `index: no image with tag "v3" (there is: v1, v2)`},
		{`{"manifests":[]}`, "", "", "index: no image in it"},
	}
	for _, test := range tests {
		d, err := oci.FindInIndex([]byte(test.index), test.tag)
		checkError(t, err, test.err)
		if d.Digest != test.want {
			t.Errorf("tag %q: got %s", test.tag, d.Digest)
		}
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"config":{"digest":"` + digestA + `","size":1},"layers":[{"digest":"` + digestB + `"}]}`))
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{"digest":"` + digestB + `"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := oci.ParseManifest(data)
		if err != nil {
			return
		}
		for _, d := range m.Blobs() {
			if _, err := oci.ParseDigest(string(d.Digest)); err != nil || d.Size < 0 {
				t.Errorf("accepted descriptor %+v", d)
			}
		}
		if _, err := oci.ParseManifest(canonical(t, m)); err != nil {
			t.Errorf("own encoding is refused: %v", err)
		}
	})
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(`{"os":"linux","x":{"y":[1]},"config":{"Labels":{"a":"b"},"z":null},"rootfs":{"diff_ids":["` + digestA + `"]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := oci.ParseConfig(data)
		if err != nil {
			return
		}
		once, err := oci.CanonicalJSON(c)
		if err != nil {
			return // repeated members in an unknown value
		}
		again, err := oci.ParseConfig(once)
		if err != nil {
			t.Fatalf("own encoding %s is refused: %v", once, err)
		}
		if twice := canonical(t, again); string(twice) != string(once) {
			t.Errorf("%s\nbecomes %s", once, twice)
		}
	})
}

func FuzzSetInIndex(f *testing.F) {
	f.Add([]byte(`{"schemaVersion":2,"manifests":[{"digest":"`+digestB+`","annotations":{"org.opencontainers.image.ref.name":"v1"}},{"x":1}]}`), "v1")
	f.Add([]byte(`{"manifests":null}`), "v2")
	f.Fuzz(func(t *testing.T, index []byte, tag string) {
		d := oci.Descriptor{MediaType: "m", Digest: digestA, Size: 5}
		set, err := oci.SetInIndex(index, tag, d)
		if err != nil || !utf8.ValidString(tag) {
			return
		}
		found, err := oci.FindInIndex(set, tag)
		if err != nil && !strings.HasPrefix(err.Error(), "index: digest") && !strings.HasPrefix(err.Error(), "index: json") && !strings.HasPrefix(err.Error(), "index: manifest") {
			t.Errorf("in %s: %v", set, err)
		}
		if err == nil && found.Digest != d.Digest {
			t.Errorf("found %s in %s", found.Digest, set)
		}
	})
}
