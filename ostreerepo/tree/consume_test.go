package tree_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/tree"
	"golang.org/x/sys/unix"
)

// consumable makes a directory to consume, and one like it to stay.
func consumable(t *testing.T) (gone, stays string) {
	t.Helper()
	for _, top := range []*string{&gone, &stays} {
		*top = t.TempDir() + "/src"
		writeFile(t, *top+"/a/b/file", "x", 0o644)
		writeFile(t, *top+"/a/large", random(1, 1<<20), 0o644)
		must(t, os.Link(*top+"/a/large", *top+"/a/large2"))
		must(t, os.Symlink("file", *top+"/a/b/link"))
		must(t, os.Mkdir(*top+"/empty", 0o711))
	}
	return gone, stays
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return !errors.Is(err, fs.ErrNotExist)
}

func TestConsume(t *testing.T) {
	gone, stays := consumable(t)
	r := repotest.New(t, ostreerepo.ModeBareUser)
	got := mustBuild(t, r, tree.Options{Consume: true}, dirs(gone))
	if exists(gone) {
		t.Error("the consumed directory is still there")
	}
	if want := mustBuild(t, r, tree.Options{}, dirs(stays)); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestConsumeSkipped(t *testing.T) {
	gone, _ := consumable(t)
	skip, err := tree.ParseSkipList(strings.NewReader("/a/b\n/a/large2\n"))
	must(t, err)
	mustBuild(t, repotest.New(t, ostreerepo.ModeArchive), tree.Options{Consume: true, SkipList: skip}, dirs(gone))
	if exists(gone) {
		t.Error("the consumed directory is still there")
	}
}

// A source that is skipped as a whole stays as a whole.
func TestConsumeNothing(t *testing.T) {
	gone, _ := consumable(t)
	skip, err := tree.ParseSkipList(strings.NewReader("/\n"))
	must(t, err)
	err = repotest.New(t, ostreerepo.ModeArchive).Update(t.Context(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		return tree.New(tx, tree.Options{Consume: true, SkipList: skip}).AddDir(t.Context(), gone)
	})
	if err != nil || !exists(gone+"/a/b/file") {
		t.Error(err)
	}
}

// TestAdoptedNotKept: a file that did not become an object is its owner's again, also
// where the other objects of the transaction are kept for the next.
func TestAdoptedNotKept(t *testing.T) {
	src := t.TempDir() + "/src"
	writeFile(t, src+"/file", "adopt me", 0o644)
	r := repotest.New(t, ostreerepo.ModeBareUserOnly)
	failed := errors.New("failed")
	err := r.Update(t.Context(), ostreerepo.UpdateOptions{KeepStaged: true}, func(tx *ostreerepo.Tx) error {
		must(t, tree.New(tx, tree.Options{Consume: true}).AddDir(t.Context(), src))
		return failed
	})
	if err != failed {
		t.Fatal(err)
	}
	writeFile(t, src+"/file", "it is mine", 0o644)
	must(t, r.Update(t.Context(), ostreerepo.UpdateOptions{}, func(*ostreerepo.Tx) error { return nil }))
	for n, err := range r.Objects() {
		must(t, err)
		if n.Type == object.TypeFile {
			t.Errorf("object %v", n)
		}
	}
}

func TestConsumeCurrentDirectory(t *testing.T) {
	gone, _ := consumable(t)
	r := repotest.New(t, ostreerepo.ModeArchive)
	t.Chdir(gone)
	mustBuild(t, r, tree.Options{Consume: true}, dirs("."))
	if left, err := os.ReadDir(gone); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v; want an empty directory", left, err)
	}
}

