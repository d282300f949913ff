package ostreerepo_test

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"

	"github.com/treenail/treenail/format/keyfile"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
)

// repoAt makes a repository with the keys in its config.
func repoAt(t *testing.T, path string, mode ostreerepo.Mode, config ...[3]string) *ostreerepo.Repo {
	t.Helper()
	if err := ostreerepo.Create(path, mode, ostreerepo.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	r, err := ostreerepo.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	c := r.Config()
	for _, key := range config {
		if err := c.SetString(key[0], key[1], key[2]); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.WriteConfig(c); err != nil {
		t.Fatal(err)
	}
	return r
}

// putModes puts one body under several modes, each in a transaction, and returns the names.
func putModes(t *testing.T, r *ostreerepo.Repo, body []byte, modes ...uint32) (sums []object.Checksum) {
	t.Helper()
	for _, mode := range modes {
		update(t, r, func(tx *ostreerepo.Tx) error {
			c, err := tx.PutFile(object.FileHeader{Mode: 0o100000 | mode}, int64(len(body)), bytes.NewReader(body))
			sums = append(sums, c)
			return err
		})
	}
	return sums
}

func TestVerity(t *testing.T) {
	for _, c := range []struct{ group, key, value, err string }{
		{"ex-integrity", "fsverity", "maybe", ""},
		{"ex-integrity", "fsverity", "no", ""},
		{"ex-integrity", "composefs", "true", ""},
		{"ex-fsverity", "opportunistic", "true", ""},
		{"ex-integrity", "fsverity", "yes", "fsverity required but filesystem does not support it"},
		{"ex-fsverity", "required", "true", "fsverity required but filesystem does not support it"},
	} {
		for _, mode := range []ostreerepo.Mode{ostreerepo.ModeArchive, ostreerepo.ModeBareUser} {
			dir, err := os.MkdirTemp("/dev/shm", "verity") // which knows no fs-verity
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(dir) })
			r := repoAt(t, dir+"/repo", mode, [3]string{c.group, c.key, c.value})
			err = r.Update(context.Background(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
				_, err := putTree(tx, map[string]testFile{"a": {object.FileHeader{Mode: 0o100644}, strings.Repeat("x", 1<<20)}})
				return err
			})
			if (err == nil) != (c.err == "") || err != nil && !strings.HasSuffix(err.Error(), c.err) {
				t.Errorf("%+v: %v", c, err)
			}
		}
	}
}

func TestInvalidConfig(t *testing.T) {
	for _, c := range []struct{ group, key, value string }{
		{"core", "mode", "none"}, {"core", "repo_version", "2"}, {"core", "fsync", "maybe"},
		{"core", "min-free-space-size", "3"}, {"core", "min-free-space-size", "3kB"}, {"core", "min-free-space-size", "99999999999999999999TB"},
		{"core", "min-free-space-percent", "100"}, {"core", "min-free-space-percent", "-1"},
		{"core", "default-repo-finders", "config;sea;"}, {"core", "default-repo-finders", ""}, {"core", "parent", "/none"},
		{"core", "add-remotes-config-dir", "x"},
	} {
		r := repotest.New(t, ostreerepo.ModeArchive)
		config, err := keyfile.Parse([]byte("[core]\nrepo_version=1\nmode=archive-z2\n"))
		if err == nil {
			err = config.Set(c.group, c.key, c.value)
		}
		if err == nil {
			err = os.WriteFile(r.Path()+"/config", config.Bytes(), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		_, err = ostreerepo.Open(r.Path())
		out, theirs := ostree(t, "refs", "--repo="+r.Path())
		if theirs == nil || err == nil {
			t.Errorf("%v: %v, want %s", c, err, out)
			continue
		}
		if c.key == "fsync" || c.key == "add-remotes-config-dir" { // ours says which value, too
			continue
		}
		want := strings.TrimSuffix(out[strings.LastIndex(out, "opening repo: ")+len("opening repo: "):], "\n")
		if got := err.Error(); !strings.EqualFold(got[max(0, len(got)-len(want)):], want) {
			t.Errorf("%v:\n%s\nwant\n%s", c, got, want)
		}
	}
}

// TestParentPath: as for libostree a relative path begins at the current directory.
func TestParentPath(t *testing.T) {
	t.Chdir(t.TempDir())
	parent := repoAt(t, "parent", ostreerepo.ModeArchive)
	c := putModes(t, parent, []byte("x"), 0o644)[0]
	if err := os.Mkdir("sub", 0o755); err != nil {
		t.Fatal(err)
	}
	repoAt(t, "sub/child", ostreerepo.ModeArchive, [3]string{"core", "parent", "parent"})
	child, err := ostreerepo.Open("sub/child")
	if err != nil {
		t.Fatal(err)
	}
	defer child.Close()
	if ok, err := child.Has(object.Name{Checksum: c, Type: object.TypeFile}); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	t.Chdir("sub")
	if _, err := ostreerepo.Open("child"); err == nil {
		t.Error("the parent is found from another directory")
	}
}
