package diff_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/diff"
	"github.com/treenail/treenail/ostreerepo/tree"
	"golang.org/x/sys/unix"
)

// The tests compare with the real ostree, which has to be installed.

func commitTree(t *testing.T, r *ostreerepo.Repo, c object.Checksum) diff.Tree {
	t.Helper()
	commit, err := r.Commit(c)
	if err != nil {
		t.Fatal(err)
	}
	return diff.Commit(r, commit)
}

// sh runs a script in a new directory and returns that.
func sh(t *testing.T, script string) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("sh", "-ec", "umask 022; "+script)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

const before = `
mkdir -p same/deep both gone/sub mode attr retyped z
echo 1 > same/deep/f; echo 1 > both/changed; echo 1 > both/same; echo 1 > both/removed; echo 1 > gone/sub/f
echo 1 > retyped/inside; echo 1 > becomesdir; ln -s a link; ln -s a tofile; echo 1 > mode/chmod; echo 1 > z/f; echo 1 > a
head -c 300000 /dev/zero > big; echo 1 > chown; echo 1 > xattr; setfattr -n user.x -v 1 xattr; setfattr -n user.x -v 1 attr; echo 1 > ünï`

const change = `
echo 2 > both/changed; rm both/removed; echo 1 > both/added; rm -r gone; chmod 700 mode; chmod 600 mode/chmod
rm -r retyped; echo 1 > retyped; rm becomesdir; mkdir -p becomesdir/new; echo 1 > becomesdir/new/f
rm link tofile; ln -s b link; echo 1 > tofile; mkdir -p new/b/c new/a; echo 1 > new/b/f; echo 1 > new/b/c/f; ln -s x new/l
rm a; echo 3 > z/f; echo 3 > z/more; printf x | dd of=big seek=299999 bs=1 conv=notrunc 2>/dev/null
chown 5:6 chown; setfattr -n user.x -v 2 xattr; setfattr -n user.x -v 2 attr; echo 2 > ünï`

// lines runs Trees and writes the changes as ostree does, those of a kind
// together.
func lines(t *testing.T, a, b diff.Tree, o diff.Options) []string {
	t.Helper()
	found := map[diff.Kind][]string{}
	for c, err := range diff.Trees(t.Context(), a, b, o) {
		if err != nil {
			t.Fatal(err)
		}
		found[c.Kind] = append(found[c.Kind], fmt.Sprintf("%c    %s", c.Kind, c.Path))
	}
	return slices.Concat(found[diff.Modified], found[diff.Removed], found[diff.Added])
}

// theirs runs the real ostree. Paths are without the slash that those of commits
// begin with.
func theirs(t *testing.T, r *ostreerepo.Repo, args ...string) []string {
	t.Helper()
	cmd := exec.Command("ostree", append([]string{"--repo=" + r.Path(), "diff"}, args...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("the real ostree is needed: %v\n%s", err, out)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		lines = append(lines, strings.Replace(strings.TrimSuffix(line, "\n"), "    /", "    ", 1))
	}
	return lines
}

func TestLikeOstree(t *testing.T) {
	five := uint32(5)
	for _, mode := range []ostreerepo.Mode{ostreerepo.ModeArchive, ostreerepo.ModeBareUserOnly} {
		t.Run(mode.String(), func(t *testing.T) {
			r := repotest.New(t, mode)
			dirA, dirB := sh(t, before), sh(t, before+change)
			commitA, commitB := repotest.Commit(t, r, dirA, tree.Options{}), repotest.Commit(t, r, dirB, tree.Options{})
			type side struct {
				tree   diff.Tree
				arg    string
				onDisk bool
			}
			sides := []side{
				{commitTree(t, r, commitA), commitA.String(), false}, {commitTree(t, r, commitB), commitB.String(), false},
				{diff.Dir(dirA), dirA, true}, {diff.Dir(dirB), dirB, true},
			}
			for _, a := range sides {
				for _, b := range sides {
					for _, o := range []struct {
						diff.Options
						args []string
					}{
						{},
						{diff.Options{NoXattrs: true}, []string{"--no-xattrs"}},
						{diff.Options{UID: &five}, []string{"--owner-uid=5"}},
						{diff.Options{UID: &five, GID: &five}, []string{"--owner-uid=5", "--owner-gid=5"}},
					} {
						want := theirs(t, r, append(o.args, a.arg, b.arg)...)
						got := lines(t, a.tree, b.tree, o.Options)
						if a.onDisk || b.onDisk { // in the order of the disk
							slices.Sort(got)
							slices.Sort(want)
						}
						if diff := cmp.Diff(want, got); diff != "" {
							t.Errorf("%v %s %s (-ostree +treenail):\n%s", o.args, a.arg, b.arg, diff)
						}
					}
				}
			}
		})
	}
}

func TestSorted(t *testing.T) {
	want := lines(t, diff.Dir(sh(t, before)), diff.Dir(sh(t, before+change)), diff.Options{})
	r := repotest.New(t, ostreerepo.ModeBare)
	a, b := repotest.Commit(t, r, sh(t, before), tree.Options{}), repotest.Commit(t, r, sh(t, before+change), tree.Options{})
	got := lines(t, commitTree(t, r, a), commitTree(t, r, b), diff.Options{})
	if diff := cmp.Diff(want, got); diff != "" || len(got) < 10 {
		t.Errorf("directories and commits differ in order:\n%s", diff)
	}
}

// TestEqualSkipped takes away what equal checksums make unnecessary to read.
func TestEqualSkipped(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	a, b := repotest.Commit(t, r, sh(t, before), tree.Options{}), repotest.Commit(t, r, sh(t, before+change), tree.Options{})
	root, err := r.Commit(a)
	if err != nil {
		t.Fatal(err)
	}
	same, err := r.Lookup(root.Tree, root.Meta, "same")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(r.Path(), "objects", object.Name{Checksum: same.Checksum, Type: object.TypeDirTree}.LoosePath(false))); err != nil {
		t.Fatal(err)
	}
	if got := lines(t, commitTree(t, r, a), commitTree(t, r, b), diff.Options{}); len(got) == 0 {
		t.Error("no changes")
	}
	if got := lines(t, commitTree(t, r, b), commitTree(t, r, b), diff.Options{}); len(got) > 0 {
		t.Errorf("a commit differs from itself: %v", got)
	}
}

