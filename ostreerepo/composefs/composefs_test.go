package composefs_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/format/fsverity"
	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/checkout"
	"github.com/treenail/treenail/ostreerepo/composefs"
	"github.com/treenail/treenail/ostreerepo/tree"
	"golang.org/x/sys/unix"
)

// makeTree makes a directory: a name that ends in a slash is one, text behind an
// arrow is the target of a symlink.
func makeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	top := t.TempDir()
	must(t, os.Chmod(top, 0o755))
	for name, text := range files {
		path := filepath.Join(top, name)
		if strings.HasSuffix(name, "/") {
			must(t, os.MkdirAll(path, 0o755))
			continue
		}
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if target, ok := strings.CutPrefix(text, "-> "); ok {
			must(t, os.Symlink(target, path))
		} else {
			must(t, os.WriteFile(path, []byte(text), 0o644))
		}
	}
	return top
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, r *ostreerepo.Repo, c object.Checksum, o composefs.Options) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	must(t, composefs.Write(context.Background(), r, c, path, o))
	data, err := os.ReadFile(path)
	must(t, err)
	return data
}

// TestKnownImages compares with what libostree 2026.4 makes of the tree that its
// own test of composefs has.
func TestKnownImages(t *testing.T) {
	const (
		digest   = "be956966c70970ea23b1a8043bca58cfb0d011d490a35a7817b36d04c0210954"
		sum      = "031fab2c7f390b752a820146dc89f6880e5739cba7490f64024e0c7d11aad7c9"
		noVerity = "78f873a76ccfea3ad7c86312ba0e06f8e0bca54ab4912b23871b31caafe59c24"
	)
	dir := makeTree(t, map[string]string{
		"firstfile": "first\n", "somelink": "-> nosuchfile",
		"baz/cow": "moo\n", "baz/cowro": "mooro\n", "baz/saucer": "alien\n", "baz/alink": "-> nonexistent",
		"baz/deeper/ohyeah": "hi\n", "baz/deeper/ohyeahx": "hix\n", "baz/another/y": "x\n",
		"baz/sub1/duplicate_a": "SAME_CONTENT\n", "baz/sub1/duplicate_b": "SAME_CONTENT\n", "baz/sub2/duplicate_c": "SAME_CONTENT\n",
	})
	must(t, os.Chmod(dir+"/baz/cowro", 0o600))
	must(t, os.Chmod(dir+"/baz/deeper/ohyeahx", 0o755))
	for _, mode := range []ostreerepo.Mode{ostreerepo.ModeBare, ostreerepo.ModeBareUser, ostreerepo.ModeBareUserOnly, ostreerepo.ModeArchive, ostreerepo.ModeBareSplitXattrs} {
		t.Run(mode.String(), func(t *testing.T) {
			r := repotest.New(t, mode)
			c := repotest.Commit(t, r, dir, tree.Options{CanonicalPermissions: true})
			image := write(t, r, c, composefs.Options{NoSync: true})
			if got := sha256.Sum256(image); hex.EncodeToString(got[:]) != sum {
				t.Errorf("image with verity: %x, want %s", got, sum)
			}
			if got := sha256.Sum256(write(t, r, c, composefs.Options{NoVerity: true, NoSync: true})); hex.EncodeToString(got[:]) != noVerity {
				t.Errorf("image without verity: %x, want %s", got, noVerity)
			}
			commit, err := r.Commit(c)
			must(t, err)
			var entries int64
			o := composefs.Options{Progress: func(done, _ int64) { entries = done }}
			got, err := composefs.Digest(context.Background(), r, commit.Tree, commit.Meta, o)
			if err != nil || hex.EncodeToString(got[:]) != digest || got != fsverity.Sum(image) || entries != 18 {
				t.Errorf("digest %x, %v, want %s; %d files and directories", got, err, digest, entries)
			}
		})
	}
}

