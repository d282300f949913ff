package transport_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/oci/transport"
)

// eachMedium runs a test for every medium that can be written, with a reference
// to a place where no image is yet.
func eachMedium(t *testing.T, test func(t *testing.T, ref oci.Reference)) {
	t.Run("oci", func(t *testing.T) { test(t, parse(t, "oci:"+t.TempDir()+"/layout:v1")) })
	t.Run("oci without tag", func(t *testing.T) { test(t, parse(t, "oci:"+t.TempDir()+"/layout")) })
	t.Run("oci-archive", func(t *testing.T) { test(t, parse(t, "oci-archive:"+t.TempDir()+"/x.tar:a/b:v1")) })
	t.Run("oci-archive without tag", func(t *testing.T) { test(t, parse(t, "oci-archive:"+t.TempDir()+"/x.tar")) })
	t.Run("dir", func(t *testing.T) { test(t, parse(t, "dir:"+t.TempDir()+"/image")) })
	t.Run("registry", func(t *testing.T) { test(t, parse(t, "docker://"+newRegistry(t, nil)+"/os/image:v1")) })
	t.Run("docker-registry", func(t *testing.T) { test(t, parse(t, "docker://"+realRegistry(t)+"/a/b/c:v1")) })
	t.Run("registry without tag", func(t *testing.T) { test(t, parse(t, "registry:"+newRegistry(t, nil)+"/image")) })
}

func TestRoundTrip(t *testing.T) {
	eachMedium(t, func(t *testing.T, ref oci.Reference) {
		want := layers(5)
		digest, err := push(t.Context(), ref, insecure, want)
		if err != nil {
			t.Fatal(err)
		}
		checkPull(t, ref, insecure, digest, want)
		unverified := ref
		unverified.Scheme = oci.SchemeUnverified
		checkPull(t, unverified, insecure, digest, want)
	})
}

func TestSkopeoReadsOurs(t *testing.T) {
	eachMedium(t, func(t *testing.T, ref oci.Reference) {
		digest, err := push(t.Context(), ref, insecure, layers(3))
		if err != nil {
			t.Fatal(err)
		}
		var info struct {
			Digest       oci.Digest
			Architecture string
			Labels       map[string]string
			Layers       []string
		}
		if err := json.Unmarshal(skopeo(t, "inspect", "--tls-verify=false", ref.Image()), &info); err != nil {
			t.Fatal(err)
		}
		if info.Digest != digest || info.Architecture != "riscv64" || info.Labels["name"] != "value" || len(info.Layers) != 3 {
			t.Errorf("skopeo sees %+v", info)
		}
		copied := t.TempDir() + "/dir"
		skopeo(t, "copy", "--src-tls-verify=false", ref.Image(), "dir:"+copied)
		if got := oci.Sum(read(t, copied+"/manifest.json")); got != digest {
			t.Errorf("skopeo's copy has digest %s, want %s", got, digest)
		}
	})
}

func TestWeReadSkopeos(t *testing.T) {
	eachMedium(t, func(t *testing.T, ref oci.Reference) {
		want := layers(2)
		first := parse(t, "oci:"+t.TempDir()+"/first")
		digest, err := push(t.Context(), first, insecure, want)
		if err != nil {
			t.Fatal(err)
		}
		skopeo(t, "copy", "--dest-tls-verify=false", first.Image(), ref.Image())
		checkPull(t, ref, insecure, digest, want)
	})
}

func TestDockerManifest(t *testing.T) {
	want := layers(2)
	host := newRegistry(t, nil)
	first := parse(t, "oci:"+t.TempDir()+"/first")
	if _, err := push(t.Context(), first, insecure, want); err != nil {
		t.Fatal(err)
	}
	ref := parse(t, "docker://"+host+"/x:docker")
	skopeo(t, "copy", "--dest-tls-verify=false", "--format=v2s2", first.Image(), ref.Image())
	image, got, err := pull(t.Context(), ref, insecure)
	if err != nil {
		t.Fatal(err)
	}
	if image.Manifest.MediaType != oci.MediaTypeDockerManifest || image.Manifest.Layers[0].MediaType != oci.MediaTypeDockerLayerGzip {
		t.Errorf("manifest is %+v", image.Manifest)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("layers differ")
	}
}

