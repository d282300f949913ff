package ostree_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pullSource makes the repository src with two commits of main and one of other,
// and dst. It returns the directory that they are in.
func pullSource(t *testing.T) string {
	t.Helper()
	top := t.TempDir()
	t.Chdir(top)
	for _, args := range [][]string{{"--repo=src", "init", "--mode=archive"}, {"--repo=dst", "init", "--mode=bare-user"}} {
		must(t, args...)
		must(t, args[0], "config", "set", "core.fsync", "false")
	}
	must(t, "--repo=src", "commit", "-b", "main", "--timestamp=@1700000000", makeTree(t, map[string]string{"a": "1", "d/b": "2"}))
	must(t, "--repo=src", "commit", "-b", "main", "--timestamp=@1700000001", makeTree(t, map[string]string{"a": "one", "d/b": "2"}))
	must(t, "--repo=src", "commit", "-b", "other", "--timestamp=@1700000002", makeTree(t, map[string]string{"c": "3"}))
	return top
}

// TestPullLocal runs both programs on copies of the same repositories and compares
// what they say and which refs and objects there are then. DIR is where they are.
func TestPullLocal(t *testing.T) {
	for i, c := range []struct {
		before [][]string // commands of ours
		args   string
	}{
		{nil, "src"},
		{nil, "src main other"},
		{nil, "src main main"},
		{nil, "--remote=origin src"},
		{[][]string{{"pull-local", "--repo=dst", "--remote=far", "src"}}, "src main"},
		{nil, "--remote=or/igin src main"},
		{nil, "--depth=1 src main"},
		{nil, "--depth=-1 --untrusted --bareuseronly-files src"},
		{nil, "--depth=99999999999999999999 src"},
		{nil, "--depth=x src"},
		{nil, "--commit-metadata-only --depth=-1 src"},
		{[][]string{{"pull-local", "--repo=dst", "--commit-metadata-only", "--depth=-1", "src"}}, "src"},
		{[][]string{{"pull-local", "--repo=dst", "src"}}, "--commit-metadata-only src"},
		{[][]string{{"pull-local", "--repo=dst", "src"}}, "--depth=1 src main"},
		{[][]string{{"pull-local", "--repo=dst", "src"}, {"config", "--repo=dst", "set", "core.auto-update-summary", "true"}}, "src"},
		{nil, "--disable-fsync --per-object-fsync src"},
		{nil, ""},
		{nil, "nowhere"},
		{nil, "src nope"},
		{nil, "src main^"},
		{nil, "src a@b"},
		{nil, "src " + strings.Repeat("a", 64)},
		{nil, "file://DIR/src"},
		{[][]string{{"refs", "--repo=src", "--create=origin:main", "main"}}, "src"},
		{[][]string{{"refs", "--repo=src", "--create=origin:x", "main"}}, "src origin:x"},
		{[][]string{{"refs", "--repo=src", "--create=origin:x", "main"}}, "src x"},
		{[][]string{{"refs", "--repo=src", "--create=copy", "main"}}, "src copy"},
		{[][]string{{"refs", "--repo=src", "--create=copy", "main"}}, "--disable-verify-bindings src copy"},
		{[][]string{{"config", "--repo=src", "set", "core.collection-id", "org.example.Os"}}, "src main"},
		{[][]string{{"refs", "--repo=src", "-c", "--create=org.example.Os:x", "main"}}, "src"},
		{[][]string{{"summary", "--repo=src", "-u"}, {"refs", "--repo=src", "--delete", "main"}, {"refs", "--repo=src", "--create=late", "other"}}, "src late"},
		{[][]string{{"summary", "--repo=src", "-u"}, {"commit", "--repo=src", "-b", "main", "--timestamp=@9", "."}}, "src main"},
		{nil, "--gpg-verify src"},
		{nil, "--gpg-verify-summary src"},
		{[][]string{{"remote", "--repo=dst", "add", "origin", "http://x"}}, "--remote=origin src"},
		{[][]string{{"remote", "--repo=dst", "add", "origin", "http://x"}}, "--remote=origin --gpg-verify src main"},
		{[][]string{{"remote", "--repo=dst", "add", "origin", "http://x"}}, "--remote=origin --gpg-verify-summary src"},
		{[][]string{{"remote", "--repo=dst", "add", "origin", "http://x"}, {"summary", "--repo=src", "-u"}}, "--remote=origin --gpg-verify-summary src"},
		{nil, "--require-static-deltas src"},
		{[][]string{{"summary", "--repo=src", "-u"}}, "--require-static-deltas src main"},
		{[][]string{{"config", "--repo=dst", "set", "core.mode", "archive-z2"}}, "--require-static-deltas src"},
	} {
		t.Run(fmt.Sprint(i, " ", c.args), func(t *testing.T) { // no name twice: ostree can't open a path with a #
			top := pullSource(t)
			for _, args := range c.before {
				must(t, args...)
			}
			args := []string{"pull-local", "--repo=dst"}
			args = append(args, strings.Fields(strings.ReplaceAll(c.args, "DIR", top))...)
			if err := exec.Command("cp", "-a", "dst", "dst.theirs").Run(); err != nil {
				t.Fatal(err)
			}
			got := ours(t, "", args...)
			after := stored(t, "dst")
			os.Rename("dst", "dst.ours")
			os.Rename("dst.theirs", "dst")
			want := theirs(t, "", args...)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-ostree +treenail:\n%s", diff)
			}
			if want.Code != 0 {
				return // what is left behind is compared with nothing, elsewhere
			}
			if diff := cmp.Diff(stored(t, "dst"), after); diff != "" {
				t.Errorf("repository: -ostree +treenail:\n%s", diff)
			}
		})
	}
}

// stored lists the objects, refs and states of a repository.
func stored(t *testing.T, repo string) string {
	t.Helper()
	var list []string
	for _, pattern := range []string{"objects/*/*", "refs/*/*", "refs/*/*/*", "state/*", "summary", "deltas"} {
		found, err := filepath.Glob(filepath.Join(repo, pattern))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, found...)
	}
	return strings.Join(list, "\n")
}

func TestPullLocalJSON(t *testing.T) {
	pullSource(t)
	var got struct{ Metadata, Content, ContentBytes, DetachedBytes int64 }
	if err := json.Unmarshal([]byte(must(t, "pull-local", "--repo=dst", "--json", "src", "main")), &got); err != nil {
		t.Fatal(err)
	}
	if got.Metadata != 4 || got.Content != 2 || got.ContentBytes != 4 {
		t.Errorf("result %+v", got)
	}
}
