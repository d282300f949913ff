package ostreerepo_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
)

func objectPath(r *ostreerepo.Repo, n object.Name) string {
	return r.Path() + "/objects/" + n.LoosePath(r.Mode() == ostreerepo.ModeArchive)
}

// TestFsckUses: paths and refs of an object, whatever leads to it, and no more of them
// than one can read, also in a tree with a million million paths.
func TestFsckUses(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	f := testFile{object.FileHeader{Mode: 0o100644}, "x"}
	sum := f.header.Checksum([]byte(f.body))
	update(t, r, func(tx *ostreerepo.Tx) error {
		if _, err := putTree(tx, map[string]testFile{"x": f}); err != nil {
			return err
		}
		meta := object.Sum(object.DirMeta{Mode: 0o40755}.Encode())
		tree := object.DirTree{Files: []object.FileEntry{{Name: "x", Checksum: sum}}}
		for range 40 { // directories that contain the last one twice
			c, err := tx.PutMetadata(object.TypeDirTree, tree.Encode())
			if err != nil {
				return err
			}
			tree = object.DirTree{Dirs: []object.DirEntry{{Name: "a", Tree: c, Meta: meta}, {Name: "b", Tree: c, Meta: meta}}}
		}
		root, err := tx.PutMetadata(object.TypeDirTree, tree.Encode())
		if err != nil {
			return err
		}
		for _, ref := range []string{"two", "one", ""} {
			c, err := tx.PutCommit(&object.Commit{Subject: ref, Tree: root, Meta: meta})
			if err == nil && ref != "" {
				err = tx.SetRef(ref, c)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err := os.Remove(objectPath(r, object.Name{Checksum: sum, Type: object.TypeFile})); err != nil {
		t.Fatal(err)
	}
	report, err := r.Fsck(context.Background(), ostreerepo.FsckOptions{Revs: []string{"one", "two", "two"}})
	if err != nil || len(report.Problems) != 1 || len(report.Commits) != 2 || len(report.Marked) != 2 {
		t.Fatalf("%v %+v", err, report)
	}
	p := report.Problems[0]
	want := ostreerepo.FsckUse{Path: strings.Repeat("/a", 40) + "/x", Refs: []string{"one", "two"}, Commits: 2}
	if !p.Missing() || !p.MoreUses || len(p.Uses) != 20 || cmp.Diff(want, p.Uses[0]) != "" {
		t.Errorf("%+v", p)
	}
	// The others have been marked.
	report, err = r.Fsck(context.Background(), ostreerepo.FsckOptions{})
	if err != nil || len(report.FsckPartial) != 2 || len(report.Partial) != 2 || len(report.Commits) != 2 || len(report.Problems) != 1 {
		t.Fatalf("%v %+v", err, report)
	}
}

// TestFsckStops: without KeepGoing the report names all that are missing and the first
// that is damaged, no matter which goroutine finds what.
func TestFsckStops(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeBareUserOnly)
	files, sums := map[string]testFile{}, []object.Checksum{}
	for i := range 100 {
		f := testFile{object.FileHeader{Mode: 0o100644}, fmt.Sprint(i)}
		files[f.body] = f
		sums = append(sums, f.header.Checksum([]byte(f.body)))
	}
	update(t, r, func(tx *ostreerepo.Tx) error {
		_, err := putTree(tx, files)
		return err
	})
	first := object.Checksum{0xff}
	for i, c := range sums {
		path, err := objectPath(r, object.Name{Checksum: c, Type: object.TypeFile}), error(nil)
		switch {
		case i < 10:
			err = os.Remove(path)
		case i < 30:
			err = os.WriteFile(path, []byte("?"), 0o644)
			if c.Compare(first) < 0 {
				first = c
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 20 {
		report, err := r.Fsck(context.Background(), ostreerepo.FsckOptions{})
		if err != nil || len(report.Problems) != 11 {
			t.Fatalf("%v %d problems", err, len(report.Problems))
		}
		for _, p := range report.Problems {
			if !p.Missing() && p.Object.Checksum != first {
				t.Errorf("%v, want %s", p.Object, first)
			}
		}
		for _, c := range report.Marked {
			if err := os.Remove(r.Path() + "/state/" + c.String() + ".commitpartial"); err != nil {
				t.Fatal(err)
			}
		}
	}
	all, err := r.Fsck(context.Background(), ostreerepo.FsckOptions{Delete: true})
	if err != nil || len(all.Problems) != 30 || all.Objects != 103 {
		t.Fatalf("%v %+v", err, all)
	}
}

// TestFsckSplitXattrs: the objects that hold xattrs are verified too.
func TestFsckSplitXattrs(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeBareSplitXattrs)
	x := object.Xattrs{{Name: "user.a", Value: []byte("b")}}
	update(t, r, func(tx *ostreerepo.Tx) error {
		_, err := putTree(tx, map[string]testFile{"a": {object.FileHeader{Mode: 0o100644, Xattrs: x}, "a"}})
		return err
	})
	path := objectPath(r, object.Name{Checksum: object.Sum(x.Encode()), Type: object.TypeFileXattrs})
	check := func(damaged, missing int) {
		t.Helper()
		report, err := r.Fsck(context.Background(), ostreerepo.FsckOptions{KeepGoing: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range report.Problems {
			if p.Missing() {
				missing--
			} else {
				damaged--
			}
		}
		if damaged != 0 || missing != 0 || len(report.Marked) != 0 {
			t.Errorf("%+v", report)
		}
	}
	check(0, 0)
	if err := os.Remove(path); err != nil { // the file's own link to it is left
		t.Fatal(err)
	}
	check(0, 1)
	if err := os.WriteFile(path, []byte("?"), 0o644); err != nil {
		t.Fatal(err)
	}
	check(1, 0)
}
