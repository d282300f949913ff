package ostree_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// harm is what can happen to an object's file.
var harm = map[string]func(path string) error{
	"truncated": func(path string) error { return os.Truncate(path, 5) },
	"empty":     func(path string) error { return os.Truncate(path, 0) },
	"grown":     func(path string) error { return change(path, func(b []byte) []byte { return append(b, "more"...) }) },
	"flipped": func(path string) error {
		return change(path, func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
	},
	"missing": os.Remove,
	"mode":    func(path string) error { return os.Chmod(path, 0o711) },
	"owner":   func(path string) error { return os.Chown(path, 1, 2) },
	"xattr":   func(path string) error { return exec.Command("setfattr", "-n", "user.x", "-v", "y", path).Run() },
}

func change(path string, edit func([]byte) []byte) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return os.WriteFile(path, edit(data), 0o644)
}

// victims makes a repository and returns objects of it: names of files below it.
// Metadata is the same in all modes.
func victims(t *testing.T, mode string) map[string]string {
	t.Helper()
	newRepo(t, mode)
	for _, body := range []string{"first", "second"} {
		tree := makeTree(t, map[string]string{"d/a": body, "d/e/b": "always the same", "l": "-> d/a"})
		must(t, "commit", "--repo=repo", "-b", "os", "--timestamp=@1", "--add-detached-metadata-string=k=v", tree)
	}
	ls := func(path string) []string {
		return strings.Fields(must(t, "ls", "--repo=repo", "-d", "-C", "os", path))
	}
	names := map[string]string{"file": ls("/d/e/b")[4] + ".file"}
	if mode == "archive" {
		names = map[string]string{
			"head":   must(t, "rev-parse", "--repo=repo", "os") + ".commit",
			"parent": must(t, "rev-parse", "--repo=repo", "os^") + ".commit",
			"root":   ls("/")[4] + ".dirtree",
			"dir":    ls("/d/e")[4] + ".dirtree",
			"meta":   ls("/")[5] + ".dirmeta",
			"file":   ls("/d/e/b")[4] + ".filez",
		}
	}
	for what, name := range names {
		names[what] = "objects/" + name[:2] + "/" + name[2:]
	}
	return names
}

var fsckProgress = regexp.MustCompile(`(?m)^fsck objects \(.*\n`)

// TestFsckHarm damages each kind of object in each way, in copies for both programs:
// standard output and exit code are the same. What libostree does not find out,
// because it looks into what is damaged, we do.
func TestFsckHarm(t *testing.T) {
	for _, mode := range []string{"archive", "bare", "bare-user"} {
		for what, path := range victims(t, mode) {
			for how, do := range harm {
				modes := how == "mode" || how == "owner" || how == "xattr"
				if modes && !strings.Contains(path, ".file") {
					continue // of no meaning for metadata
				}
				for _, args := range []string{"", "-a", "--delete -q"} {
					if args == "-a" && how != "flipped" {
						continue
					}
					want := fsckHarmed(t, theirs, path, do, args)
					got := fsckHarmed(t, ours, path, do, args)
					if diff := cmp.Diff(want, got); diff != "" {
						t.Errorf("%s, %s %s, %q (-ostree +treenail):\n%s", mode, what, how, args, diff)
					}
				}
			}
		}
	}
}

// fsckHarmed runs fsck on a copy with one damaged object.
func fsckHarmed(t *testing.T, run func(*testing.T, string, ...string) output, path string, harm func(string) error, args string) output {
	t.Helper()
	if out, err := exec.Command("sh", "-c", "rm -rf harmed && cp -a repo harmed").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	if err := harm("harmed/" + path); err != nil {
		t.Fatal(err)
	}
	o := run(t, "", append([]string{"fsck", "--repo=harmed"}, strings.Fields(args)...)...)
	return output{fsckProgress.ReplaceAllString(o.Stdout, ""), "", o.Code}
}

