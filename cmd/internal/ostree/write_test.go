package ostree_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// refFiles is what lies below refs/.
func refFiles(t *testing.T, repo string) []string {
	t.Helper()
	var files []string
	for _, line := range listing(t, repo+"/refs") {
		if !strings.Contains(line, " d") { // whether empty directories stay is nobody's business
			line, _, _ = strings.Cut(line, " linked=")
			files = append(files, line)
		}
	}
	return files
}

// TestRefsWrite runs the same sequence of changes with both programs.
func TestRefsWrite(t *testing.T) {
	newRepo(t, "archive")
	tree := sampleTree(t)
	theirs(t, "", "init", "--repo=theirs", "--mode=archive")
	must(t, "commit", "--repo=repo", "-b", "os/x", "--timestamp=@1", tree)
	theirs(t, "", "commit", "--repo=theirs", "-b", "os/x", "--timestamp=@1", tree)
	head := must(t, "rev-parse", "--repo=repo", "os/x")
	for _, args := range []string{
		"--create=a/b os/x", "--create=a/b os/x", "--create=a/b --force os/x", "--create=a os/x", "--create=os/x/y os/x",
		"--create=" + head + " os/x", "--create=" + head[:9] + " os/x", "-A os/x --create=" + head[:9],
		"--create=short " + head[:7], "--create=origin:os/x os/x", "--create=origin/x origin:os/x",
		"-A os/x --create=alias", "-A os/x --create=alias", "-A alias --create=alias2",
		"-A nope --create=alias3", "-A os --create=alias3", "-A os/x --create=origin:alias", "--create=alias os/x", "--delete os/x",
		"--delete os", "-A os/x --create=a/deep/alias", "--delete alias2", "--create=alias --force a/b", "--delete a/deep", "--delete alias", "--delete nope", "--delete origin:os",
		"-c --create=org.example.Os:a/b os/x", "-c --create=bad:a os/x", "-c --create=org.example.Os:! os/x", "-c --delete org.example.Other",
		"-c --delete org.example.Os", "--delete a short", "--delete !", "--delete os",
	} {
		fields := strings.Fields(args)
		want := theirs(t, "", append([]string{"refs", "--repo=theirs"}, fields...)...)
		got := ours(t, "", append([]string{"refs", "--repo=repo"}, fields...)...)
		if want.Code != got.Code || tail(want.Error) != tail(got.Error) {
			t.Errorf("%s: %v\nostree: %v", args, got, want)
		}
		if diff := cmp.Diff(refFiles(t, "theirs"), refFiles(t, "repo")); diff != "" {
			t.Errorf("%s (-ostree +treenail):\n%s", args, diff)
		}
	}
}

// tail is an error without what comes before the last colon: we say more about
// the place.
func tail(s string) string { return s[strings.LastIndex(s, ": ")+1:] }

// TestDeleteAliasWithTarget: both may go at once.
func TestDeleteAliasWithTarget(t *testing.T) {
	newRepo(t, "archive")
	must(t, "commit", "--repo=repo", "-b", "os/x", sampleTree(t))
	must(t, "refs", "--repo=repo", "-A", "os/x", "--create=os/alias")
	must(t, "refs", "--repo=repo", "--delete", "os")
	if refs := must(t, "refs", "--repo=repo"); refs != "" {
		t.Error(refs)
	}
}

func TestInit(t *testing.T) {
	for _, args := range []string{"", "--mode=bare", "--mode=bare-user", "--mode=bare-user-only", "--mode=archive", "--mode=archive-z2", "--mode=bare-split-xattrs", "--mode=archive --collection-id=org.example.Os"} {
		t.Run(args, func(t *testing.T) {
			t.Chdir(t.TempDir())
			fields := strings.Fields(args)
			want := theirs(t, "", append([]string{"init", "--repo=theirs"}, fields...)...)
			got := ours(t, "", append([]string{"init", "--repo=ours"}, fields...)...)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			a, _ := os.ReadFile("theirs/config")
			b, _ := os.ReadFile("ours/config")
			if diff := cmp.Diff(string(a), string(b)); diff != "" {
				t.Error(diff)
			}
			must(t, "init", "--repo=ours") // again changes nothing
			if c, _ := os.ReadFile("ours/config"); string(c) != string(b) {
				t.Errorf("%s", c)
			}
		})
	}
}