// TestOverwrite writes a second image over the first.
func TestOverwrite(t *testing.T) {
	eachMedium(t, func(t *testing.T, ref oci.Reference) {
		if _, err := push(t.Context(), ref, insecure, layers(2)); err != nil {
			t.Fatal(err)
		}
		want := layers(3)
		digest, err := push(t.Context(), ref, insecure, want)
		if err != nil {
			t.Fatal(err)
		}
		checkPull(t, ref, insecure, digest, want)
	})
}

// brokenReader fails after some data.
type brokenReader struct{ left int }

var errBroken = errors.New("object is damaged")

func (r *brokenReader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, errBroken
	}
	n := min(len(p), r.left)
	r.left -= n
	return n, nil
}

func TestFailedWriteLeavesTheOldImage(t *testing.T) {
	eachMedium(t, func(t *testing.T, ref oci.Reference) {
		want := layers(2)
		digest, err := push(t.Context(), ref, insecure, want)
		if err != nil {
			t.Fatal(err)
		}
		before := files(t, ref)
		sink, err := transport.OpenSink(t.Context(), ref, insecure)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := putLayer(t.Context(), sink, layers(4)[3]); err != nil {
			t.Fatal(err)
		}
		_, err = sink.PutBlob(t.Context(), oci.MediaTypeLayerGzip, &brokenReader{100_000})
		checkError(t, err, ref.String()+": put blob: object is damaged")
		if !errors.Is(err, errBroken) {
			t.Error("the cause is not wrapped")
		}
		if err := sink.Close(); err != nil {
			t.Error(err)
		}
		checkPull(t, ref, insecure, digest, want)
		if diff := cmp.Diff(before, files(t, ref)); diff != "" {
			t.Error("files differ:", diff)
		}
	})
}

// files lists what a medium on disk consists of.
func files(t *testing.T, ref oci.Reference) []string {
	path, _, _ := strings.Cut(ref.Name, ":")
	if ref.Transport == oci.TransportRegistry {
		return nil
	}
	return tree(t, filepath.Dir(path))
}