func TestSpecialFiles(t *testing.T) {
	a := sh(t, "mkfifo p q; echo > f; mkfifo g; mkdir d")
	b := sh(t, "mkfifo p; mkfifo -m 600 q; mkfifo f; echo > g; mkfifo d")
	r := repotest.New(t, ostreerepo.ModeArchive)
	want := theirs(t, r, a, b)
	got := lines(t, diff.Dir(a), diff.Dir(b), diff.Options{})
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDirFlag(t *testing.T) {
	got := map[string]bool{}
	for c, err := range diff.Trees(t.Context(), diff.Dir(sh(t, before)), diff.Dir(sh(t, before+change)), diff.Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		got[c.Path] = c.Dir
	}
	for path, want := range map[string]bool{"gone": true, "retyped": false, "becomesdir": true, "mode": true, "a": false, "new/a": true, "new/l": false} {
		if dir, ok := got[path]; !ok || dir != want {
			t.Errorf("%s: %v, %v; want %v", path, dir, ok, want)
		}
	}
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// TestStopped leaves the loop at each change in turn.
func TestStopped(t *testing.T) {
	a, b := diff.Dir(sh(t, before)), diff.Dir(sh(t, before+change))
	n := len(lines(t, a, b, diff.Options{}))
	open := openFiles(t)
	for stop := range n {
		i := 0
		for _, err := range diff.Trees(t.Context(), a, b, diff.Options{}) {
			if err != nil {
				t.Fatal(err)
			}
			if i++; i > stop {
				break
			}
		}
	}
	if now := openFiles(t); now != open {
		t.Errorf("%d files are open, %d were before", now, open)
	}
}

// failure is the error that Trees ends with.
func failure(ctx context.Context, a, b diff.Tree) error {
	for _, err := range diff.Trees(ctx, a, b, diff.Options{}) {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestErrors(t *testing.T) {
	dir := sh(t, before)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	r := repotest.New(t, ostreerepo.ModeArchive)
	c := repotest.Commit(t, r, dir, tree.Options{})
	root := commitTree(t, r, c)
	if err := os.RemoveAll(filepath.Join(r.Path(), "objects")); err != nil {
		t.Fatal(err)
	}
	for _, e := range []struct {
		name string
		got  error
		want error
	}{
		{"first missing", failure(t.Context(), diff.Dir(dir+"/nope"), diff.Dir(dir)), fs.ErrNotExist},
		{"second missing", failure(t.Context(), diff.Dir(dir), diff.Dir(dir+"/nope")), fs.ErrNotExist},
		{"a file", failure(t.Context(), diff.Dir(dir), diff.Dir(dir+"/a")), unix.ENOTDIR},
		{"cancelled", failure(cancelled, diff.Dir(dir), diff.Dir(dir)), context.Canceled},
		{"no dirtree", failure(t.Context(), root, diff.Dir(dir)), ostreerepo.ErrNotFound},
	} {
		if !errors.Is(e.got, e.want) {
			t.Errorf("%s: %v, want %v", e.name, e.got, e.want)
		}
	}
}

func TestCount(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeBare)
	a, b := repotest.Commit(t, r, sh(t, before), tree.Options{}), repotest.Commit(t, r, sh(t, before+change), tree.Options{})
	for _, pair := range [][2]object.Checksum{{a, b}, {b, a}, {a, a}} {
		s, err := diff.Count(t.Context(), r, pair[0], pair[1])
		if err != nil {
			t.Fatal(err)
		}
		got := []string{fmt.Sprint("[A] Object Count: ", s.A), fmt.Sprint("[B] Object Count: ", s.B), fmt.Sprint("Common Object Count: ", s.Common)}
		want := theirs(t, r, "--stats", pair[0].String(), pair[1].String())
		if diff := cmp.Diff(want[:3], got); diff != "" {
			t.Error(diff)
		}
		if s.CommonSize <= 0 {
			t.Errorf("common size %d", s.CommonSize)
		}
	}
	if _, err := diff.Count(t.Context(), r, a, object.Checksum{1}); !errors.Is(err, ostreerepo.ErrNotFound) {
		t.Error(err)
	}
}
