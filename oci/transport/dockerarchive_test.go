package transport_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/treenail/treenail/oci"
)

// TestDockerArchive writes an archive, and reads it as we do and as skopeo does.
func TestDockerArchive(t *testing.T) {
	for _, tag := range []string{"", ":localhost/os/image:v1"} {
		ref := parse(t, "docker-archive:"+t.TempDir()+"/x.tar"+tag)
		want := layers(4)
		want[3] = want[1] // a layer that is there twice
		digest, err := push(t.Context(), ref, insecure, want)
		if err != nil {
			t.Fatal(err)
		}
		checkPull(t, ref, insecure, digest, want)
		path, _, _ := strings.Cut(ref.Name, ":")
		if files := tree(t, path); len(files) != 1 {
			t.Errorf("left over: %v", files)
		}
		var info struct {
			Digest   oci.Digest
			RepoTags []string
			Labels   map[string]string
			Layers   []oci.DiffID
		}
		if err := json.Unmarshal(skopeo(t, "inspect", ref.Image()), &info); err != nil {
			t.Fatal(err)
		}
		if info.Digest != digest || info.Labels["name"] != "value" {
			t.Errorf("skopeo sees %+v", info)
		}
		for i, layer := range want {
			if sum := oci.Sum(layer); string(info.Layers[i]) != string(sum) {
				t.Errorf("layer %d is %s, want %s", i, info.Layers[i], sum)
			}
		}
	}
}

// TestDockerArchiveOfSkopeo reads what skopeo writes.
func TestDockerArchiveOfSkopeo(t *testing.T) {
	want := layers(3)
	first := parse(t, "oci:"+t.TempDir()+"/first")
	if _, err := push(t.Context(), first, insecure, want); err != nil {
		t.Fatal(err)
	}
	ref := parse(t, "docker-archive:"+t.TempDir()+"/x.tar:localhost/a:v1")
	skopeo(t, "copy", first.Image(), ref.Image())
	_, got, err := pull(t.Context(), ref, insecure)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("layers differ")
	}
}

// TestDockerArchiveIsWholeOrNotThere fails to write an archive.
func TestDockerArchiveIsWholeOrNotThere(t *testing.T) {
	dir := t.TempDir()
	ref := parse(t, "docker-archive:"+dir+"/x.tar:localhost/a:v1")
	want := layers(1)
	digest, err := push(t.Context(), ref, insecure, want)
	if err != nil {
		t.Fatal(err)
	}
	missing := oci.Descriptor{MediaType: oci.MediaTypeLayerGzip, Digest: oci.Sum(nil), Size: 9}
	_, err = push(t.Context(), ref, insecure, layers(2), func(m *oci.Manifest) { m.Layers[1] = missing })
	checkError(t, err, ref.String()+": manifest names a blob that was not put: "+string(missing.Digest)+" of 9 bytes")
	_, err = push(t.Context(), ref, insecure, layers(2), func(m *oci.Manifest) { m.Layers[1].Size++ })
	if err == nil || !strings.Contains(err.Error(), "was not put") {
		t.Errorf("error is %v", err)
	}
	checkPull(t, ref, insecure, digest, want)
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		t.Errorf("directory has %v, %v", entries, err)
	}
}

// TestDirAfterInterruption writes an image where a write was killed.
func TestDirAfterInterruption(t *testing.T) {
	dir := t.TempDir() + "/image"
	for _, name := range []string{"/.treenail-1234/tmp1", "/" + strings.Repeat("a", 64)} {
		if err := os.MkdirAll(dir+name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	want := layers(1)
	digest, err := push(t.Context(), parse(t, "dir:"+dir), insecure, want)
	if err != nil {
		t.Fatal(err)
	}
	checkPull(t, parse(t, "dir:"+dir), insecure, digest, want)
}

// TestDirReplacesImage writes an image over one of skopeo that was signed.
func TestDirReplacesImage(t *testing.T) {
	dir := t.TempDir() + "/image"
	ref := parse(t, "dir:"+dir)
	first := parse(t, "oci:"+t.TempDir()+"/first")
	if _, err := push(t.Context(), first, insecure, layers(3)); err != nil {
		t.Fatal(err)
	}
	skopeo(t, "copy", first.Image(), ref.Image())
	for _, name := range []string{"/signature-1", "/notes"} {
		if err := os.WriteFile(dir+name, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := layers(1)
	digest, err := push(t.Context(), ref, insecure, want)
	if err != nil {
		t.Fatal(err)
	}
	checkPull(t, ref, insecure, digest, want)
	image, _, err := pull(t.Context(), ref, insecure)
	if err != nil {
		t.Fatal(err)
	}
	keep := []string{image.Manifest.Config.Digest.Hex(), image.Manifest.Layers[0].Digest.Hex(), "manifest.json", "notes", "version"}
	got := tree(t, dir)
	for _, name := range keep {
		if !bytes.Contains([]byte(strings.Join(got, " ")), []byte(name)) {
			t.Errorf("%s is not in %v", name, got)
		}
	}
	if len(got) != len(keep) {
		t.Errorf("files are %v, want %v", got, keep)
	}
}
