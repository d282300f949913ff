package ostree_test

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// historyRepo has two branches of eight commits, five of them old, that share
// their trees, a mirrored ref, an orphan commit, a partial one and a loose end.
func historyRepo(t *testing.T, mode string) {
	t.Helper()
	newRepo(t, mode)
	commit := func(args ...string) string { return must(t, append([]string{"commit", "--repo=repo"}, args...)...) }
	for i := range 8 {
		date := fmt.Sprintf("--timestamp=@%d", 500000000+i)
		if i >= 5 {
			date = fmt.Sprintf("--timestamp=@%d", 1700000000+i)
		}
		tree := makeTree(t, map[string]string{"a": strings.Repeat("x", i), "d/same": "same", "d/l": "-> same", "e/f": fmt.Sprint(i)})
		commit("-b", "stable", date, tree)
		commit("-b", "dev/x", date, "--add-detached-metadata-string=k=v", tree)
	}
	orphan := commit("--orphan", "--timestamp=@1", makeTree(t, map[string]string{"orphan": "o"}))
	must(t, "refs", "--repo=repo", "-c", "--create=org.example.Os:m", commit("--orphan", makeTree(t, map[string]string{"m": "m"})))
	for i := range 3 { // histories must not meet: see TestPruneMeeting
		commit("-b", "o", fmt.Sprintf("--timestamp=@%d", 1000+i), makeTree(t, map[string]string{"o": fmt.Sprint(i)}))
	}
	must(t, "refs", "--repo=repo", "--create=origin:stable", "o")
	must(t, "refs", "--repo=repo", "--delete", "o")
	if err := os.WriteFile("repo/state/"+orphan+".commitpartial", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	lost := commit("-b", "gone", makeTree(t, map[string]string{"gone": strings.Repeat("gone", 1000)}))
	must(t, "refs", "--repo=repo", "--delete", "gone")
	if err := os.Remove("repo/objects/" + lost[:2] + "/" + lost[2:] + ".commit"); err != nil {
		t.Fatal(err)
	}
}

// objectList is what lies in objects/ and state/.
func objectList(t *testing.T, repo string) []string {
	t.Helper()
	var files []string
	for _, dir := range []string{"objects", "state"} {
		out, err := exec.Command("find", repo+"/"+dir, "!", "-type", "d", "-printf", dir+"/%P\n").Output()
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, strings.Fields(string(out))...)
	}
	return sortedWords(strings.Join(files, " "))
}

// TestPrune prunes copies of the same repository with both programs.
func TestPrune(t *testing.T) {
	historyRepo(t, "bare-user")
	for _, args := range []string{"", "--refs-only --depth=2", "--refs-only --depth=1 --no-prune"} {
		comparePrune(t, strings.Fields(args)...)
	}
	historyRepo(t, "archive")
	dev, parent := must(t, "rev-parse", "--repo=repo", "dev/x"), must(t, "rev-parse", "--repo=repo", "dev/x^^^")
	for _, args := range []string{
		"", "--no-prune", "--refs-only", "--refs-only --depth=0", "--refs-only --depth=2", "--refs-only --depth=1 --no-prune",
		"--depth=0", "--delete-commit=" + parent, "--delete-commit=" + dev, "--delete-commit=" + parent + " --refs-only",
		"--delete-commit=" + parent[:62] + "00", "--delete-commit=" + parent + " --no-prune", "--commit-only --refs-only --depth=1",
		"--commit-only", "--commit-only --delete-commit=" + parent, "--static-deltas-only", "--static-deltas-only --delete-commit=" + parent,
		"--keep-younger-than=zz", "--retain-branch-depth=stable", "--retain-branch-depth=stable=BACON", "--only-branch=nope", "--depth=x",
	} {
		comparePrune(t, strings.Fields(args)...)
	}
	// libostree forgets about mirrored refs with these.
	must(t, "refs", "--repo=repo", "-c", "--delete", "org.example.Os")
	for _, args := range []string{
		"--keep-younger-than=@1600000000", "--keep-younger-than=@1600000000 --commit-only", "--keep-younger-than=@9999999999",
		"--retain-branch-depth=stable=-1 --depth=0", "--only-branch=dev/x --depth=1", "--only-branch=dev/x --only-branch=stable --depth=3",
		"--only-branch=dev/x --retain-branch-depth=stable=2 --depth=0", "--only-branch=stable --keep-younger-than=@1600000000",
		"--keep-younger-than=@1600000000 --retain-branch-depth=stable=4", "--only-branch=origin:stable --depth=0",
	} {
		comparePrune(t, strings.Fields(args)...)
	}
}

