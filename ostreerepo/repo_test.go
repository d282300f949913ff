package ostreerepo_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/tree"
)

func ostree(t *testing.T, args ...string) (string, error) {
	t.Helper()
	out, err := exec.Command("ostree", args...).CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("this test needs the program ostree (Debian package ostree): %v", err)
	}
	return string(out), err
}

func update(t *testing.T, r *ostreerepo.Repo, fn func(*ostreerepo.Tx) error) {
	t.Helper()
	if err := r.Update(context.Background(), ostreerepo.UpdateOptions{}, fn); err != nil {
		t.Fatal(err)
	}
}

type testFile struct {
	header object.FileHeader
	body   string
}

func testFiles(mode ostreerepo.Mode) map[string]testFile {
	files := map[string]testFile{
		"empty":   {object.FileHeader{Mode: 0o100644}, ""},
		"hi":      {object.FileHeader{Mode: 0o100755}, "hi\n"},
		"big":     {object.FileHeader{Mode: 0o100644}, strings.Repeat("0123456789abcdef", 100_000)},
		"none":    {object.FileHeader{Mode: 0o100000}, "unreadable"},
		"link":    {object.FileHeader{Mode: 0o120777, Target: "../to/somewhere"}, ""},
		"longest": {object.FileHeader{Mode: 0o120777, Target: strings.Repeat("x", 4000)}, ""},
	}
	if mode == ostreerepo.ModeBareUserOnly {
		return files
	}
	xattrs := object.Xattrs{{Name: "user.a", Value: []byte("\x00\xff")}, {Name: "user.b", Value: []byte("b")}}
	files["setuid"] = testFile{object.FileHeader{Mode: 0o104755, UID: 12, GID: 34, Xattrs: xattrs}, "x"}
	files["owned-link"] = testFile{object.FileHeader{Mode: 0o120777, UID: 5, GID: 6, Target: "t"}, ""}
	return files
}

// putTree commits files in one directory and returns the commit.
func putTree(tx *ostreerepo.Tx, files map[string]testFile) (object.Checksum, error) {
	var tree object.DirTree
	for name, f := range files {
		var body io.Reader
		if !f.header.IsSymlink() {
			body = strings.NewReader(f.body)
		}
		c, err := tx.PutFile(f.header, int64(len(f.body)), body)
		if err != nil {
			return object.Checksum{}, err
		}
		if want := f.header.Checksum([]byte(f.body)); c != want {
			return object.Checksum{}, fmt.Errorf("%s: checksum %s, want %s", name, c, want)
		}
		tree.Files = append(tree.Files, object.FileEntry{Name: name, Checksum: c})
	}
	treeSum, err := tx.PutMetadata(object.TypeDirTree, tree.Encode())
	if err != nil {
		return object.Checksum{}, err
	}
	meta, err := tx.PutMetadata(object.TypeDirMeta, object.DirMeta{Mode: 0o40755}.Encode())
	if err != nil {
		return object.Checksum{}, err
	}
	return tx.PutCommit(&object.Commit{Subject: "s", Timestamp: 1, Tree: treeSum, Meta: meta})
}

func TestPutAndReadInEveryMode(t *testing.T) {
	for _, mode := range repotest.Modes {
		t.Run(mode.String(), func(t *testing.T) {
			r := repotest.New(t, mode)
			files := testFiles(mode)
			var commit object.Checksum
			update(t, r, func(tx *ostreerepo.Tx) (err error) {
				if commit, err = putTree(tx, files); err != nil {
					return err
				}
				return tx.SetRef("a/b", commit)
			})
			for name, f := range files {
				checkFile(t, r, name, f)
			}
			if got, err := r.Resolve("a/b"); err != nil || got != commit {
				t.Errorf("Resolve = %v, %v; want %s", got, err, commit)
			}
			report, err := r.Fsck(context.Background(), ostreerepo.FsckOptions{})
			if err != nil || len(report.Problems) > 0 {
				t.Errorf("Fsck = %+v, %v", report, err)
			}
			if out, err := ostree(t, "--repo="+r.Path(), "fsck"); err != nil {
				t.Errorf("ostree fsck: %v\n%s", err, out)
			}
			if out, err := ostree(t, "--repo="+r.Path(), "rev-parse", "a/b"); err != nil || strings.TrimSpace(out) != commit.String() {
				t.Errorf("ostree rev-parse: %v\n%s", err, out)
			}
		})
	}
}

func checkFile(t *testing.T, r *ostreerepo.Repo, name string, f testFile) {
	t.Helper()
	file, err := r.OpenFile(f.header.Checksum([]byte(f.body)))
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	defer file.Close()
	body, err := io.ReadAll(file)
	if err != nil || string(body) != f.body || file.Size != int64(len(f.body)) {
		t.Errorf("%s: read %d bytes of size %d, %v", name, len(body), file.Size, err)
	}
	if file.Header.Target != f.header.Target || file.Header.Mode != f.header.Mode {
		t.Errorf("%s: header %+v, want %+v", name, file.Header, f.header)
	}
}

