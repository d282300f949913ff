// Package repotest makes the repositories that tests work on.
package repotest

import (
	"path/filepath"
	"testing"

	"github.com/treenail/treenail/ostreerepo"
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