func comparePrune(t *testing.T, args ...string) {
	t.Helper()
	for _, copied := range []string{"theirs", "ours"} {
		if out, err := exec.Command("sh", "-c", "rm -rf "+copied+" && cp -a repo "+copied).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	want := theirs(t, "", append([]string{"prune", "--repo=theirs"}, args...)...)
	got := ours(t, "", append([]string{"prune", "--repo=ours"}, args...)...)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-ostree +treenail):\n%s", args, diff)
	}
	if diff := cmp.Diff(objectList(t, "theirs"), objectList(t, "ours")); diff != "" {
		t.Errorf("%s (-ostree +treenail):\n%s", args, diff)
	}
	if o := theirs(t, "", "fsck", "--repo=ours"); o.Code != 0 && got.Code == 0 {
		t.Errorf("%s: %v", args, o)
	}
}

// TestPruneMeeting: of two depths for a commit the greater one counts. With
// libostree it is that of the ref which comes first in a hash table.
func TestPruneMeeting(t *testing.T) {
	newRepo(t, "archive")
	tree := makeTree(t, map[string]string{"a": "a"})
	for i := range 9 {
		must(t, "commit", "--repo=repo", "-b", "x", fmt.Sprintf("--timestamp=@%d", i), tree)
	}
	must(t, "refs", "--repo=repo", "--create=w", "x")
	must(t, "refs", "--repo=repo", "--create=y", "x^^")
	for _, test := range []struct{ args, want string }{
		{"--retain-branch-depth=w=7 --retain-branch-depth=x=8 --depth=0", "9"},
		{"--retain-branch-depth=w=7 --depth=0", "8"},
		{"--refs-only --depth=3", "6"},
		{"--retain-branch-depth=w=4 --keep-younger-than=@9", "5"},
		{"--retain-branch-depth=x=0 --retain-branch-depth=w=0 --keep-younger-than=@5", "4"},
	} {
		must(t, append([]string{"prune", "--repo=repo"}, strings.Fields(test.args)...)...)
		if out := must(t, "prune", "--repo=repo", "--commit-only"); !strings.HasPrefix(out, "Total (commit only) objects: "+test.want+"\n") {
			t.Errorf("%s: %s", test.args, out)
		}
	}
}

