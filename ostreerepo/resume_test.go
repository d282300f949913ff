package ostreerepo_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
	"golang.org/x/sys/unix"
)

const testBoot = "01234567-89ab-cdef-0123-456789abcdef"

var errStop = errors.New("stop")

// fail puts files and a commit in a transaction that fails with err.
func fail(t *testing.T, r *ostreerepo.Repo, o ostreerepo.UpdateOptions, want error) {
	t.Helper()
	err := r.Update(context.Background(), o, func(tx *ostreerepo.Tx) error {
		if _, err := putTree(tx, testFiles(r.Mode())); err != nil {
			return err
		}
		return want
	})
	if !errors.Is(err, want) {
		t.Fatalf("%v, want %v", err, want)
	}
}

// staged lists the objects that wait for the next transaction.
func staged(t *testing.T, r *ostreerepo.Repo) []string {
	t.Helper()
	paths, err := filepath.Glob(r.Path() + "/tmp/staging-" + testBoot + "-*/??/*")
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestKeepStaged(t *testing.T) {
	t.Setenv("OSTREE_BOOTID", testBoot)
	r := repotest.New(t, ostreerepo.ModeBareUser)
	fail(t, r, ostreerepo.UpdateOptions{}, errStop)
	if left, _ := filepath.Glob(r.Path() + "/tmp/*-*"); len(left) > 0 {
		t.Errorf("a failed transaction left %q", left)
	}
	fail(t, r, ostreerepo.UpdateOptions{KeepStaged: true}, unix.ENOSPC)
	if left := staged(t, r); len(left) > 0 {
		t.Errorf("on a full disk %q stay", left)
	}
	fail(t, r, ostreerepo.UpdateOptions{KeepStaged: true}, errStop)
	left := staged(t, r)
	if want := len(testFiles(r.Mode())) + 2; len(left) != want {
		t.Errorf("%d objects stay, want %d", len(left), want)
	}
	if strings.Contains(strings.Join(left, " "), ".commit") {
		t.Errorf("a commit stays: %q", left)
	}
	fail(t, r, ostreerepo.UpdateOptions{}, errStop) // what was there before this one stays
	if again := staged(t, r); len(again) != len(left) {
		t.Errorf("%d objects stay, want %d", len(again), len(left))
	}

	var stats ostreerepo.Stats
	update(t, r, func(tx *ostreerepo.Tx) error {
		_, err := putTree(tx, testFiles(r.Mode()))
		stats = tx.Stats()
		return err
	})
	if stats.ContentWritten != 0 || stats.MetadataWritten != 1 {
		t.Errorf("%+v, want only the commit written", stats)
	}
	if left, _ := filepath.Glob(r.Path() + "/tmp/*-*"); len(left) > 0 {
		t.Errorf("%q left", left)
	}
	if out, err := ostree(t, "fsck", "--all", "--repo="+r.Path()); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestResumeWithOstree lets each program go on with what the other one staged.
func TestResumeWithOstree(t *testing.T) {
	t.Setenv("OSTREE_BOOTID", testBoot)
	src := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		if err := os.WriteFile(src+"/"+name, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := repotest.New(t, ostreerepo.ModeArchive)
	commit := []string{"commit", "--repo=" + r.Path(), "--orphan", "--table-output", "--owner-uid=0", "--owner-gid=0", "--no-xattrs", src}
	t.Setenv("OSTREE_REPO_TEST_ERROR", "pre-commit")
	if out, err := ostree(t, commit...); err == nil {
		t.Fatal(out)
	}
	theirs := len(staged(t, r))
	err := r.Update(context.Background(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		for _, name := range []string{"a", "b"} {
			if _, err := tx.PutFile(object.FileHeader{Mode: 0o100644}, 1, strings.NewReader(name)); err != nil {
				return err
			}
		}
		if n := tx.Stats().ContentWritten; n != 0 {
			t.Errorf("%d files written that ostree has staged", n)
		}
		_, err := tx.PutFile(object.FileHeader{Mode: 0o100644}, 1, strings.NewReader("d"))
		return err
	})
	if err == nil || !strings.HasPrefix(err.Error(), "OSTREE_REPO_TEST_ERROR_PRE_COMMIT") {
		t.Fatal(err)
	}
	if ours := len(staged(t, r)); ours != theirs { // one file more, one commit less
		t.Errorf("%d objects staged, want %d", ours, theirs)
	}
	os.Unsetenv("OSTREE_REPO_TEST_ERROR")
	out, err := ostree(t, commit...)
	if err != nil || !strings.Contains(out, "Content Written: 0\n") {
		t.Errorf("%v\n%s", err, out)
	}
	if ok, err := r.Has(object.Name{Checksum: (&object.FileHeader{Mode: 0o100644}).Checksum([]byte("d")), Type: object.TypeFile}); !ok || err != nil {
		t.Errorf("our object is %v, %v", ok, err)
	}
}

func TestView(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	update(t, r, func(tx *ostreerepo.Tx) error {
		c, err := putTree(tx, testFiles(r.Mode()))
		if err != nil {
			return err
		}
		commit, err := tx.View().Commit(c)
		if err != nil {
			return err
		}
		n := object.Name{Checksum: c, Type: object.TypeCommit}
		if data, err := tx.Metadata(n); err != nil || object.Sum(data) != c {
			t.Errorf("metadata: %v", err)
		}
		if _, err := r.Metadata(n); !errors.Is(err, ostreerepo.ErrNotFound) {
			t.Errorf("the repository has it too early: %v", err)
		}
		entries := 0
		for e, err := range tx.View().Walk(commit.Tree, commit.Meta) {
			if err != nil {
				return err
			}
			if entries++; e.Dir {
				continue
			}
			f, err := tx.View().OpenFile(e.Checksum)
			if err != nil {
				return err
			}
			if err := f.Verify(); err != nil {
				t.Error(err)
			}
			f.Close()
		}
		if want := len(testFiles(r.Mode())) + 1; entries != want {
			t.Errorf("%d entries, want %d", entries, want)
		}
		if err := tx.View().Update(context.Background(), ostreerepo.UpdateOptions{}, func(*ostreerepo.Tx) error { return nil }); err == nil {
			t.Error("the view was written to")
		}
		return nil
	})
}

func TestAfterCommit(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	var calls []string
	var c object.Checksum
	note := func(name string, err error) func() error {
		return func() error {
			if at, e := r.Resolve("main"); e != nil || at != c {
				t.Errorf("%s comes before the ref: %v", name, e)
			}
			calls = append(calls, name)
			return err
		}
	}
	err := r.Update(context.Background(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) (err error) {
		tx.AfterCommit(note("one", nil))
		tx.AfterCommit(note("two", errStop))
		c, err = putTree(tx, testFiles(r.Mode()))
		if err == nil {
			err = tx.SetRef("main", c)
		}
		return err
	})
	if !errors.Is(err, errStop) || strings.Join(calls, " ") != "one two" {
		t.Errorf("%v after %v", err, calls)
	}
	err = r.Update(context.Background(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		tx.AfterCommit(note("three", nil))
		return errStop
	})
	if !errors.Is(err, errStop) || len(calls) != 2 {
		t.Errorf("%v after %v", err, calls)
	}
}
