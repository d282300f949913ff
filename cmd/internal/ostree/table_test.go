package ostree_test

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestTableOutput compares what commit --table-output counts, on copies of one
// repository: what was looked at, and what was written.
func TestTableOutput(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	for _, mode := range []string{"archive", "bare", "bare-user"} {
		if mode == "bare" && os.Geteuid() != 0 {
			continue
		}
		t.Run(mode, func(t *testing.T) { tableOutput(t, mode) })
	}
}

func tableOutput(t *testing.T, mode string) {
	newRepo(t, mode)
	one := makeTree(t, map[string]string{
		"a/f": "1", "a/same": "1", "a/l": "-> f", "a/b/g": "2", "empty/": "", "a/empty/": "", "zero": "", "big": strings.Repeat("x", 600_000),
	})
	two := makeTree(t, map[string]string{"a/f": "3", "a/c/n": "4", "empty/": ""})
	if err := os.Link(one+"/a/f", one+"/a/link"); err != nil {
		t.Fatal(err)
	}
	must(t, "commit", "--repo=repo", "-b", "one", one)
	must(t, "commit", "--repo=repo", "-b", "two", two)
	must(t, "commit", "--repo=repo", "-b", "empty", t.TempDir())
	checkout := []string{"checkout", "-H", "one"}
	if mode != "bare" {
		checkout = []string{"checkout", "-U", "one"}
	}
	for _, args := range [][]string{
		{one}, {two}, {"--owner-uid=7", one}, {"--canonical-permissions", one},
		{"--tree=ref=one"}, {"--tree=ref=one", "--tree=ref=one"}, {"--tree=ref=one", "--tree=ref=two"}, {"--tree=ref=two", "--tree=ref=one"},
		{"--tree=ref=one", "--owner-uid=7"}, {"--tree=ref=one", "--canonical-permissions"},
		{"--tree=ref=empty", "--tree=ref=one"}, {"--tree=ref=one", "--tree=ref=empty"}, {"--tree=ref=empty"},
		{"--tree=ref=one", "--tree=dir=" + two}, {"--tree=ref=one", "--tree=dir=" + one}, {"--tree=dir=" + two, "--tree=ref=one"},
		{"--base=one", two}, {"--base=one", one}, {"--add-detached-metadata-string=a=b", one},
		{"checkout"}, {"--link-checkout-speedup", "checkout"}, {"-I", "checkout"}, {"-I", "--owner-uid=9", "checkout"},
		{"--link-checkout-speedup", "--owner-uid=9", "checkout"}, {"--consume", "checkout"}, {"--consume", "--link-checkout-speedup", "checkout"},
	} {
		if mode != "archive" && !slices.Contains(args, "checkout") {
			continue // the mode makes no difference
		}
		var got [2]output
		for i, program := range []func(*testing.T, string, ...string) output{theirs, ours} {
			shell(t, "rm -rf copy checkout; cp -a repo copy")
			if slices.Contains(args, "checkout") {
				theirs(t, "", append(checkout, "checkout", "--repo=copy")...)
				shell(t, "echo new >checkout/new; cp checkout/a/f new; mv new checkout/a/f")
			}
			got[i] = program(t, "", append([]string{"commit", "--repo=copy", "-b", "x", "--table-output"}, args...)...)
		}
		if diff := cmp.Diff(got[0], got[1]); diff != "" {
			t.Errorf("%q (-ostree +treenail):\n%s", args, diff)
		}
	}
}

func shell(t *testing.T, script string) {
	t.Helper()
	if out, err := exec.Command("sh", "-ec", script).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", script, err, out)
	}
}

// TestMistakes compares what both say of things that are not there, or not what
// they should be.
func TestMistakes(t *testing.T) {
	sampleRepo(t, "archive")
	shell(t, "mkdir tree other; echo a >tree/a; echo x >file; mkfifo other/pipe")
	for _, line := range []string{
		"init --repo=none/repo", "init --repo=file", "init --repo=new --mode=best", "refs --repo=none", "refs --repo=file", "refs --repo=tree",
		"commit -b m none", "commit -b m file", "commit -b m --tree=dir=none", "commit -b m --tree=dir=tree/a", "commit -b m other", "commit tree",
		"commit -b m --tree=tree", "commit -b m --tree=zip=tree", "commit -b m --tree=ref=none", "commit -b m --base=none tree",
		"commit -b m --statoverride=none tree", "commit -b m --skip-list=none tree", "commit -b m -F none tree", "commit -b m --consume none",
		"commit -b m --parent=none. tree", "commit -b other/sub tree", "commit -b m --bootable tree", "commit -b a..b/ tree",
		"commit -b m --keep-metadata=none tree", "commit -b m --timestamp=never tree", "commit -b m --add-metadata-string=none tree",
		"checkout none", "checkout other tree", "checkout other none/sub", "checkout --subpath=/none other co", "checkout --skip-list=none other co",
		"refs --delete", "refs --create=other", "refs --create=new none", "refs --create=other os/stable",
		"refs --create=other/sub os/stable", "refs -A none --create=new", "refs --delete os/stable", "refs -c --create=new other",
		"rev-parse", "rev-parse none", "rev-parse other^", "rev-parse os", "rev-parse -S other", "rev-parse none:none", "rev-parse a..b/",
		"cat", "cat other", "cat none /a", "cat other /none", "cat other /etc", "cat other /etc/none/x", "cat other /etc/conf/x",
		"ls", "ls none", "ls other /none", "ls other /etc/conf/x", "ls other /none/x",
		"show", "show none", "show --print-metadata-key=none other", "show --print-detached-metadata-key=none other", "show --print-sizes other",
		"show --print-variant-type=u none", "log", "log none", "reset other none", "reset none other",
	} {
		args := strings.Fields(line)
		if !strings.Contains(line, "--repo=") {
			args = append(args, "--repo=repo")
		}
		want, got := theirs(t, "", args...), ours(t, "", args...)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-ostree +treenail):\n%s", line, diff)
		}
		if want.Code == 0 {
			t.Errorf("%s is no mistake", line)
		}
	}
}