// TestPrunePartial: a commit without its trees is no error when it is marked.
func TestPrunePartial(t *testing.T) {
	historyRepo(t, "archive")
	head := must(t, "show", "--repo=repo", "--json", "stable")
	i := strings.Index(head, `"tree": "`) + len(`"tree": "`)
	tree, commit := head[i:i+64], must(t, "rev-parse", "--repo=repo", "stable")
	if err := os.Remove("repo/objects/" + tree[:2] + "/" + tree[2:] + ".dirtree"); err != nil {
		t.Fatal(err)
	}
	if o := ours(t, "", "prune", "--repo=repo"); o.Code != 1 || !strings.Contains(o.Error, tree) {
		t.Error(o)
	}
	marked := must(t, "rev-parse", "--repo=repo", "dev/x") // of the same tree
	for _, c := range []string{commit, marked} {
		if err := os.WriteFile("repo/state/"+c+".commitpartial", nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	comparePrune(t)
}

// TestPruneKeepsMirrors: unlike libostree we do not delete what a mirrored ref
// leads to.
func TestPruneKeepsMirrors(t *testing.T) {
	historyRepo(t, "archive")
	must(t, "prune", "--repo=repo", "--only-branch=stable", "--depth=0")
	must(t, "prune", "--repo=repo", "--keep-younger-than=@1600000000")
	must(t, "fsck", "--repo=repo")
	if refs := must(t, "refs", "--repo=repo", "-c"); refs != "(org.example.Os, m)" {
		t.Error(refs)
	}
}

// TestPruneRest is about what is no object: links to payloads, static deltas,
// and what is kept of remotes' summaries.
func TestPruneRest(t *testing.T) {
	newRepo(t, "bare-user")
	tree := makeTree(t, map[string]string{"keep": "keep", "go": "go"})
	must(t, "commit", "--repo=repo", "-b", "x", "--timestamp=@1", tree)
	if err := os.Remove(tree + "/go"); err != nil {
		t.Fatal(err)
	}
	must(t, "commit", "--repo=repo", "-b", "x", "--timestamp=@2", tree)
	object := func(rev, path string) string {
		return strings.Fields(must(t, "ls", "--repo=repo", "-C", rev, path))[4]
	}
	link := func(name, target string) string {
		path := "repo/objects/00/" + strings.Repeat(name, 62) + ".payload-link"
		if err := os.Symlink("../"+target[:2]+"/"+target[2:]+".file", path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	if err := os.MkdirAll("repo/objects/00", 0o755); err != nil {
		t.Fatal(err)
	}
	stays, goes := link("a", object("x", "/keep")), link("b", object("x^", "/go"))
	for _, args := range []string{"generate --empty x", "generate --empty x^", "generate --from=x^ --to=x"} {
		if o := theirs(t, "", append([]string{"static-delta", "--repo=repo"}, strings.Fields(args)...)...); o.Code != 0 {
			t.Fatal(o)
		}
	}
	must(t, "remote", "add", "--repo=repo", "o", "http://example.com/")
	if err := os.MkdirAll("repo/tmp/cache/summaries", 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"o", "o.sig", "gone", "gone.sig"} {
		if err := os.WriteFile("repo/tmp/cache/summaries/"+name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	before := strings.Count(theirs(t, "", "static-delta", "--repo=repo", "list").Stdout, "\n")
	must(t, "prune", "--repo=repo", "--refs-only", "--depth=0", "--no-prune")
	if _, err := os.Lstat(goes); err != nil {
		t.Error(err)
	}
	must(t, "prune", "--repo=repo", "--refs-only", "--depth=0")
	if _, err := os.Lstat(goes); err == nil {
		t.Error("a link to a payload that is gone stays")
	}
	if _, err := os.Lstat(stays); err != nil {
		t.Error(err)
	}
	after := strings.Count(theirs(t, "", "static-delta", "--repo=repo", "list").Stdout, "\n")
	if before != 3 || after != 2 {
		t.Errorf("%d static deltas, then %d", before, after)
	}
	entries, _ := os.ReadDir("repo/tmp/cache/summaries")
	if len(entries) != 2 || entries[0].Name() != "o" {
		t.Errorf("%v", entries)
	}
	must(t, "prune", "--repo=repo", "--static-deltas-only", "--delete-commit="+must(t, "rev-parse", "--repo=repo", "x"))
	if o := theirs(t, "", "static-delta", "--repo=repo", "list"); o.Stdout != "(No static deltas)\n" {
		t.Error(o)
	}
}

// TestPruneTombstone: a deleted commit leaves a tombstone until it comes back.
func TestPruneTombstone(t *testing.T) {
	historyRepo(t, "archive")
	args := []string{"commit", "--repo=repo", "-b", "t", "--timestamp=@5", makeTree(t, map[string]string{"t": "t"})}
	c := must(t, args...)
	must(t, "refs", "--repo=repo", "--delete", "t")
	must(t, "prune", "--repo=repo", "--delete-commit="+c)
	path := "repo/objects/" + c[:2] + "/" + c[2:] + ".tombstone-commit"
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
	if again := must(t, args...); again != c {
		t.Fatalf("%s, then %s", c, again)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the tombstone is still there")
	}
}

// TestPruneSplitXattrs: xattrs go with the files that have them.
func TestPruneSplitXattrs(t *testing.T) {
	newRepo(t, "bare-split-xattrs")
	tree := makeTree(t, map[string]string{"a": "a", "b": "b"})
	if out, err := exec.Command("setfattr", "-n", "user.x", "-v", "y", tree+"/a").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	must(t, "commit", "--repo=repo", "-b", "x", tree)
	if out := must(t, "prune", "--repo=repo"); !strings.HasSuffix(out, "No unreachable objects") {
		t.Error(out)
	}
	must(t, "fsck", "--repo=repo")
	must(t, "refs", "--repo=repo", "--delete", "x")
	must(t, "prune", "--repo=repo", "--refs-only")
	if left := objectList(t, "repo"); len(left) > 0 {
		t.Error(left)
	}
}

// TestPruneCache: inflated copies of objects go with the objects.
func TestPruneCache(t *testing.T) {
	newRepo(t, "archive")
	must(t, "commit", "--repo=repo", "-b", "x", makeTree(t, map[string]string{"keep": "keep"}))
	must(t, "commit", "--repo=repo", "-b", "y", makeTree(t, map[string]string{"keep": "keep", "go": "go"}))
	if o := theirs(t, "", "checkout", "--repo=repo", "-U", "y", "out"); o.Code != 0 {
		t.Fatal(o)
	}
	cached := func() int {
		out, err := exec.Command("find", "repo/uncompressed-objects-cache", "-type", "f").Output()
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(out), "\n")
	}
	before := cached()
	must(t, "refs", "--repo=repo", "--delete", "y")
	must(t, "prune", "--repo=repo", "--refs-only")
	if after := cached(); before != 2 || after != 1 {
		t.Errorf("%d, then %d in the cache", before, after)
	}
}
