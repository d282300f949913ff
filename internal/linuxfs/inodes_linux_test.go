package linuxfs_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/treenail/treenail/internal/linuxfs"
)

// What a directory says is what stat says, for more entries than fit into one read.
func TestReadInodes(t *testing.T) {
	path := t.TempDir()
	want := map[string]uint64{}
	for i := range 3000 {
		name := fmt.Sprintf("%d-%0*d", i, i%200, 0)
		put := func(path string) error { return os.WriteFile(path, nil, 0o644) }
		if i%2 == 0 {
			put = func(path string) error { return os.Symlink("nowhere", path) }
		}
		if err := put(filepath.Join(path, name)); err != nil {
			t.Fatal(err)
		}
		info, err := os.Lstat(filepath.Join(path, name))
		if err != nil {
			t.Fatal(err)
		}
		want[name] = info.Sys().(*syscall.Stat_t).Ino
	}
	dir, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	entries, err := linuxfs.ReadInodes(dir)
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("the file system of the temporary directory is one that directories are not trusted of")
	}
	if err != nil || len(entries) != len(want) {
		t.Fatalf("%d entries, %v; want %d", len(entries), err, len(want))
	}
	for _, e := range entries {
		if want[e.Name] != e.Ino {
			t.Errorf("%s: %d, stat says %d", e.Name, e.Ino, want[e.Name])
		}
	}
}