// TestConsumeFails shows that what could not be committed stays.
func TestConsumeFails(t *testing.T) {
	gone, _ := consumable(t)
	must(t, unix.Mkfifo(gone+"/a/b/pipe", 0o644))
	must(t, os.Symlink("\xff", gone+"/a/b/bad"))
	if _, err := build(repotest.New(t, ostreerepo.ModeArchive), tree.Options{Consume: true}, dirs(gone)); err == nil ||
		!strings.Contains(err.Error(), "not UTF-8") {
		t.Errorf("%v, want the error of the symlink", err)
	}
	for _, name := range []string{"/a/b/file", "/a/b/pipe", "/a/b/bad", "/a/large", "/empty"} {
		if !exists(gone + name) {
			t.Errorf("%s is gone", name)
		}
	}
}

// TestAdopt shows which files become objects themselves, what becomes of them, and
// that a transaction that fails leaves them alone.
func TestAdopt(t *testing.T) {
	for _, c := range []struct {
		mode    ostreerepo.Mode
		perm    fs.FileMode
		o       tree.Options
		adopted bool
	}{
		{ostreerepo.ModeBare, 0o4755, tree.Options{}, true},
		{ostreerepo.ModeBare, 0o644, tree.Options{UID: number(12)}, false},
		{ostreerepo.ModeBare, 0o664, tree.Options{CanonicalPermissions: true}, false},
		{ostreerepo.ModeBareUserOnly, 0o644, tree.Options{}, true},
		{ostreerepo.ModeBareUserOnly, 0o666, tree.Options{}, false},
		{ostreerepo.ModeBareUser, 0o644, tree.Options{}, false},
		{ostreerepo.ModeArchive, 0o644, tree.Options{}, false},
	} {
		if c.mode == ostreerepo.ModeBare && !isRoot() {
			continue
		}
		src := t.TempDir() + "/src"
		writeFile(t, src+"/file", "adopt me", c.perm&0o777)
		must(t, unix.Chmod(src+"/file", uint32(c.perm)))
		var was, is unix.Stat_t
		must(t, unix.Stat(src+"/file", &was))
		r := repotest.New(t, c.mode)
		c.o.Consume = true
		failed := errors.New("failed")
		err := r.Update(context.Background(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
			must(t, tree.New(tx, c.o).AddDir(context.Background(), src))
			return failed
		})
		must(t, unix.Stat(src+"/file", &is))
		if was.Atim, was.Ctim = is.Atim, is.Ctim; err != failed || was != is {
			t.Errorf("%v: %v, file %+v was %+v", c.mode, err, is, was)
		}
		committed(t, r, "main", c.o, dirs(src))
		same := false
		for n, err := range r.Objects() {
			must(t, err)
			must(t, unix.Lstat(r.Path()+"/objects/"+n.LoosePath(c.mode == ostreerepo.ModeArchive), &is))
			if is.Ino == was.Ino && n.Type == object.TypeFile {
				same = true
				if is.Mtim.Nano() != 0 || is.Nlink != 1 {
					t.Errorf("%v: adopted file %+v", c.mode, is)
				}
			}
		}
		if same != c.adopted {
			t.Errorf("%v %o: adopted is %v, want %v", c.mode, c.perm, same, c.adopted)
		}
		ostree(t, r.Path(), "fsck")
	}
}

