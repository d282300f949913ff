package fsverity_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/treenail/treenail/format/fsverity"
)

// TestSum compares with digests that fsverity(1) computed.
func TestSum(t *testing.T) {
	for _, c := range []struct {
		data string
		want string
	}{
		{"", "3d248ca542a24fc62d1c43b916eae5016878e2533c88238480b26128a1f1af95"},
		{"moo\n", "ebaa23af194a798df610e5fe2bd10725c9c4a3a56a6b62d4d0ee551d4fc4be27"},
	} {
		if got := fsverity.Sum([]byte(c.data)); hex.EncodeToString(got[:]) != c.want {
			t.Errorf("%q: %x, want %s", c.data, got, c.want)
		}
	}
}

// sizes are those around which the hash tree gets another block or level.
func sizes() []int {
	sizes := []int{1, 2, 31, 100}
	for _, edge := range []int{4096, 2 * 4096, 127 * 4096, 128 * 4096, 129 * 4096, 256 * 4096, 128 * 128 * 4096} {
		sizes = append(sizes, edge-1, edge, edge+1)
	}
	return sizes
}

func contents(size int) []byte {
	data := make([]byte, size)
	x := uint32(size)
	for i := range data {
		x = x*1664525 + 1013904223
		data[i] = byte(x >> 24)
	}
	return data
}

// TestLikeFsverity compares with fsverity(1) for every shape of the tree.
func TestLikeFsverity(t *testing.T) {
	dir := t.TempDir()
	args := []string{"digest", "--compact"}
	var want []string
	for _, size := range sizes() {
		path := filepath.Join(dir, fmt.Sprint(size))
		if err := os.WriteFile(path, contents(size), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, path)
		sum := fsverity.Sum(contents(size))
		want = append(want, hex.EncodeToString(sum[:]))
	}
	out, err := exec.Command("fsverity", args...).Output()
	if err != nil {
		t.Fatal("fsverity digest: ", err)
	}
	for i, got := range strings.Fields(string(out)) {
		if got != want[i] {
			t.Errorf("%s: fsverity says %s, this package %s", filepath.Base(args[i+2]), got, want[i])
		}
	}
}

// TestWrites shows that it does not matter in which parts a file comes, nor that a
// digest is taken in between.
func TestWrites(t *testing.T) {
	data := contents(300*4096 + 5)
	want := fsverity.Sum(data)
	for _, part := range []int{1000, 4095, 4096, 4097, 3 * 4096, 50_000} {
		h := fsverity.New()
		for rest := data; len(rest) > 0; {
			n := min(part, len(rest))
			h.Write(rest[:n])
			h.Sum(nil)
			rest = rest[n:]
		}
		if got := h.Sum(nil); !bytes.Equal(got, want[:]) {
			t.Errorf("parts of %d: %x, want %x", part, got, want)
		}
		if h.Reset(); !bytes.Equal(h.Sum(nil), sumOf(nil)) {
			t.Error("not empty after Reset")
		}
	}
}

func sumOf(data []byte) []byte {
	sum := fsverity.Sum(data)
	return sum[:]
}

func BenchmarkSum(b *testing.B) {
	data := contents(1 << 20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		fsverity.Sum(data)
	}
}
