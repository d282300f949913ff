package archive_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/oci/archive"
)

type entry struct{ name, data string }

// image returns the entries of an archive with a one-layer image, the index
// first.
func image(t testing.TB, layer string) []entry {
	t.Helper()
	config := fmt.Sprintf(`{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[%q]}}`, oci.Sum([]byte(layer)))
	manifest := fmt.Sprintf(`{"schemaVersion":2,"config":{"mediaType":%q,"digest":%q,"size":%d},"layers":[{"mediaType":%q,"digest":%q,"size":%d}]}`,
		oci.MediaTypeConfig, oci.Sum([]byte(config)), len(config), oci.MediaTypeLayer, oci.Sum([]byte(layer)), len(layer))
	index, err := oci.SetInIndex(nil, "", oci.DescribeManifest([]byte(manifest), oci.MediaTypeManifest, []byte(config)))
	if err != nil {
		t.Fatal(err)
	}
	blob := func(data string) entry { return entry{"blobs/sha256/" + oci.Sum([]byte(data)).Hex(), data} }
	return []entry{{"index.json", string(index)}, blob(manifest), blob(config), blob(layer)}
}

func tarOf(t testing.TB, entries []entry) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: e.name, Size: int64(len(e.data))}); err != nil {
			t.Fatal(err)
		}
		io.WriteString(w, e.data)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// readAll reads the image of an archive with its layers.
func readAll(t testing.TB, data []byte) ([]string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "x.tar")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	src, err := archive.OpenSource(path, "")
	if err != nil {
		return nil, err
	}
	defer src.Close()
	image, err := oci.ReadImage(t.Context(), src, oci.Platform{})
	if err != nil {
		return nil, err
	}
	var layers []string
	for i, d := range image.Manifest.Layers {
		layer, err := oci.OpenLayer(t.Context(), src, d, image.Config.RootFS.DiffIDs[i])
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(layer)
		layer.Close()
		if err != nil {
			return nil, err
		}
		layers = append(layers, string(data))
	}
	return layers, nil
}

func TestReadsOddArchives(t *testing.T) {
	odd := func(change func([]entry) []entry) []byte { return tarOf(t, change(image(t, "layer"))) }
	tests := map[string][]byte{
		"plain": odd(func(e []entry) []entry { return e }),
		"with ./": odd(func(e []entry) []entry {
			for i := range e {
				e[i].name = "./" + e[i].name
			}
			return e
		}),
		"index last":          odd(func(e []entry) []entry { return append(e[1:], e[0]) }),
		"later entries count": odd(func(e []entry) []entry { return append([]entry{{e[0].name, "x"}, {e[3].name, "y"}}, e...) }),
		"other files": odd(func(e []entry) []entry {
			return append([]entry{{"blobs/sha256/README", "x"}, {"blobs/md5/1", "x"}}, e...)
		}),
		"long name": odd(func(e []entry) []entry {
			e[3].name = strings.Repeat("./", 60) + e[3].name
			return e
		}),
	}
	for name, data := range tests {
		t.Run(name, func(t *testing.T) {
			layers, err := readAll(t, data)
			if err != nil || len(layers) != 1 || layers[0] != "layer" {
				t.Errorf("got %q, %v", layers, err)
			}
		})
	}
}

func TestRefusesBrokenArchives(t *testing.T) {
	whole := image(t, "layer")
	manifest, config, layer := oci.Sum([]byte(whole[1].data)), oci.Sum([]byte(whole[2].data)), oci.Sum([]byte("layer"))
	with := func(i int, data string) []byte {
		changed := image(t, "layer")
		changed[i].data = data
		return tarOf(t, changed)
	}
	big := strings.Repeat(" ", oci.MaxDocumentSize+1)
	data := tarOf(t, whole)
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "not an OCI archive: no index.json in it"},
		{"no index", tarOf(t, whole[1:]), "not an OCI archive: no index.json in it"},
		{"no layer", tarOf(t, whole[:3]), "blob " + string(layer) + ": file does not exist"},
		{"no manifest", tarOf(t, whole[:1]), "blob " + string(manifest) + ": file does not exist"},
		{"cut in a header", data[:len(data)-1024-600], "unexpected EOF"},
		{"cut in a blob", data[:512+100], "unexpected EOF"},
		{"other manifest", with(1, "{}"), "blob " + string(manifest) + ": wrong content: digest is " + string(oci.Sum([]byte("{}"))) + ", expected " + string(manifest)},
		{"other config", with(2, "{}"), fmt.Sprintf("blob %s: wrong content: size is 2, expected %d", config, len(whole[2].data))},
		{"other layer", with(3, "rayel"), "blob " + string(layer) + ": wrong content: digest is " + string(oci.Sum([]byte("rayel"))) + ", expected " + string(layer)},
		{"huge index", with(0, big), "index.json: 4194305 bytes are more than the limit of 4194304"},
		{"huge manifest", with(1, big), "blob " + string(manifest) + ": 4194305 bytes are more than the limit of 4194304"},
		{"no JSON", with(0, "x"), "index: invalid character 'x' looking for beginning of value"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := readAll(t, test.data)
			if err == nil || !strings.HasSuffix(err.Error(), test.want) {
				t.Errorf("error is %v, want %s", err, test.want)
			}
		})
	}
}

func FuzzOpenSource(f *testing.F) {
	whole := tarOf(f, image(f, "layer"))
	f.Add(whole)
	f.Add(whole[:700])
	f.Fuzz(func(t *testing.T, data []byte) {
		layers, err := readAll(t, data)
		if err != nil {
			return
		}
		for _, layer := range layers {
			if !bytes.Contains(data, []byte(layer)) {
				t.Errorf("read a layer that is not in the archive: %q", layer)
			}
		}
	})
}