func TestPromisedDigest(t *testing.T) {
	ctx := context.Background()
	r := repotest.New(t, ostreerepo.ModeBare)
	dir := makeTree(t, map[string]string{"a": "a", "etc": "-> usr/etc", "usr/etc/": ""})
	c, err := r.Commit(repotest.Commit(t, r, dir, tree.Options{}))
	must(t, err)
	digest, err := composefs.Digest(ctx, r, c.Tree, c.Meta, composefs.Options{NoSync: true})
	must(t, err)
	wrong := digest
	wrong[0]++
	path := filepath.Join(t.TempDir(), "image")
	must(t, os.WriteFile(path, []byte("old"), 0o600))
	for _, tt := range []struct {
		value gvariant.Value
		err   string
	}{
		{gvariant.NewBytes(digest[:1]), "Expected composefs fs-verity in metadata has the wrong size"},
		{gvariant.NewBytes(wrong[:]), fmt.Sprintf("Generated composefs image digest (%x) doesn't match expected digest (%x)", digest, wrong)},
	} {
		c := repotest.Commit(t, r, dir, tree.Options{}, gvariant.Entry{Key: composefs.DigestKey, Value: tt.value})
		if err := composefs.Write(ctx, r, c, path, composefs.Options{NoSync: true}); err == nil || err.Error() != tt.err {
			t.Errorf("%v, want %s", err, tt.err)
		}
		if data, _ := os.ReadFile(path); string(data) != "old" {
			t.Error("the old image is gone")
		}
	}
	if err := new(composefs.DigestError); !errors.As(composefs.Write(ctx, r, repotest.Commit(t, r, dir, tree.Options{},
		gvariant.Entry{Key: composefs.DigestKey, Value: gvariant.NewBytes(wrong[:])}), path, composefs.Options{NoSync: true}), &err) ||
		err.Actual != digest || err.Expected != wrong {
		t.Error(err)
	}
	for _, value := range []gvariant.Value{gvariant.NewBytes(digest[:]), gvariant.NewString("ignored")} {
		c := repotest.Commit(t, r, dir, tree.Options{}, gvariant.Entry{Key: composefs.DigestKey, Value: value})
		must(t, composefs.Write(ctx, r, c, path, composefs.Options{NoSync: true}))
	}
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode() != 0o644 || info.Size() == 0 {
		t.Errorf("mode %v, %d bytes", info.Mode(), info.Size())
	}
	c2 := repotest.Commit(t, r, dir, tree.Options{}, gvariant.Entry{Key: composefs.DigestKey, Value: gvariant.NewBytes(wrong[:])})
	must(t, composefs.Write(ctx, r, c2, path, composefs.Options{NoVerity: true, NoSync: true}))
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("left over: %v", left)
	}
}