// TestConfigWrite compares the file after each change.
func TestConfigWrite(t *testing.T) {
	newRepo(t, "archive")
	theirs(t, "", "init", "--repo=theirs", "--mode=archive")
	const start = "[core]\nrepo_version=1\nmode=archive-z2\n\n[remote \"o\"]\nurl=http://example.com/\n"
	for _, repo := range []string{"repo", "theirs"} {
		if err := os.WriteFile(filepath.Join(repo, "config"), []byte(start), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"set", "core.lock-timeout-secs", "60"}, {"--", "set", "core.lock-timeout-secs", "-1"}, {"unset", "core.lock-timeout-secs"},
		{"set", "--group=remote \"o\"", "xa.title", "A title"}, {"set", "new.key", " leading\ttab\\ "}, {"set", "new.key", "é;x"},
		{"set", "--group=remote \"p\"", "url", "x"}, {"unset", "--group=remote \"o\"", "url"}, {"unset", "nope.nope"},
		{"get", "new.key"}, {"get", "--group=remote \"o\"", "xa.title"},
	} {
		want := theirs(t, "", append([]string{"config", "--repo=theirs"}, args...)...)
		got := ours(t, "", append([]string{"config", "--repo=repo"}, args...)...)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-ostree +treenail):\n%s", args, diff)
		}
		a, _ := os.ReadFile("theirs/config")
		b, _ := os.ReadFile("repo/config")
		if diff := cmp.Diff(string(a), string(b)); diff != "" {
			t.Errorf("%q (-ostree +treenail):\n%s", args, diff)
		}
	}
	if o := ours(t, "", "config", "--repo=repo", "set", "core.mode", "nope"); o.Code != 1 || o.Error != "error: Invalid mode 'nope' in repository configuration" {
		t.Errorf("an invalid value was taken: %v", o) // as 2026.4; 2022.7 takes it and breaks the repository
	}
	must(t, "refs", "--repo=repo")
}

// TestConfigComments: unlike libostree we keep them.
func TestConfigComments(t *testing.T) {
	newRepo(t, "archive")
	if err := os.WriteFile("repo/config", []byte("# top\n[core]\nrepo_version=1\n# of mode\nmode=archive-z2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	must(t, "config", "--repo=repo", "set", "core.fsync", "true")
	const want = "# top\n[core]\nrepo_version=1\n# of mode\nmode=archive-z2\nfsync=true\n"
	if got, _ := os.ReadFile("repo/config"); string(got) != want {
		t.Errorf("%s", got)
	}
}

// damage writes over a content object of the sample repository.
func damage(t *testing.T, content string) (checksum, path string) {
	t.Helper()
	checksum, _, _, _ = objects(t)
	path = "repo/objects/" + checksum[:2] + "/" + checksum[2:] + ".file"
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if content == "" {
		return checksum, path
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return checksum, path
}

func TestFsckDamage(t *testing.T) {
	sampleRepo(t, "bare")
	checksum, path := damage(t, "whoops")
	corrupted := "fsck content object " + checksum + ": Corrupted file object; checksum expected='" + checksum + "' actual='"
	same(t, "fsck", "--repo=repo", "-a")
	for _, args := range []string{"", "-q"} {
		o := ours(t, "", strings.Fields("fsck --repo=repo "+args)...)
		if o.Code != 1 || !strings.HasPrefix(o.Error, "error: In commits ") || !strings.Contains(o.Error, corrupted) {
			t.Errorf("%q: %v", args, o)
		}
		real := theirs(t, "", strings.Fields("fsck --repo=repo "+args)...) // it lists commits in no order
		if diff := cmp.Diff(sortedWords(real.Error), sortedWords(o.Error)); diff != "" {
			t.Errorf("%q (-ostree +treenail): %s", args, diff)
		}
	}
	if o := ours(t, "", "fsck", "--repo=repo", "--delete"); o.Code != 1 || o.Error != "error: Repository corruption encountered" {
		t.Error(o)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the damaged object is still there: %v", err)
	}
	same(t, "fsck", "--repo=repo") // partial commits from fsck
	same(t, "fsck", "--repo=repo", "-q")
}

func sortedWords(s string) []string {
	words := strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' || r == ':' })
	slices.Sort(words)
	return words
}

func TestFsckMissing(t *testing.T) {
	sampleRepo(t, "bare")
	checksum, _ := damage(t, "")
	o := ours(t, "", "fsck", "--repo=repo", "--json")
	if o.Code != 1 || o.Error != "error: Repository corruption encountered" {
		t.Error(o)
	}
	var report struct {
		Commits  int
		Problems []struct {
			Object  string
			Missing bool
			Commits []string
		}
		MarkedPartial []string
	}
	if err := json.Unmarshal([]byte(o.Stdout), &report); err != nil {
		t.Fatal(err)
	}
	if report.Commits != 3 || len(report.MarkedPartial) != 3 || len(report.Problems) != 1 {
		t.Fatalf("%+v", report)
	}
	if p := report.Problems[0]; !p.Missing || p.Object != checksum+".file" || len(p.Commits) != 3 {
		t.Errorf("%+v", p)
	}
	same(t, "fsck", "--repo=repo")
}

// TestFsckTombstones: the missing parent gets a tombstone. libostree gives it to
// the child, and deletes that.
func TestFsckTombstones(t *testing.T) {
	newRepo(t, "archive")
	tree := sampleTree(t)
	parent := must(t, "commit", "--repo=repo", "--orphan", tree)
	must(t, "commit", "--repo=repo", "-b", "main", "--parent="+parent, tree)
	if err := os.Remove("repo/objects/" + parent[:2] + "/" + parent[2:] + ".commit"); err != nil {
		t.Fatal(err)
	}
	if out := must(t, "fsck", "--repo=repo", "-q", "--add-tombstones"); !strings.Contains(out, "Adding tombstone for commit "+parent+"\n") {
		t.Error(out)
	}
	same(t, "fsck", "--repo=repo")
}
