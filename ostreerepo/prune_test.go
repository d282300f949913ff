package ostreerepo_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
)

// TestPruneWhileCommitting: what is committed after Prune has looked for what may go,
// and consists of just that, stays whole; also when no ref leads to it any more.
func TestPruneWhileCommitting(t *testing.T) {
	files := map[string]testFile{"hi": {object.FileHeader{Mode: 0o100644}, "hi\n"}, "ho": {object.FileHeader{Mode: 0o100644}, "ho\n"}}
	for _, named := range []bool{true, false} {
		r := repotest.New(t, ostreerepo.ModeArchive)
		update(t, r, func(tx *ostreerepo.Tx) error { // without a commit: an orphan for Prune
			for _, f := range files {
				if _, err := tx.PutFile(f.header, int64(len(f.body)), strings.NewReader(f.body)); err != nil {
					return err
				}
			}
			return nil
		})
		other, err := ostreerepo.Open(r.Path()) // whose locks are not this one's
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
		done := make(chan error)
		update(t, other, func(tx *ostreerepo.Tx) error {
			go func() {
				_, err := r.Prune(context.Background(), ostreerepo.PruneOptions{RefsOnly: true})
				done <- err
			}()
			// Prune's first look, under the shared lock, tells nobody when it ends. After
			// too short a sleep the test shows less, but does not fail.
			time.Sleep(50 * time.Millisecond)
			commit, err := putTree(tx, files)
			if err == nil && named {
				err = tx.SetRef("main", commit)
			}
			return err
		})
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		report, err := r.Fsck(context.Background(), ostreerepo.FsckOptions{KeepGoing: true})
		if err != nil || len(report.Problems) > 0 || len(report.Commits) != 1 {
			t.Errorf("named %v: %v %+v", named, err, report)
		}
	}
}

// TestPruneManyObjects: each object is kept or deleted by itself, however many there
// are in a directory.
func TestPruneManyObjects(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeBareUserOnly)
	keep, drop := map[string]testFile{}, map[string]testFile{}
	for i := range 3000 {
		name := "f" + string(rune('0'+i%10)) + time.Duration(i).String()
		f := testFile{object.FileHeader{Mode: 0o100644}, name}
		if keep[name] = f; i%3 == 0 {
			delete(keep, name)
			drop[name] = f
		}
	}
	put := func(ref string, files map[string]testFile) (c object.Checksum) {
		update(t, r, func(tx *ostreerepo.Tx) (err error) {
			if c, err = putTree(tx, files); err != nil || ref == "" {
				return err
			}
			return tx.SetRef(ref, c)
		})
		return c
	}
	put("main", keep)
	put("", drop)
	report, err := r.Prune(context.Background(), ostreerepo.PruneOptions{RefsOnly: true})
	if want := len(drop) + 2; err != nil || report.Pruned != want || report.Total != 3000+5 {
		t.Errorf("%v %+v, want %d pruned", err, report, want)
	}
	found, err := r.Fsck(context.Background(), ostreerepo.FsckOptions{})
	if err != nil || len(found.Problems) > 0 || found.Objects != len(keep)+3 {
		t.Errorf("%v %+v", err, found)
	}
}
