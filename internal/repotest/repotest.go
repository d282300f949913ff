// Package repotest makes the repositories and trees that tests work on.
package repotest

import (
	"path/filepath"
	"testing"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/tree"
)

// Modes are all modes.
var Modes = []ostreerepo.Mode{
	ostreerepo.ModeBare, ostreerepo.ModeBareUser, ostreerepo.ModeBareUserOnly,
	ostreerepo.ModeArchive, ostreerepo.ModeBareSplitXattrs,
}

// New returns an empty repository in a directory of the test's own. Both end
// with the test.
func New(t testing.TB, mode ostreerepo.Mode) *ostreerepo.Repo {
	t.Helper()
	path := filepath.Join(t.TempDir(), "repo")
	if err := ostreerepo.Create(path, mode, ostreerepo.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	r, err := ostreerepo.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// Commit commits a directory, with no ref, and returns the commit.
func Commit(t testing.TB, r *ostreerepo.Repo, dir string, o tree.Options, metadata ...gvariant.Entry) (c object.Checksum) {
	t.Helper()
	err := r.Update(t.Context(), ostreerepo.UpdateOptions{DisableFsync: true}, func(tx *ostreerepo.Tx) error {
		tr := tree.New(tx, o)
		if err := tr.AddDir(t.Context(), dir); err != nil {
			return err
		}
		contents, meta, err := tr.Write(t.Context())
		if err != nil {
			return err
		}
		c, err = tx.PutCommit(&object.Commit{Tree: contents, Meta: meta, Metadata: gvariant.NewVardict(metadata...)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}