// TestFsckJSON: the report names refs and paths, and what was not verified.
func TestFsckJSON(t *testing.T) {
	sampleRepo(t, "bare")
	checksum, _ := damage(t, "whoops")
	partial := must(t, "rev-parse", "--repo=repo", "other")
	if err := os.WriteFile("repo/state/"+partial+".commitpartial", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var report struct {
		Commits, Objects int
		PartialCommits   []struct {
			Commit string
			Fsck   bool
		}
		Problems []struct {
			Object, Type, Error string
			Missing, Deleted    bool
			Uses                []struct {
				Path             string
				Refs             []string
				Commits, Unnamed int
			}
		}
	}
	fsck := func(args ...string) {
		t.Helper()
		o := ours(t, "", append([]string{"fsck", "--repo=repo", "--json"}, args...)...)
		if err := json.Unmarshal([]byte(o.Stdout), &report); err != nil || o.Code != 1 {
			t.Fatalf("%v %v", err, o)
		}
	}
	fsck("--delete")
	if report.Commits != 2 || len(report.PartialCommits) != 1 || report.PartialCommits[0].Commit != partial || report.PartialCommits[0].Fsck {
		t.Errorf("%+v", report)
	}
	p := report.Problems[0]
	if p.Object != checksum+".file" || p.Type != "file" || p.Missing || !p.Deleted || !strings.Contains(p.Error, "hecksum") {
		t.Errorf("%+v", p)
	}
	refs := []string{"origin:os/stable", "os/alias", "os/stable"}
	if u := p.Uses[0]; len(p.Uses) != 1 || cmp.Diff(refs, u.Refs) != "" || u.Path == "" || u.Commits != 2 || u.Unnamed != 1 {
		t.Errorf("%+v", p.Uses)
	}
	fsck()
	if report.Commits != 0 || len(report.PartialCommits) != 3 || len(report.Problems) != 0 {
		t.Errorf("%+v", report)
	}
}

// TestFsckRev verifies single commits.
func TestFsckRev(t *testing.T) {
	newRepo(t, "archive")
	must(t, "commit", "--repo=repo", "-b", "good", makeTree(t, map[string]string{"a": "a"}))
	must(t, "commit", "--repo=repo", "-b", "bad", makeTree(t, map[string]string{"b": "b"}))
	file := strings.Fields(must(t, "ls", "--repo=repo", "-C", "bad", "/b"))[4]
	if err := os.Remove("repo/objects/" + file[:2] + "/" + file[2:] + ".filez"); err != nil {
		t.Fatal(err)
	}
	if out := must(t, "fsck", "--repo=repo", "-q", "good"); !strings.HasSuffix(out, "object fsck of 1 commits completed successfully - no errors found.") {
		t.Error(out)
	}
	for _, args := range []string{"bad", "good bad", "bad bad", ""} {
		if o := ours(t, "", append([]string{"fsck", "--repo=repo", "--json"}, strings.Fields(args)...)...); o.Code != 1 || !strings.Contains(o.Stdout, file) {
			t.Errorf("%s: %v", args, o)
		}
		if err := os.RemoveAll("repo/state/" + must(t, "rev-parse", "--repo=repo", "bad") + ".commitpartial"); err != nil {
			t.Fatal(err)
		}
	}
	if o := ours(t, "", "fsck", "--repo=repo", "nosuch"); o.Error != "error: Refspec 'nosuch' not found" {
		t.Error(o)
	}
}

// TestFsckRefs is about refs of remotes and collections, and what their commits are
// bound to.
func TestFsckRefs(t *testing.T) {
	newRepo(t, "archive")
	tree := makeTree(t, map[string]string{"a": "a"})
	c := must(t, "commit", "--repo=repo", "-b", "x", "--no-bindings", tree)
	must(t, "remote", "add", "--repo=repo", "o", "http://x", "--collection-id=org.example.Os")
	must(t, "refs", "--repo=repo", "--create=o:x", c)
	must(t, "refs", "--repo=repo", "--delete", "x")
	both := func(args ...string) {
		t.Helper()
		for _, args := range [][]string{args, append(args, "--verify-bindings"), append(args, "--verify-back-refs")} {
			same(t, append([]string{"fsck", "--repo=repo", "-q"}, args...)...)
		}
	}
	both() // refs of a remote's collection need no bindings
	must(t, "refs", "--repo=repo", "-c", "--create=org.example.Other:y", c)
	both()
	if err := os.Remove("repo/objects/" + c[:2] + "/" + c[2:] + ".commit"); err != nil {
		t.Fatal(err)
	}
	both()
	must(t, "refs", "--repo=repo", "--delete", "o:x")
	both()
}