func TestWriteFails(t *testing.T) {
	ctx := context.Background()
	r := repotest.New(t, ostreerepo.ModeBare)
	c := repotest.Commit(t, r, makeTree(t, map[string]string{"dir/a": "contents"}), tree.Options{})
	top := t.TempDir()
	for _, path := range []string{top, top + "/none/image"} {
		if err := composefs.Write(ctx, r, c, path, composefs.Options{NoSync: true}); err == nil {
			t.Errorf("wrote %s", path)
		}
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if err := composefs.Write(cancelled, r, c, top+"/image", composefs.Options{NoSync: true}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	entry, err := r.Lookup(mustCommit(t, r, c).Tree, mustCommit(t, r, c).Meta, "/dir/a")
	must(t, err)
	s := entry.Checksum.String()
	file := r.Path() + "/objects/" + s[:2] + "/" + s[2:] + ".file"
	must(t, os.WriteFile(file, []byte("damaged!"), 0o644))
	if err := composefs.Write(ctx, r, c, top+"/image", composefs.Options{NoSync: true}); err == nil || !strings.Contains(err.Error(), "path /dir/a: ") {
		t.Error(err)
	}
	must(t, os.Remove(file))
	if err := composefs.Write(ctx, r, c, top+"/image", composefs.Options{NoSync: true}); !errors.Is(err, ostreerepo.ErrNotFound) {
		t.Error(err)
	}
	if left, _ := os.ReadDir(top); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

func mustCommit(t *testing.T, r *ostreerepo.Repo, c object.Checksum) *object.Commit {
	t.Helper()
	commit, err := r.Commit(c)
	must(t, err)
	return commit
}

// TestMount has the kernel read an image over the objects and compares with a
// checkout: types, modes, owners, targets, sizes, contents, xattrs.
func TestMount(t *testing.T) {
	ctx := context.Background()
	dir := makeTree(t, map[string]string{
		"usr/bin/sh": "shell", "usr/bin/empty": "", "etc/conf": "x", "boot/": "", "var/": "", "sysroot/": "", "00/ff": "hidden?", "ab": "file",
		"usr/long": "-> " + strings.Repeat("l", 4090), "usr/longer": "-> " + strings.Repeat("/m", 2000), "usr/short": "-> bin/sh", "usr/large": strings.Repeat("0123456789", 100_000),
	})
	for i := range 1500 {
		must(t, os.WriteFile(fmt.Sprintf("%s/var/a-file-with-quite-a-name-%d", dir, i), []byte(fmt.Sprint(i%100)), 0o600))
	}
	must(t, os.Lchown(dir+"/usr/short", 70000, 80000))
	must(t, os.Chown(dir+"/usr/bin/sh", 0, 5))
	must(t, unix.Chmod(dir+"/usr/bin/sh", 0o6755))
	must(t, unix.Chmod(dir+"/var", 0o1777))
	for i := range 80 {
		value := []byte(strings.Repeat("v", 1+i%3))
		must(t, unix.Setxattr(dir+"/usr/bin/sh", fmt.Sprintf("trusted.number%d", i), value, 0))
		must(t, unix.Setxattr(dir+"/usr/bin", fmt.Sprintf("trusted.number%d", i), value, 0))
	}
	must(t, unix.Setxattr(dir+"/etc/conf", "user.large", []byte(strings.Repeat("w", 2000)), 0))
	must(t, unix.Lsetxattr(dir+"/usr/short", "trusted.link", []byte("on a symlink"), 0))

	r := repotest.New(t, ostreerepo.ModeBare)
	c := repotest.Commit(t, r, dir, tree.Options{})
	top := t.TempDir()
	must(t, composefs.Write(ctx, r, c, top+"/image", composefs.Options{NoSync: true}))
	must(t, checkout.Checkout(ctx, r, c, top+"/checkout", checkout.Options{}))
	script := `set -e
mkdir "$1/meta" "$1/mnt"
mount -t erofs -o ro,loop "$1/image" "$1/meta"
mount -t overlay -o "ro,metacopy=on,redirect_dir=on,lowerdir=$1/meta::$2/objects" none "$1/mnt"
diff -r --no-dereference "$1/mnt" "$1/checkout"
for d in mnt checkout; do
  cd "$1/$d"
  find . -printf '%p %y %m %U %G %l ' -type d -printf '\n' -o -printf '%s\n' | LC_ALL=C sort > "$1/$d.list"
  find . | LC_ALL=C sort | tr '\n' '\0' | xargs -0 getfattr -h -d -m - >> "$1/$d.list"
done
cd /`
	out, err := exec.Command("unshare", "-m", "sh", "-c", script, "sh", top, r.Path()).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	mounted, err := os.ReadFile(top + "/mnt.list")
	must(t, err)
	plain, err := os.ReadFile(top + "/checkout.list")
	must(t, err)
	if diff := cmp.Diff(strings.Split(string(plain), "\n"), strings.Split(string(mounted), "\n")); diff != "" {
		t.Error(diff)
	}
	if lines := bytes.Count(mounted, []byte("\n")); lines < 1500+160 {
		t.Errorf("only %d lines", lines)
	}
}

// TestSealed shows that an image is sealed as objects are: where that has to be and
// can't, there is none.
func TestSealed(t *testing.T) {
	ctx := context.Background()
	top, err := os.MkdirTemp("/dev/shm", "composefs") // which knows no fs-verity
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(top) })
	must(t, ostreerepo.Create(top+"/repo", ostreerepo.ModeBare, ostreerepo.CreateOptions{}))
	r, err := ostreerepo.Open(top + "/repo")
	must(t, err)
	c := repotest.Commit(t, r, makeTree(t, map[string]string{"a": "a"}), tree.Options{})
	must(t, r.Close())
	for _, tt := range []struct{ want, err string }{
		{"maybe", ""}, {"yes", "fsverity required but filesystem does not support it"},
	} {
		must(t, os.WriteFile(top+"/repo/config", []byte("[core]\nrepo_version=1\nmode=bare\n[ex-integrity]\nfsverity="+tt.want+"\n"), 0o644))
		r, err := ostreerepo.Open(top + "/repo")
		must(t, err)
		defer r.Close()
		err = composefs.Write(ctx, r, c, top+"/"+tt.want, composefs.Options{NoSync: true})
		if text := fmt.Sprint(err); err != nil && text != tt.err || err == nil && tt.err != "" {
			t.Errorf("fsverity=%s: %v, want %q", tt.want, err, tt.err)
		}
		if _, err := os.Stat(top + "/" + tt.want); (err == nil) != (tt.err == "") {
			t.Errorf("fsverity=%s: %v", tt.want, err)
		}
	}
}