func TestAbortedWriteLeavesNothing(t *testing.T) {
	eachMedium(t, func(t *testing.T, ref oci.Reference) {
		if ref.Transport != oci.TransportRegistry {
			defer func() {
				path, _, _ := strings.Cut(ref.Name, ":")
				if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 0 {
					t.Errorf("left over: %v, %v", entries, err)
				}
			}()
		}
		sink, err := transport.OpenSink(t.Context(), ref, insecure)
		if err != nil {
			t.Fatal(err)
		}
		defer sink.Close()
		if _, err := sink.PutBlob(t.Context(), oci.MediaTypeLayer, strings.NewReader("layer")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := pull(t.Context(), ref, insecure); err == nil {
			t.Error("an image is visible")
		}
	})
}

func TestManifestNeedsItsBlobs(t *testing.T) {
	eachMedium(t, func(t *testing.T, ref oci.Reference) {
		if strings.HasSuffix(t.Name(), "/registry") || strings.HasSuffix(t.Name(), "/registry_without_tag") {
			return // the registry's to check; the one for unit tests does not
		}
		missing := oci.Descriptor{MediaType: oci.MediaTypeLayer, Digest: oci.Sum([]byte("never put")), Size: 9}
		_, err := push(t.Context(), ref, insecure, layers(1), func(m *oci.Manifest) { m.Layers = append(m.Layers, missing) })
		if err == nil || ref.Transport != oci.TransportRegistry && !strings.Contains(err.Error(), missing.Digest.Hex()) {
			t.Errorf("error is %v", err)
		}
		_, err = push(t.Context(), ref, insecure, layers(1), func(m *oci.Manifest) { m.Layers[0].Size++ })
		if err == nil && ref.Transport != oci.TransportRegistry {
			t.Error("wrong size: no error")
		}
		if _, _, err := pull(t.Context(), ref, insecure); err == nil {
			t.Error("an image is visible")
		}
	})
}

func TestCancelledWrite(t *testing.T) {
	eachMedium(t, func(t *testing.T, ref oci.Reference) {
		ctx, cancel := context.WithCancel(t.Context())
		sink, err := transport.OpenSink(ctx, ref, insecure)
		if err != nil {
			t.Fatal(err)
		}
		defer sink.Close()
		r, w := io.Pipe()
		go func() {
			w.Write(make([]byte, 100_000))
			cancel()
			for {
				if _, err := w.Write(make([]byte, 1000)); err != nil {
					return
				}
			}
		}()
		if _, err := sink.PutBlob(ctx, oci.MediaTypeLayer, r); !errors.Is(err, context.Canceled) {
			t.Errorf("error is %v", err)
		}
		r.Close()
	})
}

func TestIndexOfLayout(t *testing.T) {
	dir := t.TempDir() + "/layout"
	write := func(tag string, n int) oci.Digest {
		t.Helper()
		digest, err := push(t.Context(), parse(t, "oci:"+dir+tag), insecure, layers(n))
		if err != nil {
			t.Fatal(err)
		}
		return digest
	}
	entry := func(tag string, d oci.Digest, size int) string {
		s := `{"annotations":{"org.opencontainers.image.ref.name":"` + tag + `"},`
		if tag == "" {
			s = "{"
		}
		return s + fmt.Sprintf(`"digest":"%s","mediaType":"application/vnd.oci.image.manifest.v1+json","platform":{"architecture":"riscv64","os":"linux"},"size":%d}`, d, size)
	}
	size := func(d oci.Digest) int { return len(read(t, dir+"/blobs/sha256/"+d.Hex())) }
	check := func(entries ...string) {
		t.Helper()
		want := `{"manifests":[` + strings.Join(entries, ",") + `],"schemaVersion":2}`
		if got := string(read(t, dir+"/index.json")); got != want {
			t.Errorf("index is %s\nwant     %s", got, want)
		}
	}
	a := write(":v1", 1)
	check(entry("v1", a, size(a)))
	b := write(":v2", 2)
	check(entry("v1", a, size(a)), entry("v2", b, size(b)))
	c := write(":v1", 3)
	check(entry("v2", b, size(b)), entry("v1", c, size(c)))
	checkPull(t, parse(t, "oci:"+dir+":v2"), insecure, b, layers(2))
	_, _, err := pull(t.Context(), parse(t, "oci:"+dir), insecure)
	checkError(t, err, "oci:"+dir+": index: 2 images in it, name one by its tag (v2, v1)")
	d := write("", 4)
	check(entry("", d, size(d)))
	_, _, err = pull(t.Context(), parse(t, "oci:"+dir+":v1"), insecure)
	checkError(t, err, "oci:"+dir+`:v1: index: no image with tag "v1" (there is: )`)
	if got := string(read(t, dir+"/oci-layout")); got != `{"imageLayoutVersion":"1.0.0"}` {
		t.Errorf("oci-layout is %s", got)
	}
}

func TestArchivesAreReproducible(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.tar", "b.tar"} {
		if _, err := push(t.Context(), parse(t, "oci-archive:"+dir+"/"+name+":v1"), insecure, layers(6)); err != nil {
			t.Fatal(err)
		}
	}
	if oci.Sum(read(t, dir+"/a.tar")) != oci.Sum(read(t, dir+"/b.tar")) {
		t.Error("two archives of one image differ")
	}
}

