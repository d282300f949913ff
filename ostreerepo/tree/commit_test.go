package tree_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/tree"
)

func putCommit(ctx context.Context, tx *ostreerepo.Tx, ref string, o tree.Options, add func(context.Context, *tree.Tree) error) error {
	tr := tree.New(tx, o)
	if err := add(ctx, tr); err != nil {
		return err
	}
	contents, meta, err := tr.Write(ctx)
	if err != nil {
		return err
	}
	c, err := tx.PutCommit(&object.Commit{Metadata: gvariant.NewVardict(), Timestamp: 1, Tree: contents, Meta: meta})
	if err != nil {
		return err
	}
	return tx.SetRef(ref, c)
}

func refs(t *testing.T, r *ostreerepo.Repo, names ...string) func(context.Context, *tree.Tree) error {
	t.Helper()
	return func(ctx context.Context, tr *tree.Tree) error {
		for _, name := range names {
			c, err := r.Resolve(name)
			if err != nil {
				return err
			}
			if err := tr.AddCommit(ctx, c); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestAddCommitWithOptions(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	committed(t, r, "main", tree.Options{}, dirs(hardTree(t)))
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			got := mustBuild(t, r, v.o, refs(t, r, "main"))
			compare(t, r, got, r.Path(), theirs(t, r.Path(), append(v.args, "--tree=ref=main")...))
		})
	}
}

// overlays makes three commits: one, two and conflict.
func overlays(t *testing.T, r *ostreerepo.Repo) string {
	t.Helper()
	top := t.TempDir()
	writeFile(t, top+"/one/usr/lib/a", "1", 0o644)
	writeFile(t, top+"/one/usr/lib/b", "1", 0o644)
	writeFile(t, top+"/one/var/x", "1", 0o644)
	writeFile(t, top+"/two/usr/lib/b", "2", 0o644)
	writeFile(t, top+"/two/opt/y", "2", 0o644)
	must(t, os.Chmod(top+"/two/usr", 0o700))
	writeFile(t, top+"/conflict/usr", "a file", 0o644)
	for _, name := range []string{"one", "two", "conflict"} {
		committed(t, r, name, tree.Options{}, dirs(top+"/"+name))
	}
	return top
}

func TestUnionOfCommits(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	top := overlays(t, r)
	for _, names := range [][]string{{"one", "two"}, {"two", "one"}, {"one", "one"}, {"one", "two", "one"}} {
		var args []string
		for _, name := range names {
			args = append(args, "--tree=ref="+name)
		}
		compare(t, r, mustBuild(t, r, tree.Options{}, refs(t, r, names...)), r.Path(), theirs(t, r.Path(), args...))
	}
	got := mustBuild(t, r, tree.Options{}, func(ctx context.Context, tr *tree.Tree) error {
		if err := refs(t, r, "one")(ctx, tr); err != nil {
			return err
		}
		return tr.AddDir(ctx, top+"/two")
	})
	compare(t, r, got, r.Path(), theirs(t, r.Path(), "--tree=ref=one", "--tree=dir="+top+"/two"))
	_, err := build(r, tree.Options{}, refs(t, r, "one", "conflict"))
	if err == nil || !strings.Contains(err.Error(), "Can't replace directory with file: usr") {
		t.Errorf("%v, want a conflict", err)
	}
}

func TestAddBase(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	top := overlays(t, r)
	o := tree.Options{UID: number(5), CanonicalPermissions: false}
	got := mustBuild(t, r, o, func(ctx context.Context, tr *tree.Tree) error {
		c, err := r.Resolve("one")
		must(t, err)
		if err := tr.AddBase(c); err != nil {
			return err
		}
		return tr.AddDir(ctx, top+"/two")
	})
	compare(t, r, got, r.Path(), theirs(t, r.Path(), "--base=one", "--owner-uid=5", "--tree=dir="+top+"/two"))
}

// TestLazy shows that directories of a commit that nothing is added to are not
// read: their objects are not even there.
func TestLazy(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	top := overlays(t, r)
	want := mustBuild(t, r, tree.Options{}, refs(t, r, "one", "two"))
	c, err := r.Resolve("one")
	must(t, err)
	commit, err := r.Commit(c)
	must(t, err)
	e, err := r.Lookup(commit.Tree, commit.Meta, "/var")
	must(t, err)
	for _, n := range []object.Name{{Checksum: e.Checksum, Type: object.TypeDirTree}, {Checksum: e.Meta, Type: object.TypeDirMeta}} {
		must(t, os.Remove(r.Path()+"/objects/"+n.LoosePath(true)))
	}
	got := mustBuild(t, r, tree.Options{}, func(ctx context.Context, tr *tree.Tree) error {
		if err := tr.AddCommit(ctx, c); err != nil {
			return err
		}
		return tr.AddDir(ctx, top+"/two")
	})
	if got != want {
		t.Errorf("%v, want %v", got, want)
	}
}
