package ostreerepo_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/tree"
	"golang.org/x/sys/unix"
)

// linkedTree is a tree with symlinks to all kinds of places, and with more links,
// given as pairs of name and target.
func linkedTree(t *testing.T, more ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, sub := range []string{"usr/etc/empty", "usr/bin", "secret"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, mode := range map[string]os.FileMode{"usr/bin/sh": 0o755 | fs.ModeSetuid, "usr/etc/conf": 0o600, "usr/zero": 0o644} {
		data := []byte("contents of " + name)
		if name == "usr/zero" {
			data = nil
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	links := append([]string{"etc", "usr/etc", "abs", "/usr/etc/conf", "up", "../../../usr/bin/../etc", "usr/bin/ash", "sh", "usr/here", ".", "chain", "abs"}, more...)
	for link := range slices.Chunk(links, 2) {
		if err := os.Symlink(link[1], filepath.Join(dir, link[0])); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFS(t *testing.T) {
	dir := linkedTree(t)
	for _, mode := range repotest.Modes {
		t.Run(mode.String(), func(t *testing.T) {
			r := repotest.New(t, mode)
			tree, err := r.FS(repotest.Commit(t, r, dir, tree.Options{}))
			if err != nil {
				t.Fatal(err)
			}
			if err := fstest.TestFS(tree, "usr/bin/sh", "usr/etc/empty", "abs", "usr/bin/ash"); err != nil {
				t.Error(err)
			}
		})
	}
	r := repotest.New(t, ostreerepo.ModeArchive)
	if _, err := r.FS(object.Checksum{1}); !errors.Is(err, ostreerepo.ErrNotFound) {
		t.Errorf("a commit that is not there: %v", err)
	}
}

func TestFSLinks(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	tree, err := r.FS(repotest.Commit(t, r, linkedTree(t, "loop", "loop", "broken", "nowhere/x", "through", "usr/zero/x"), tree.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	const conf = "contents of usr/etc/conf"
	for name, want := range map[string]string{
		"abs": conf, "etc/conf": conf, "up/conf": conf, "chain": conf, "usr/here/here/etc/conf": conf,
		"usr/bin/ash": "contents of usr/bin/sh",
	} {
		if got, err := fs.ReadFile(tree, name); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for name, want := range map[string]error{
		"loop": unix.ELOOP, "broken": fs.ErrNotExist, "through": unix.ENOTDIR, "usr/zero/x": unix.ENOTDIR, "nope": fs.ErrNotExist,
		"../etc": fs.ErrInvalid, "/etc": fs.ErrInvalid, "": fs.ErrInvalid, "usr/": fs.ErrInvalid,
	} {
		if f, err := tree.Open(name); !errors.Is(err, want) {
			t.Errorf("%s: %v, %v", name, f, err)
		}
	}
	if target, err := tree.ReadLink("abs"); err != nil || target != "/usr/etc/conf" {
		t.Errorf("%q, %v", target, err)
	}
	if target, err := tree.ReadLink("usr"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("a directory links to %q, %v", target, err)
	}
	info, err := fs.Stat(tree, "usr/bin/ash")
	if err != nil || info.Mode() != 0o755|fs.ModeSetuid || info.Sys().(object.FileHeader).Mode != 0o104755 {
		t.Errorf("%v, %v", info, err)
	}
}

// A damaged object is an error where its end would be.
func TestFSVerifies(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeBareUser)
	tree, err := r.FS(repotest.Commit(t, r, linkedTree(t), tree.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(r.Path() + "/objects/*/*.file")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err == nil && string(data) == "contents of usr/etc/conf" {
			err = os.WriteFile(file, []byte("contentS of usr/etc/conf"), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var damaged *object.ChecksumError
	if data, err := fs.ReadFile(tree, "usr/etc/conf"); !errors.As(err, &damaged) {
		t.Errorf("%q, %v", data, err)
	}
}