// TestConsumeChanged shows that what came or changed in the meantime stays.
func TestConsumeChanged(t *testing.T) {
	gone, _ := consumable(t)
	r := repotest.New(t, ostreerepo.ModeBareUser)
	err := r.Update(context.Background(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		must(t, tree.New(tx, tree.Options{Consume: true}).AddDir(context.Background(), gone))
		writeFile(t, gone+"/a/b/new", "came late", 0o644)
		must(t, os.Remove(gone+"/a/large"))
		writeFile(t, gone+"/a/large", "changed", 0o644)
		must(t, os.RemoveAll(gone+"/a/b/link"))
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "/a/b") {
		t.Errorf("%v, want an error that names the directory", err)
	}
	for name, stays := range map[string]bool{"/a/b/new": true, "/a/large": true, "/a/b/file": false, "/a/large2": false, "/empty": false} {
		if exists(gone+name) != stays {
			t.Errorf("%s: there is %v", name, !stays)
		}
	}
}

// committed writes a commit of the tree that add assembles and sets ref.
func committed(t *testing.T, r *ostreerepo.Repo, ref string, o tree.Options, add func(context.Context, *tree.Tree) error) {
	t.Helper()
	ctx := context.Background()
	must(t, r.Update(ctx, ostreerepo.UpdateOptions{DisableFsync: true}, func(tx *ostreerepo.Tx) error {
		return putCommit(ctx, tx, ref, o, add)
	}))
}

// TestDevIno commits checkouts by hard link, changed a little, with both
// programs in the same repository.
func TestDevIno(t *testing.T) {
	for _, mode := range []ostreerepo.Mode{ostreerepo.ModeBareUser, ostreerepo.ModeBareUserOnly, ostreerepo.ModeBare} {
		if mode == ostreerepo.ModeBare && !isRoot() {
			continue
		}
		t.Run(mode.String(), func(t *testing.T) { devIno(t, mode) })
	}
}

func devIno(t *testing.T, mode ostreerepo.Mode) {
	src := t.TempDir() + "/src"
	writeFile(t, src+"/usr/bin/tool", "tool", 0o4755)
	writeFile(t, src+"/usr/share/doc", random(3, 100), 0o640)
	writeFile(t, src+"/usr/share/same", "stays", 0o644)
	must(t, os.Symlink("tool", src+"/usr/bin/alias"))
	must(t, unix.Setxattr(src+"/usr/share/doc", "user.doc", []byte("1"), 0))
	r := repotest.New(t, mode)
	committed(t, r, "main", tree.Options{UID: number(11)}, dirs(src))
	checkout := t.TempDir() + "/checkout"
	if mode == ostreerepo.ModeBareUser {
		ostree(t, r.Path(), "checkout", "-U", "-H", "main", checkout)
	} else {
		ostree(t, r.Path(), "checkout", "-H", "main", checkout)
	}
	must(t, os.Remove(checkout+"/usr/share/doc"))
	writeFile(t, checkout+"/usr/share/doc", "new", 0o644)
	writeFile(t, checkout+"/usr/share/added", "new", 0o600)

	cache, err := r.ScanHardlinks(context.Background())
	must(t, err)
	for _, v := range variants {
		for _, canonical := range []bool{false, true} {
			o, args := v.o, append(v.args, "--link-checkout-speedup", checkout)
			o.DevIno, o.DevInoCanonical = cache, canonical
			if canonical {
				args = append(args, "--devino-canonical")
			}
			compare(t, r, mustBuild(t, r, o, dirs(checkout)), r.Path(), theirs(t, r.Path(), args...))
		}
	}
}

// TestDevInoReadsNothing shows that a file that is an object is not opened: the
// bodies of this checkout are changed in place, and the objects with them.
func TestDevInoReadsNothing(t *testing.T) {
	src := t.TempDir() + "/src"
	writeFile(t, src+"/a", "one", 0o644)
	writeFile(t, src+"/b", "two", 0o644)
	r := repotest.New(t, ostreerepo.ModeBareUser)
	want := mustBuild(t, r, tree.Options{}, dirs(src))
	committed(t, r, "main", tree.Options{}, dirs(src))
	checkout := t.TempDir() + "/checkout"
	ostree(t, r.Path(), "checkout", "-U", "-H", "main", checkout)
	must(t, os.WriteFile(checkout+"/a", []byte("changed behind its back"), 0o644))
	cache, err := r.ScanHardlinks(context.Background())
	must(t, err)
	var stats ostreerepo.Stats
	must(t, r.Update(context.Background(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		tr := tree.New(tx, tree.Options{DevIno: cache})
		must(t, tr.AddDir(context.Background(), checkout))
		contents, meta, err := tr.Write(context.Background())
		if got := (roots{contents.String(), meta.String()}); got != want {
			t.Errorf("%v, want %v", got, want)
		}
		stats = tx.Stats()
		return err
	}))
	if stats.CacheHits != 2 || stats.ContentWritten != 0 {
		t.Errorf("%+v, want 2 cache hits and nothing written", stats)
	}
}
