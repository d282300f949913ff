package layercache_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/oci/layercache"
)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dir string, limit int64) *layercache.Cache {
	t.Helper()
	c, err := layercache.Open(dir, limit)
	ok(t, err)
	return c
}

func layerOf(text string) layercache.Layer {
	sum := oci.Sum([]byte(text))
	return layercache.Layer{
		Descriptor: oci.Descriptor{MediaType: oci.MediaTypeLayer, Digest: sum, Size: int64(len(text)), Annotations: map[string]string{"a": "b"}},
		DiffID:     oci.DiffID(sum), Uncompressed: int64(len(text)),
	}
}

func put(c *layercache.Cache, key, text string) {
	w := c.Create()
	io.WriteString(w, text)
	w.Commit(key, layerOf(text))
	w.Discard()
}

// read returns what the cache has under a key.
func read(c *layercache.Cache, key string) (string, error) {
	l, found := c.Layer(key)
	if !found {
		return "", os.ErrNotExist
	}
	blob, err := c.Open(l)
	if err != nil {
		return "", err
	}
	defer blob.Close()
	data, err := io.ReadAll(blob)
	return string(data), err
}

func files(t testing.TB, dir string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "*", "*"))
	ok(t, err)
	return found
}

func TestKeep(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	c := open(t, dir, 0)
	put(c, "key", "text")
	if got, err := read(open(t, dir, 0), "key"); got != "text" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	if l, _ := c.Layer("key"); l.Descriptor.Annotations["a"] != "b" || l.DiffID != layerOf("text").DiffID {
		t.Errorf("%+v", l)
	}
	if _, err := read(c, "other"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("another key: %v", err)
	}
	w := c.Create()
	io.WriteString(w, "given up")
	w.Discard()
	if got := files(t, dir); len(got) != 2 {
		t.Errorf("files %q", got)
	}
}

func TestDamaged(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir, 0)
	put(c, "key", "text")
	blob := filepath.Join(dir, "blobs", layerOf("text").Descriptor.Digest.Hex())
	ok(t, os.WriteFile(blob, []byte("next"), 0o600))
	var wrong *oci.DigestError
	if _, err := read(c, "key"); !errors.As(err, &wrong) {
		t.Errorf("damaged blob: %v", err)
	}
	if _, err := read(c, "key"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after it: %v", err)
	}
	put(c, "key", "text")
	for _, path := range files(t, dir) {
		if data, _ := os.ReadFile(path); strings.Contains(string(data), "diffID") {
			ok(t, os.WriteFile(path, []byte(strings.Replace(string(data), `"uncompressed":4`, `"uncompressed":5`, 1)), 0o600))
		}
	}
	if _, found := c.Layer("key"); found {
		t.Error("a damaged record counts")
	}
}

func TestLimit(t *testing.T) {
	dir := t.TempDir()
	c := open(t, dir, 100_000)
	text := strings.Repeat("x", 20_000)
	for i := range 8 {
		put(c, fmt.Sprint(i), fmt.Sprint(i)+text)
		for _, path := range files(t, dir) { // older by an hour
			info, err := os.Stat(path)
			ok(t, err)
			at := info.ModTime().Add(-time.Hour)
			ok(t, os.Chtimes(path, at, at))
		}
	}
	if _, err := read(c, "0"); err != nil { // used now
		t.Fatal(err)
	}
	stale := filepath.Join(dir, "blobs", "tmp-left")
	ok(t, os.WriteFile(stale, nil, 0o600))
	old := time.Now().Add(-48 * time.Hour)
	ok(t, os.Chtimes(stale, old, old))
	fresh := filepath.Join(dir, "blobs", "tmp-fresh")
	ok(t, os.WriteFile(fresh, nil, 0o600))
	ok(t, c.Close())
	var kept []string
	for i := range 8 {
		if _, err := read(c, fmt.Sprint(i)); err == nil {
			kept = append(kept, fmt.Sprint(i))
		}
	}
	if got := strings.Join(kept, ""); got != "0567" && got != "067" {
		t.Errorf("kept %s", got)
	}
	_, staleErr := os.Stat(stale)
	_, freshErr := os.Stat(fresh)
	if !errors.Is(staleErr, os.ErrNotExist) || freshErr != nil {
		t.Errorf("temporary files: %v, %v", staleErr, freshErr)
	}
}

// TestTogether: writers, readers and removers of the same keys don't disturb each
// other: what is found is whole.
func TestTogether(t *testing.T) {
	dir := t.TempDir()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			c := open(t, dir, 30_000)
			for i := range 60 {
				key := fmt.Sprint(i % 7)
				want := strings.Repeat(key, 5000)
				put(c, key, want)
				if got, err := read(c, key); err == nil && got != want || err != nil && !errors.Is(err, os.ErrNotExist) {
					t.Errorf("%d bytes, %v", len(got), err)
				}
				c.Close()
			}
		})
	}
	all.Wait()
}
