package layout_test

import (
	"bytes"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/oci/layout"
)

// write puts an image whose only layer is text into a layout.
func write(t *testing.T, path, tag, text string) oci.Digest {
	t.Helper()
	sink, err := layout.OpenSink(path, tag)
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	put := func(mediaType, data string) oci.Descriptor {
		d, err := sink.PutBlob(t.Context(), mediaType, strings.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	layer := put(oci.MediaTypeLayer, text)
	config := put(oci.MediaTypeConfig, `{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["`+string(layer.Digest)+`"]}}`)
	raw, err := oci.CanonicalJSON(oci.Manifest{SchemaVersion: 2, Config: config, Layers: []oci.Descriptor{layer}})
	if err != nil {
		t.Fatal(err)
	}
	digest, err := sink.PutManifest(t.Context(), raw, oci.MediaTypeManifest)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// manifest reads the digest of the image with the given tag.
func manifest(t *testing.T, path, tag string) (oci.Digest, error) {
	t.Helper()
	src, err := layout.OpenSource(path, tag)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	raw, _, err := src.Manifest(t.Context())
	return oci.Sum(raw), err
}

func TestParallelWritersOfOneLayout(t *testing.T) {
	path := t.TempDir() + "/layout"
	tags := strings.Split("a b c d e f g h", " ")
	digests := make([]oci.Digest, len(tags))
	var group sync.WaitGroup
	for i, tag := range tags {
		group.Go(func() { digests[i] = write(t, path, tag, "layer "+tag) })
	}
	group.Wait()
	for i, tag := range tags {
		if got, err := manifest(t, path, tag); err != nil || got != digests[i] {
			t.Errorf("%s: got %s, %v; want %s", tag, got, err, digests[i])
		}
	}
}

func TestWriterKeepsForeignEntries(t *testing.T) {
	path := t.TempDir()
	const foreign = `{"digest":"sha512:x","mediaType":"m","unknown":[1]}`
	if err := os.WriteFile(path+"/index.json", []byte(`{"schemaVersion":2,"manifests":[`+foreign+`]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	write(t, path, "v1", "layer")
	index, err := os.ReadFile(path + "/index.json")
	if err != nil || !bytes.Contains(index, []byte(foreign)) {
		t.Errorf("index is %s, %v", index, err)
	}
}

func TestWriterUsesBlobsOfTheLayout(t *testing.T) {
	path := t.TempDir()
	digest := write(t, path, "v1", "layer")
	raw, err := os.ReadFile(path + "/blobs/sha256/" + digest.Hex())
	if err != nil {
		t.Fatal(err)
	}
	sink, err := layout.OpenSink(path, "v2")
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close()
	for range 2 { // a second time changes nothing
		if _, err := sink.PutManifest(t.Context(), raw, oci.MediaTypeManifest); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := manifest(t, path, "v2"); err != nil || got != digest {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestWriterRefusesBrokenIndex(t *testing.T) {
	path := t.TempDir()
	write(t, path, "v1", "layer")
	broken := []byte("{")
	if err := os.WriteFile(path+"/index.json", broken, 0o644); err != nil {
		t.Fatal(err)
	}
	sink, err := layout.OpenSink(path, "v2")
	if err != nil {
		t.Fatal(err)
	}
	d, err := sink.PutBlob(t.Context(), oci.MediaTypeConfig, strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := oci.CanonicalJSON(oci.Manifest{SchemaVersion: 2, Config: d})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sink.PutManifest(t.Context(), raw, oci.MediaTypeManifest); err == nil || err.Error() != "index: unexpected end of JSON input" {
		t.Errorf("error is %v", err)
	}
	sink.Close()
	if got, err := os.ReadFile(path + "/index.json"); err != nil || !bytes.Equal(got, broken) {
		t.Errorf("index is %s, %v", got, err)
	}
}

func TestHostileLayouts(t *testing.T) {
	tests := []struct {
		name   string
		damage func(path string, blob string) error
		want   string
	}{
		{"other manifest", func(path, blob string) error { return os.WriteFile(blob, []byte("{}"), 0o644) }, "wrong content: digest is "},
		{"missing manifest", func(path, blob string) error { return os.Remove(blob) }, "no such file or directory"},
		{"huge manifest", func(path, blob string) error { return os.Truncate(blob, 1<<40) }, "larger than 4194304 bytes"},
		{"huge index", func(path, blob string) error { return os.Truncate(path+"/index.json", 1<<40) }, "read index.json: larger than 4194304 bytes"},
		{"pipe", func(path, blob string) error { os.Remove(blob); return syscall.Mkfifo(blob, 0o644) }, "not a regular file"},
		{"directory", func(path, blob string) error { os.Remove(blob); return os.Mkdir(blob, 0o755) }, "not a regular file"},
		{"digest that is a path", func(path, blob string) error {
			return os.WriteFile(path+"/index.json", []byte(`{"manifests":[{"digest":"sha256:../../../etc/passwd"}]}`), 0o644)
		}, "not 64 lower-case hex digits"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := t.TempDir()
			digest := write(t, path, "", "layer")
			if err := test.damage(path, path+"/blobs/sha256/"+digest.Hex()); err != nil {
				t.Fatal(err)
			}
			if _, err := manifest(t, path, ""); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error is %v, want %s", err, test.want)
			}
		})
	}
}

func TestPermissions(t *testing.T) {
	path := t.TempDir() + "/layout"
	digest := write(t, path, "", "layer")
	for _, name := range []string{"", "/index.json", "/oci-layout", "/blobs/sha256/" + digest.Hex()} {
		info, err := os.Stat(path + name)
		if err != nil || info.Mode()&0o444 != 0o444 {
			t.Errorf("%s: others cannot read it: %v, %v", name, info.Mode(), err)
		}
	}
	src, err := layout.OpenSource(path, "")
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	body, err := src.Blob(t.Context(), oci.Descriptor{Digest: digest})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if data, err := io.ReadAll(body); err != nil || oci.Sum(data) != digest {
		t.Errorf("blob has %d bytes, %v", len(data), err)
	}
}
