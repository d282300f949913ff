package pull_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/pull"
)

// sources are a repository of each mode with a commit of the same tree.
func sources(t *testing.T, build func(repotest.Builder)) map[ostreerepo.Mode]*ostreerepo.Repo {
	dir := t.TempDir()
	build(repotest.NewBuilder(t, dir))
	all := map[ostreerepo.Mode]*ostreerepo.Repo{}
	for _, mode := range repotest.Modes {
		all[mode] = emptyRepo(t, mode)
		commit(t, all[mode], "main", 1, dir)
	}
	return all
}

// variants are options that decide how objects are taken over, and the directions
// for which they are tried.
var variants = []struct {
	arg     string
	options pull.Options
	matters func(from, to ostreerepo.Mode) bool
}{
	{"--remote=origin", pull.Options{Remote: "origin"}, func(_, _ ostreerepo.Mode) bool { return true }},
	{"--untrusted", pull.Options{Untrusted: true}, func(from, to ostreerepo.Mode) bool { return from == to }},
	{"--bareuseronly-files", pull.Options{BareUserOnlyFiles: true}, func(from, to ostreerepo.Mode) bool { return to != ostreerepo.ModeBareSplitXattrs && from != to }},
}

// pullBoth lets both programs pull into a repository of their own, and compares
// errors and all that is in the repositories after it. It returns ours.
func pullBoth(t *testing.T, src *ostreerepo.Repo, to ostreerepo.Mode, arg string, o pull.Options) *ostreerepo.Repo {
	t.Helper()
	theirs, ours := emptyRepo(t, to), emptyRepo(t, to)
	_, theirErr := ostree(t, "--repo="+theirs.Path(), "pull-local", arg, src.Path())
	_, ourErr := pull.Local(context.Background(), ours, src, o)
	if theirErr != nil || ourErr != nil {
		if fmt.Sprint(theirErr) != fmt.Sprint(ourErr) && !bothModes(theirErr, ourErr) {
			t.Fatalf("error\n got %v\nwant %v", ourErr, theirErr)
		}
		clean(t, ours)
		return nil
	}
	if to != ostreerepo.ModeBareSplitXattrs { // where ostree 2022.7 does not write what it could read
		if diff := cmp.Diff(snapshot(t, theirs, src), snapshot(t, ours, src)); diff != "" {
			t.Fatalf("-ostree +ours\n%s", diff)
		}
	}
	return ours
}

// bothModes reports whether both errors are about the mode of some file: which one
// ostree comes to first is a matter of its threads.
func bothModes(a, b error) bool {
	before, _, ok := strings.Cut(fmt.Sprint(a), ": invalid mode")
	return ok && strings.Contains(fmt.Sprint(b), before[:len(before)-64]) && strings.Contains(fmt.Sprint(b), ": invalid mode")
}

// clean fails the test when something stayed behind in a new repository.
func clean(t *testing.T, r *ostreerepo.Repo) {
	t.Helper()
	empty := emptyRepo(t, r.Mode())
	want, got := snapshot(t, empty, empty), snapshot(t, r, empty)
	delete(want, "config")
	delete(got, "config")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("left behind (+):\n%s", diff)
	}
}

// TestDirections pulls between all pairs of modes. A bare-user-only repository gets
// what it can hold, too.
func TestDirections(t *testing.T) {
	hard, plain := sources(t, hardTree), sources(t, plainTree)
	for _, from := range repotest.Modes {
		for _, to := range repotest.Modes {
			for _, v := range variants {
				if !v.matters(from, to) {
					continue
				}
				name := fmt.Sprint(from, "→", to, v.arg)
				if to == ostreerepo.ModeBareUserOnly {
					t.Run(name+" plain", func(t *testing.T) { pullOne(t, plain[from], to, v.arg, v.options) })
				}
				if to != ostreerepo.ModeBareUserOnly || from != ostreerepo.ModeBareUser { // see TestUnreadable
					t.Run(name, func(t *testing.T) { pullOne(t, hard[from], to, v.arg, v.options) })
				}
			}
		}
	}
}

// pullOne is pullBoth of one commit, checked with fsck.
func pullOne(t *testing.T, src *ostreerepo.Repo, to ostreerepo.Mode, arg string, o pull.Options) {
	ours := pullBoth(t, src, to, arg, o)
	if ours == nil {
		return
	}
	sound(t, ours, 1, 0)
	if to == ostreerepo.ModeBareSplitXattrs {
		if _, err := ostree(t, "--repo="+ours.Path(), "fsck"); err != nil {
			t.Errorf("ostree fsck: %v", err)
		}
	}
}

// TestUnreadable pulls a file that its owner can't read. A bare-user repository
// keeps it readable; libostree links it into a bare-user-only one as it is, where
// it then has another mode than its checksum says.
func TestUnreadable(t *testing.T) {
	dir := t.TempDir()
	repotest.NewBuilder(t, dir).File("secret", "s", 0o044)
	src := emptyRepo(t, ostreerepo.ModeBareUser)
	commit(t, src, "main", 1, dir)
	dst := emptyRepo(t, ostreerepo.ModeBareUserOnly)
	local(t, dst, src, pull.Options{})
	sound(t, dst, 1, 0)
}

// damages break the file of an object, or remove it.
var damages = map[string]func(path string) error{
	"missing": os.Remove,
	"damaged": func(path string) error {
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		data[len(data)-1] ^= 1
		return os.WriteFile(path, data, 0)
	},
}

// TestDamagedSource compares the errors about objects that the source lacks, or
// that are not what they are called.
func TestDamagedSource(t *testing.T) {
	dir := t.TempDir()
	repotest.NewBuilder(t, dir).File("f", "body", 0o644)
	for _, d := range [][2]ostreerepo.Mode{
		{ostreerepo.ModeArchive, ostreerepo.ModeArchive},
		{ostreerepo.ModeBare, ostreerepo.ModeBare},
		{ostreerepo.ModeBare, ostreerepo.ModeArchive},
		{ostreerepo.ModeBareUser, ostreerepo.ModeBareUserOnly},
	} {
		for _, kind := range []string{"commit", "dirtree", "dirmeta", "file"} {
			for what, damage := range damages {
				for arg, o := range map[string]pull.Options{"--untrusted": {Untrusted: true}, "--depth=0": {}} {
					if what == "damaged" && (!o.Untrusted || kind == "file" && d[0] == ostreerepo.ModeArchive) {
						continue // trusted to be what it is called, or a stream, whose end has other words
					}
					t.Run(fmt.Sprint(d[0], "→", d[1], arg, what, kind), func(t *testing.T) {
						src := emptyRepo(t, d[0])
						commit(t, src, "main", 1, dir)
						if err := damage(objects(t, src, kind+"*")[0]); err != nil {
							t.Fatal(err)
						}
						if pullBoth(t, src, d[1], arg, o) != nil {
							t.Error("no error")
						}
					})
				}
			}
		}
	}
}
