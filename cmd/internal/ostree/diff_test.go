package ostree_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// diffRepo is a repository with two commits of main and one of other, and the
// directory that main was made of.
func diffRepo(t *testing.T) (dir string) {
	newRepo(t, "archive")
	first := makeTree(t, map[string]string{"etc/conf": "x=1\n", "etc/same": "1", "usr/old/f": "2", "usr/l": "-> a"})
	dir = makeTree(t, map[string]string{"etc/conf": "x=2\n", "etc/same": "1", "usr/new/g/f": "1", "usr/new/a": "1", "usr/l": "-> b"})
	must(t, "commit", "--repo=repo", "-b", "main", "--timestamp=@1700000000", first)
	must(t, "commit", "--repo=repo", "-b", "main", "--timestamp=@1700000001", dir)
	must(t, "commit", "--repo=repo", "-b", "other", "--timestamp=@1700000002", first)
	if err := os.Symlink(dir, "link"); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDiff(t *testing.T) {
	dir := diffRepo(t)
	for _, args := range [][]string{
		{}, {"main"}, {"main^", "main"}, {"main", "main^"}, {"main", "main"}, {"other", "main"}, {"main^", "other"}, {"main", "other", "more"},
		{"--stats", "main"}, {"--stats", "main", "main"}, {"--stats", "main", "other"}, {"--stats", "--fs-diff", "main^", "main"}, {"--fs-diff", "main"},
		{"main", dir}, {"main", dir + "/"}, {"main", "./link"}, {"main", dir, "--no-xattrs"}, {dir, "main"}, {dir, dir},
		{"main", dir, "--owner-uid=77"}, {"main", dir, "--owner-uid=-5"}, {"--owner-gid", "77", "main", dir}, {dir, "main", "--owner-uid=77"},
		{"nope"}, {"other"}, {"main", "nope"}, {"nope", "main"}, {"main", "./nope"}, {"./nope", "main"}, {"nope", "./nope"}, {"./nope", "nope"},
		{"./link"}, {"main", "link"}, {"main", "../x"}, {"main", "."}, {dir + "/etc/conf", "main"}, {"--stats", dir, "main"}, {"--stats", "main", "./nope"},
		{"--owner-uid=x", "main"}, {"--stats", "nope"},
	} {
		same(t, append([]string{"--repo=repo", "diff"}, args...)...)
	}
}

func TestDiffJSON(t *testing.T) {
	dir := diffRepo(t)
	type change struct {
		Change, Path string
		Directory    bool
	}
	type stats struct{ A, B, Common, CommonSize int }
	type output struct {
		Changes []change
		Stats   *stats
	}
	changes := []change{
		{"modified", "/etc/conf", false}, {"modified", "/usr/l", false}, {"deleted", "/usr/old", true},
		{"added", "/usr/new", true}, {"added", "/usr/new/a", false}, {"added", "/usr/new/g", true}, {"added", "/usr/new/g/f", false},
	}
	got := decode[output](t, "diff", "--repo=repo", "--json", "main")
	if diff := cmp.Diff(output{Changes: changes}, got); diff != "" {
		t.Error(diff)
	}
	got = decode[output](t, "diff", "--repo=repo", "--json", "--stats", "main")
	if s := got.Stats; got.Changes != nil || s == nil || s.A == 0 || s.B == 0 || s.Common == 0 || s.CommonSize == 0 {
		t.Errorf("%+v", got)
	}
	got = decode[output](t, "diff", "--repo=repo", "--json", "--stats", "--fs-diff", "main", "main")
	if got.Changes == nil || len(got.Changes) > 0 || got.Stats == nil {
		t.Errorf("%+v", got)
	}
	got = decode[output](t, "diff", "--repo=repo", "--json", "main^", dir)
	if i := len(changes) - 1; len(got.Changes) != len(changes) || got.Changes[0].Path != "/etc/conf" || got.Changes[i].Path != "usr/new/g/f" {
		t.Errorf("%+v", got)
	}
}

func TestExport(t *testing.T) {
	diffRepo(t) // other has no two equal files, which 2022.7 does not link
	for _, args := range [][]string{
		{}, {"nope"}, {"other"}, {"other", "more"}, {"--no-xattrs", "other"}, {"--prefix=top/", "other"}, {"--prefix", "top", "other"},
		{"--subpath=etc", "other"}, {"--subpath=/etc", "--prefix=./x/", "other"}, {"--subpath=nope", "other"}, {"--subpath=nope/more", "other"},
		{"-o", "no/dir", "other"}, {"--nope"},
	} {
		want := theirs(t, "", append([]string{"--repo=repo", "export"}, args...)...)
		got := ours(t, "", append([]string{"--repo=repo", "export"}, args...)...)
		if got.Stdout != want.Stdout && want.Code == 0 || got.Code != want.Code || got.Error != want.Error {
			t.Errorf("%v: exit codes %d and %d, %d and %d bytes, %q and %q", args, got.Code, want.Code, len(got.Stdout), len(want.Stdout), got.Error, want.Error)
		}
	}
}

func TestExportOutput(t *testing.T) {
	newRepo(t, "bare-user")
	must(t, "commit", "--repo=repo", "-b", "main", "--timestamp=@1700000000", makeTree(t, map[string]string{"a": "1", "d/b": "2", "l": "-> a"}))
	must(t, "export", "--repo=repo", "main", "-o", "ours.tar")
	if o := theirs(t, "", "export", "--repo=repo", "main", "--output=theirs.tar"); o.Code != 0 {
		t.Fatal(o)
	}
	if got, want := read(t, "ours.tar"), read(t, "theirs.tar"); got != want {
		t.Errorf("%d bytes, ostree has %d", len(got), len(want))
	}
	must(t, "export", "--repo=repo", "main", "-o", "ours.tar", "--subpath=d") // replaces
	if got := read(t, "ours.tar"); len(got) != 3*512+2*512 {                  // d, b and its body, the end
		t.Errorf("%d bytes", len(got))
	}
	if o := ours(t, "", "export", "--repo=repo", "main", "--subpath=a"); o.Code != 1 || !strings.HasSuffix(o.Error, "Not a directory") {
		t.Error(o) // where ostree aborts
	}
	if o := ours(t, "", "export", "--repo=repo", "nope", "-o", "none.tar"); o.Code != 1 {
		t.Error(o)
	}
	if _, err := os.Stat("none.tar"); err == nil {
		t.Error("a commit that is not there was exported")
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestExportCommit goes through tar and back.
func TestExportCommit(t *testing.T) {
	newRepo(t, "archive")
	dir := makeTree(t, map[string]string{"a": "1", "twin": "1", "ünï/b": "", "ünï/c": "", strings.Repeat("n", 200): "-> " + strings.Repeat("t", 200)})
	if err := os.Chmod(filepath.Join(dir, "a"), 0o4711); err != nil {
		t.Fatal(err)
	}
	must(t, "commit", "--repo=repo", "-b", "main", dir)
	archive := ours(t, "", "export", "--repo=repo", "--format=pax", "main")
	if o := ours(t, archive.Stdout, "commit", "--repo=repo", "-b", "again", "--tree=tar=-"); o.Code != 0 {
		t.Fatal(o)
	}
	if out := must(t, "diff", "--repo=repo", "main", "again"); out != "" {
		t.Error(out)
	}
	if o := ours(t, "", "export", "--repo=repo", "--format=zip", "main"); o.Code != 1 || o.Stdout != "" {
		t.Error(o)
	}
}
