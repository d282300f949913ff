package tree_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/tree"
	"golang.org/x/sys/unix"
)

func TestRename(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	dir := t.TempDir()
	must(t, os.MkdirAll(dir+"/etc/sub", 0o755))
	must(t, os.MkdirAll(dir+"/usr/bin", 0o755))
	must(t, os.WriteFile(dir+"/etc/sub/conf", nil, 0o644))
	must(t, os.WriteFile(dir+"/file", nil, 0o644))
	must(t, os.Mkdir(dir+"/run", 0o755))
	must(t, unix.Mkfifo(dir+"/run/fifo", 0o644))
	passOver := func(path string) bool { return strings.HasPrefix(path, "/run/") }
	err := r.Update(t.Context(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		return putCommit(t.Context(), tx, "a", tree.Options{PassOver: passOver}, func(ctx context.Context, tr *tree.Tree) error {
			must(t, tr.AddDir(ctx, dir))
			for _, c := range []struct{ from, to, want string }{
				{"nope", "x", "not there"}, {"nope/x", "x", "not there"}, {"file", "nope/x", "no directory"}, {"file", "usr/bin", "something is there"},
			} {
				if err := tr.Rename(c.from, c.to); err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s to %s: %v", c.from, c.to, err)
				}
			}
			must(t, tr.Rename("etc", "usr/etc"))
			must(t, tr.Rename("/file", "usr/bin/file"))
			return nil
		})
	})
	must(t, err)
	sum, err := r.Resolve("a")
	must(t, err)
	c, err := r.Commit(sum)
	must(t, err)
	var paths []string
	for e, err := range r.Walk(c.Tree, c.Meta) {
		must(t, err)
		paths = append(paths, e.Path)
	}
	if want := strings.Fields("/ /run /usr /usr/bin /usr/bin/file /usr/etc /usr/etc/sub /usr/etc/sub/conf"); !slices.Equal(paths, want) {
		t.Errorf("%q", paths)
	}
}