func TestFailedUpdateLeavesNothing(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	before := listing(t, r.Path())
	fail := errors.New("no")
	err := r.Update(context.Background(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		commit, err := putTree(tx, testFiles(ostreerepo.ModeArchive))
		if err != nil {
			return err
		}
		if err := tx.SetRef("x", commit); err != nil {
			return err
		}
		return fail
	})
	if !errors.Is(err, fail) {
		t.Fatalf("Update = %v, want %v", err, fail)
	}
	if after := listing(t, r.Path()); after != before {
		t.Errorf("the repository changed:\n%s\nwas\n%s", after, before)
	}
}

func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Name() != ".lock" {
			fmt.Fprintln(&b, strings.TrimPrefix(path, dir))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPutFileAs(t *testing.T) {
	for _, mode := range repotest.Modes {
		for _, size := range []int{0, 3, 2 << 20} {
			r := repotest.New(t, mode)
			body := bytes.Repeat([]byte("a"), size)
			h := object.FileHeader{Mode: 0o100644}
			want := h.Checksum(body)
			update(t, r, func(tx *ostreerepo.Tx) error {
				var mismatch *object.ChecksumError
				wrong := h.Checksum([]byte("something else"))
				if err := tx.PutFileAs(wrong, h, int64(size), bytes.NewReader(body)); !errors.As(err, &mismatch) || mismatch.Actual != want {
					t.Errorf("%s, %d bytes: wrong checksum: %v", mode, size, err)
				}
				if ok, _ := tx.Has(object.Name{Checksum: wrong, Type: object.TypeFile}); ok {
					t.Errorf("%s, %d bytes: the wrong object is there", mode, size)
				}
				if err := tx.PutFileAs(want, h, int64(size), bytes.NewReader(body)); err != nil {
					return err
				}
				unread := iotestReader{t}
				return tx.PutFileAs(want, h, int64(size), unread)
			})
			checkFile(t, r, "file", testFile{h, string(body)})
		}
	}
}

type iotestReader struct{ t *testing.T }

func (r iotestReader) Read([]byte) (int, error) {
	r.t.Error("the body of an object that is there was read")
	return 0, io.EOF
}

func TestShortBody(t *testing.T) {
	for _, size := range []int64{10, 1 << 20} {
		r := repotest.New(t, ostreerepo.ModeBareUser)
		err := r.Update(context.Background(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
			_, err := tx.PutFile(object.FileHeader{Mode: 0o100644}, size, strings.NewReader("short"))
			return err
		})
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("size %d: %v, want unexpected EOF", size, err)
		}
	}
}

func TestDamageIsFound(t *testing.T) {
	for _, mode := range repotest.Modes {
		r := repotest.New(t, mode)
		h := object.FileHeader{Mode: 0o100644}
		var commit object.Checksum
		update(t, r, func(tx *ostreerepo.Tx) (err error) {
			commit, err = putTree(tx, map[string]testFile{"f": {h, "some body of a file"}})
			return err
		})
		c := h.Checksum([]byte("some body of a file"))
		path := filepath.Join(r.Path(), "objects", object.Name{Checksum: c, Type: object.TypeFile}.LoosePath(mode == ostreerepo.ModeArchive))
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)-4] ^= 1
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		report, err := r.Fsck(context.Background(), ostreerepo.FsckOptions{Delete: true})
		if err != nil || len(report.Problems) != 1 {
			t.Fatalf("%s: Fsck = %+v, %v", mode, report, err)
		}
		p := report.Problems[0]
		if p.Object.Checksum != c || p.Missing() || len(p.Commits) != 1 || p.Commits[0] != commit {
			t.Errorf("%s: problem %+v", mode, p)
		}
		if partial, _ := r.Partial(commit); !partial {
			t.Errorf("%s: the commit is not marked partial", mode)
		}
		if _, err := r.OpenFile(c); !errors.Is(err, ostreerepo.ErrNotFound) {
			t.Errorf("%s: the damaged object is still there: %v", mode, err)
		}
	}
}

func TestConcurrentPuts(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	update(t, r, func(tx *ostreerepo.Tx) error {
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for i := range 200 {
					body := fmt.Sprint("file ", i)
					if _, err := tx.PutFile(object.FileHeader{Mode: 0o100644}, int64(len(body)), strings.NewReader(body)); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		if s := tx.Stats(); s.ContentTotal != 1600 || s.ContentWritten != 200 {
			t.Errorf("stats %+v", s)
		}
		return nil
	})
}

func TestDeadStagingIsRemoved(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeBare)
	h := object.FileHeader{Mode: 0o100644}
	c := h.Checksum([]byte("whole"))
	for _, name := range []string{"treenail-abc", "staging-00000000-0000-0000-0000-000000000000-abc"} {
		left := filepath.Join(r.Path(), "tmp", name)
		path := filepath.Join(left, object.Name{Checksum: c, Type: object.TypeFile}.LoosePath(false))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("who"), 0o644); err != nil {
			t.Fatal(err)
		}
		update(t, r, func(tx *ostreerepo.Tx) error {
			_, err := tx.PutFile(h, 5, strings.NewReader("whole"))
			return err
		})
		if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", name, err)
		}
	}
	checkFile(t, r, "file", testFile{h, "whole"})
}