// TestLayoutDoesNotLeaveItsDirectory reads a layout whose blobs are links to
// elsewhere.
func TestLayoutDoesNotLeaveItsDirectory(t *testing.T) {
	dir := t.TempDir() + "/layout"
	ref := parse(t, "oci:"+dir)
	digest, err := push(t.Context(), ref, insecure, layers(1))
	if err != nil {
		t.Fatal(err)
	}
	blob := dir + "/blobs/sha256/" + digest.Hex()
	outside := t.TempDir() + "/manifest"
	if err := os.Rename(blob, outside); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, blob); err != nil {
		t.Fatal(err)
	}
	if _, _, err := pull(t.Context(), ref, insecure); err == nil || !strings.Contains(err.Error(), "escapes") {
		t.Errorf("error is %v", err)
	}
}

func TestColonInPath(t *testing.T) {
	dir := t.TempDir() + "/a:b"
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	want := layers(1)
	for _, name := range []string{"oci:" + dir + "/c", "oci:" + dir + "/c:v1", "oci:" + dir + "/c:reg.io:5000/v2:x", "oci-archive:" + dir + "/d:v1"} {
		digest, err := push(t.Context(), parse(t, name), insecure, want)
		if err != nil {
			t.Fatal(err)
		}
		checkPull(t, parse(t, name), insecure, digest, want)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 || entries[0].Name() != "c" || entries[1].Name() != "d" {
		t.Errorf("directory has %v, %v", entries, err)
	}
}

func TestRefusedReferences(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/file", []byte("text, not a tar"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir+"/x.tar.gz", []byte("\x1f\x8b\x08"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"dir:" + dir:                                    "openat manifest.json: no such file or directory",
		"docker-daemon:x":                               `cannot read from transport "docker-daemon"`,
		"docker-archive:" + dir + "/none:v1":            "opening file \"" + dir + "/none\": open " + dir + "/none: no such file or directory",
		"docker-archive:" + dir + "/file":               "loading tar component \"manifest.json\": unexpected EOF",
		"oci:" + dir + "/none":                          "open " + dir + "/none: no such file or directory",
		"oci:" + dir:                                    "openat index.json: no such file or directory",
		"oci:" + dir + "/file":                          "open " + dir + "/file: not a directory",
		"oci::v1":                                       "empty path",
		"oci-archive:" + dir + "/none:v1":               "open " + dir + "/none: no such file or directory",
		"oci-archive:" + dir + "/file":                  "read " + dir + "/file: unexpected EOF",
		"oci-archive:" + dir + "/x.tar.gz":              "read " + dir + "/x.tar.gz: the archive is compressed; decompress it first",
		"docker://Upper/Case":                           "invalid reference format: repository name must be lowercase",
		"docker://x@sha512:" + strings.Repeat("a", 128): `digest "sha512:` + strings.Repeat("a", 128) + `": not a sha256 digest`,
	} {
		ref := parse(t, name)
		_, _, err := pull(t.Context(), ref, insecure)
		checkError(t, err, ref.String()+": "+want)
	}
	for name, want := range map[string]string{
		"ostree-unverified-registry:quay.io/x": "cannot write to a reference that says how to verify; use docker://quay.io/x",
		"docker-daemon:x":                      `cannot write to transport "docker-daemon"`,
		"oci:" + dir + "/a/b":                  "mkdir " + dir + "/a/b: no such file or directory",
		"oci:" + dir + "/a:-v1":                `invalid tag "-v1"`,
		"oci:" + dir + "/a:v1/":                `invalid tag "v1/"`,
		"oci:" + dir + "/a:a..b":               `invalid tag "a..b"`,
		"oci:" + dir + "/a:ä":                  `invalid tag "ä"`,
		"oci-archive:" + dir:                   dir + ": is not a regular file",
		"dir:" + dir:                           dir + ": is neither empty nor a directory of an image",
		"docker-archive:" + dir:                dir + ": is not a regular file",
		"docker-archive:" + dir + "/a:X":       `name "X": invalid reference format: repository name must be lowercase`,
		"oci-archive:" + dir + "/none/x.tar":   "stage blobs in " + dir + "/none: no such file or directory",
	} {
		ref := parse(t, name)
		_, err := transport.OpenSink(t.Context(), ref, insecure)
		checkError(t, err, ref.String()+": "+want)
	}
}
