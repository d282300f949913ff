package container

import (
	"os"
	"path/filepath"
	"testing"
)

func TestInContainer(t *testing.T) {
	const split = "[core]\nmode=bare-split-xattrs\n"
	for _, c := range []struct {
		name, config string
		env          map[string]string
		files        []string
		want         bool
	}{
		{"image", split, nil, nil, true},
		{"no image", "", map[string]string{"container": "podman"}, nil, false},
		{"a host's repository", "[core]\nmode=bare\n", map[string]string{"container": "podman"}, nil, false},
		{"host", split, nil, []string{"run/ostree-booted"}, false},
		{"service", split, map[string]string{"INVOCATION_ID": "1"}, nil, false},
		{"podman", split, map[string]string{"INVOCATION_ID": "1"}, []string{"run/.containerenv"}, true},
		{"docker", split, nil, []string{"run/ostree-booted", ".dockerenv"}, true},
		{"nspawn", split, map[string]string{"INVOCATION_ID": "1", "container": "systemd-nspawn"}, nil, true},
		{"broken", "what", nil, nil, false},
	} {
		dir := t.TempDir()
		if c.config != "" {
			c.files = append(c.files, "sysroot/ostree/repo/config")
		}
		for _, name := range c.files {
			at := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(at, []byte(c.config), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		env := func(key string) (string, bool) { v, ok := c.env[key]; return v, ok }
		if got := inContainer(root, env); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
		root.Close()
	}
}

func TestEmptyTemporary(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"run/a/b/c", "tmp/x", "var/tmp/y\xff", "var/cache/apt/z", "var/lib/kept", "usr/kept"} {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../usr", filepath.Join(dir, "tmp/link")); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := emptyTemporary(t.Context(), root); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"run", "tmp", "var/tmp", "var/cache"} {
		if entries, err := os.ReadDir(filepath.Join(dir, name)); err != nil || len(entries) > 0 {
			t.Errorf("%s: %v %v", name, entries, err)
		}
	}
	for _, name := range []string{"var/lib/kept", "usr/kept"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
}