func TestDetachedMetadata(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	c := object.Sum([]byte("any"))
	for _, value := range []string{"one", "two"} {
		want := gvariant.NewVardict(gvariant.Entry{Key: "k", Value: gvariant.NewString(value)})
		update(t, r, func(tx *ostreerepo.Tx) error { return tx.PutDetached(c, want) })
		got, ok, err := r.DetachedMetadata(c)
		if err != nil || !ok || !bytes.Equal(got.Bytes(), want.Bytes()) {
			t.Errorf("DetachedMetadata = %v, %v, %v", got, ok, err)
		}
	}
}

func TestRefs(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	var one, two object.Checksum
	update(t, r, func(tx *ostreerepo.Tx) (err error) {
		if one, err = putTree(tx, map[string]testFile{"a": {object.FileHeader{Mode: 0o100644}, "1"}}); err != nil {
			return err
		}
		two, err = tx.PutCommit(&object.Commit{Parent: one, Tree: object.Sum(nil), Meta: object.Sum(nil)})
		return err
	})
	set := func(refspec string, c object.Checksum) {
		update(t, r, func(tx *ostreerepo.Tx) error { return tx.SetRef(refspec, c) })
	}
	set("os/x", one)
	set("os/y", two)
	set("origin:os/z", two)
	update(t, r, func(tx *ostreerepo.Tx) error { return tx.SetAlias("al", "os/x") })
	for rev, want := range map[string]object.Checksum{
		"os/x": one, "os/y": two, "os/y^": one, "origin:os/z": two, "origin/os/z": two, "os/z": two,
		"al": one, one.String(): one, two.String()[:10]: two, two.String() + "^": one,
	} {
		if got, err := r.Resolve(rev); err != nil || got != want {
			t.Errorf("Resolve(%s) = %v, %v; want %s", rev, got, err, want)
		}
	}
	for _, rev := range []string{"nope", "os", "os/x^", "", "../x", "a//b", "os/x/y"} {
		if got, err := r.Resolve(rev); err == nil {
			t.Errorf("Resolve(%q) = %s, want an error", rev, got)
		}
	}
	refs, err := r.Refs()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, ref := range refs {
		names = append(names, ref.Name+">"+ref.Alias)
	}
	if got := strings.Join(names, " "); got != "al>os/x origin:os/z> os/x> os/y>" {
		t.Errorf("Refs = %s", got)
	}
	err = r.Update(context.Background(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error { return tx.SetRef("os", one) })
	if err == nil || !strings.Contains(err.Error(), "Conflict: ") {
		t.Errorf("a ref over a directory with refs: %v", err)
	}
}

func TestParent(t *testing.T) {
	parent, child := repotest.New(t, ostreerepo.ModeArchive), repotest.New(t, ostreerepo.ModeBareUser)
	var commit object.Checksum
	update(t, parent, func(tx *ostreerepo.Tx) (err error) {
		commit, err = putTree(tx, map[string]testFile{"a": {object.FileHeader{Mode: 0o100644}, "1"}})
		return err
	})
	config := child.Config()
	if err := config.SetString("core", "parent", parent.Path()); err != nil {
		t.Fatal(err)
	}
	if err := child.WriteConfig(config); err != nil {
		t.Fatal(err)
	}
	reopened, err := ostreerepo.Open(child.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer reopened.Close()
	if _, err := reopened.Commit(commit); err != nil {
		t.Error(err)
	}
	checkFile(t, reopened, "a", testFile{object.FileHeader{Mode: 0o100644}, "1"})
}

// Directories below objects/ are in the group that it passes on, in a new
// repository too, whose objects all come from one below tmp/.
func TestDirectoriesInheritGroup(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	objects := filepath.Join(r.Path(), "objects")
	if err := os.Chmod(objects, 0o775|os.ModeSetgid); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	repotest.NewBuilder(t, dir).File("f", "body", 0o644)
	repotest.Commit(t, r, dir, tree.Options{})
	dirs, err := os.ReadDir(objects)
	if err != nil || len(dirs) == 0 {
		t.Fatal(dirs, err)
	}
	for _, d := range dirs {
		if info, err := d.Info(); err != nil || info.Mode()&os.ModeSetgid == 0 {
			t.Errorf("%s: %v, %v", d.Name(), info.Mode(), err)
		}
	}
}
