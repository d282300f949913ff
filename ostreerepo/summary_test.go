package ostreerepo_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"testing"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/summary"
	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
)

// TestAutoSummaryConcurrent: of transactions that run at the same time none
// writes a summary that lacks the refs of another.
func TestAutoSummaryConcurrent(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	if _, err := r.Summary(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the summary of a new repository: %v", err)
	}
	config := r.Config()
	config.SetString("core", "auto-update-summary", "true")
	config.SetString("core", "fsync", "false")
	if err := r.WriteConfig(config); err != nil {
		t.Fatal(err)
	}
	// Each opens the repository for itself, as a process would.
	const writers = 8
	var g sync.WaitGroup
	for i := range writers {
		g.Go(func() {
			own, err := ostreerepo.Open(r.Path())
			if err != nil {
				t.Error(err)
				return
			}
			defer own.Close()
			err = own.Update(context.Background(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
				c, err := putEmpty(tx, uint64(i))
				if err != nil {
					return err
				}
				return tx.SetRef(fmt.Sprintf("ref/%d", i), c)
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	g.Wait()
	data, err := r.Summary()
	if err != nil {
		t.Fatal(err)
	}
	s, err := summary.Decode(data)
	if err != nil || len(s.Refs) != writers {
		t.Errorf("%d refs: %v", len(s.Refs), err)
	}
}

// putEmpty puts a commit of an empty directory.
func putEmpty(tx *ostreerepo.Tx, timestamp uint64) (object.Checksum, error) {
	tree, err := tx.PutMetadata(object.TypeDirTree, new(object.DirTree).Encode())
	if err != nil {
		return tree, err
	}
	meta, err := tx.PutMetadata(object.TypeDirMeta, object.DirMeta{Mode: object.ModeDir | 0o755}.Encode())
	if err != nil {
		return meta, err
	}
	return tx.PutCommit(&object.Commit{Timestamp: timestamp, Tree: tree, Meta: meta})
}

// TestAutoSummaryBroken: a ref to a commit that is not there fails the update.
func TestAutoSummaryBroken(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	update(t, r, func(tx *ostreerepo.Tx) error { return tx.SetRef("broken", object.Sum([]byte("no commit"))) })
	if err := r.UpdateSummary(t.Context(), ostreerepo.SummaryOptions{}); !errors.Is(err, ostreerepo.ErrNotFound) {
		t.Error(err)
	}
}
