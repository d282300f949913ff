package transport_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"

	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/oci/transport"
)

// TestMain keeps the user's configuration out, and checks that nothing is
// written to a home directory.
func TestMain(m *testing.M) {
	if transport.Helper() {
		return
	}
	home, err := os.MkdirTemp("", "home")
	if err != nil {
		log.Fatal(err)
	}
	os.Setenv("REAL_HOME", os.Getenv("HOME")) // for the go command's caches
	os.Setenv("HOME", home)
	for _, name := range []string{"XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "CONTAINERS_POLICY_JSON"} {
		os.Unsetenv(name)
	}
	code := m.Run()
	if files, err := os.ReadDir(home); len(files) != 0 || err != nil {
		fmt.Println("home directory was written to:", files, err)
		code = 1
	}
	os.RemoveAll(home)
	os.Exit(code)
}

var insecure = transport.Options{Insecure: true}

// newRegistry starts an empty registry and returns its HOST:PORT. wrap, if not
// nil, stands between clients and the registry.
func newRegistry(t *testing.T, wrap func(http.Handler) http.Handler) string {
	t.Helper()
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	if wrap != nil {
		handler = wrap(handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// realRegistry starts docker-registry, the reference implementation of the
// protocol, and returns its HOST:PORT.
func realRegistry(t *testing.T) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := free.Addr().String()
	free.Close()
	dir := t.TempDir()
	config := fmt.Sprintf("version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: %s/data}}\nhttp: {addr: %s}\n", dir, host)
	if err := os.WriteFile(dir+"/config.yml", []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	var output bytes.Buffer
	cmd := exec.Command("docker-registry", "serve", dir+"/config.yml")
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for range 100 {
		if r, err := http.Get("http://" + host + "/v2/"); err == nil {
			r.Body.Close()
			return host
		}
		time.Sleep(100 * time.Millisecond)
	}
	cmd.Process.Kill()
	cmd.Wait()
	t.Fatalf("docker-registry does not answer\n%s", &output)
	return ""
}

func parse(t *testing.T, s string) oci.Reference {
	t.Helper()
	ref, err := oci.ParseReference(s)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

// layers are tar files as far as this package is concerned.
func layers(n int) [][]byte {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	all := make([][]byte, n)
	for i := range all {
		all[i] = make([]byte, 10_000+1000*i)
		for j := range all[i] {
			all[i][j] = byte(r.IntN(20))
		}
	}
	return all
}

// push writes an image with the given layers, all in parallel, and returns its
// digest.
func push(ctx context.Context, ref oci.Reference, o transport.Options, layers [][]byte, edit ...func(*oci.Manifest)) (oci.Digest, error) {
	sink, err := transport.OpenSink(ctx, ref, o)
	if err != nil {
		return "", err
	}
	digest, err := putImage(ctx, sink, layers, edit...)
	return digest, errors.Join(err, sink.Close())
}

func putImage(ctx context.Context, sink oci.Sink, layers [][]byte, edit ...func(*oci.Manifest)) (oci.Digest, error) {
	manifest := oci.Manifest{SchemaVersion: 2, Layers: make([]oci.Descriptor, len(layers))}
	config := oci.Config{Architecture: "riscv64", OS: "linux", RootFS: oci.RootFS{Type: "layers", DiffIDs: make([]oci.DiffID, len(layers))}}
	config.Config.Labels = map[string]string{"name": "value"}
	errs := make([]error, len(layers))
	var group sync.WaitGroup
	for i := range layers {
		group.Go(func() {
			manifest.Layers[i], config.RootFS.DiffIDs[i], errs[i] = putLayer(ctx, sink, layers[i])
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	raw, err := oci.CanonicalJSON(config)
	if err != nil {
		return "", err
	}
	if manifest.Config, err = sink.PutBlob(ctx, oci.MediaTypeConfig, bytes.NewReader(raw)); err != nil {
		return "", err
	}
	for _, e := range edit {
		e(&manifest)
	}
	if raw, err = oci.CanonicalJSON(manifest); err != nil {
		return "", err
	}
	return sink.PutManifest(ctx, raw, oci.MediaTypeManifest)
}

// putLayer compresses into the sink, without a length known beforehand.
func putLayer(ctx context.Context, sink oci.Sink, layer []byte) (oci.Descriptor, oci.DiffID, error) {
	r, w := io.Pipe()
	tar := oci.NewLayerWriter(w, oci.Compression{})
	go func() {
		_, err := tar.Write(layer)
		w.CloseWithError(errors.Join(err, tar.Close()))
	}()
	d, err := sink.PutBlob(ctx, oci.MediaTypeLayerGzip, r)
	if err != nil {
		r.CloseWithError(err) // ends the compressor
		return d, "", err
	}
	if d.Size != tar.Compressed() {
		return d, "", fmt.Errorf("sink says %d bytes, compressor wrote %d", d.Size, tar.Compressed())
	}
	return d, tar.DiffID(), nil
}

// open opens an image for the time of the test.
func open(t *testing.T, ref oci.Reference) oci.Source {
	t.Helper()
	src, err := transport.OpenSource(t.Context(), ref, insecure)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	return src
}

// pull reads an image with all its layers, all in parallel.
func pull(ctx context.Context, ref oci.Reference, o transport.Options) (*oci.Image, [][]byte, error) {
	src, err := transport.OpenSource(ctx, ref, o)
	if err != nil {
		return nil, nil, err
	}
	defer src.Close()
	image, err := oci.ReadImage(ctx, src, oci.Platform{})
	if err != nil {
		return nil, nil, err
	}
	layers := make([][]byte, len(image.Manifest.Layers))
	errs := make([]error, len(layers))
	var group sync.WaitGroup
	for i, d := range image.Manifest.Layers {
		group.Go(func() {
			var layer io.ReadCloser
			if layer, errs[i] = oci.OpenLayer(ctx, src, d, image.Config.RootFS.DiffIDs[i]); errs[i] == nil {
				layers[i], errs[i] = io.ReadAll(layer)
				layer.Close()
			}
		})
	}
	group.Wait()
	return image, layers, errors.Join(errs...)
}

// checkPull reads an image back and compares it with what was pushed.
func checkPull(t *testing.T, ref oci.Reference, o transport.Options, digest oci.Digest, want [][]byte) {
	t.Helper()
	image, got, err := pull(t.Context(), ref, o)
	if err != nil {
		t.Fatal(err)
	}
	if image.Digest != digest {
		t.Errorf("%s: digest is %s, want %s", ref, image.Digest, digest)
	}
	if len(got) != len(want) {
		t.Fatalf("%s: %d layers, want %d", ref, len(got), len(want))
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Errorf("%s: layer %d is not what was written", ref, i)
		}
	}
}

// skopeo runs the real program, without which these tests prove little.
func skopeo(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("skopeo", append([]string{"--insecure-policy"}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("skopeo %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return stdout.Bytes()
}

// tree lists all files below dir.
func tree(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			name, _ := filepath.Rel(dir, path)
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func checkError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("error is %v\nwant     %s", err, want)
	}
}
