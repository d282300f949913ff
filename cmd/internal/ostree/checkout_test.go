package ostree_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// listing describes all that is below a directory: modes, owners, number of
// links, targets and contents.
func listing(t *testing.T, top string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(top, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := os.Lstat(path)
		if err != nil {
			return err
		}
		st := info.Sys().(*syscall.Stat_t)
		line := fmt.Sprintf("%s %v %d:%d", strings.TrimPrefix(path, top), info.Mode(), st.Uid, st.Gid)
		switch {
		case info.Mode().Type() == fs.ModeSymlink:
			target, _ := os.Readlink(path)
			line += " -> " + target
		case info.Mode().IsRegular():
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			line += fmt.Sprintf(" linked=%v dated=%v %.40q", st.Nlink > 1, info.ModTime().Unix() != 0, data)
		}
		list = append(list, line)
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return list
}

// TestCheckout makes the same checkouts with both programs, one after the other
// into one directory each where a case has several.
func TestCheckout(t *testing.T) {
	for _, mode := range []string{"archive", "bare", "bare-user"} {
		t.Run(mode, func(t *testing.T) {
			newRepo(t, mode)
			must(t, "commit", "--repo=repo", "-b", "main", sampleTree(t))
			must(t, "commit", "--repo=repo", "-b", "rich", xattrTree(t))
			must(t, "commit", "--repo=repo", "-b", "layer", makeTree(t, map[string]string{
				"usr/bin/.wh.a": "", "etc/.wh..wh..opq": "", "etc/new": "n", ".ostree-wh.gone": "", "usr/bin/b": "b"}))
			if err := os.WriteFile("skip", []byte("/usr/bin/\n/etc/conf\n/etc\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile("list", []byte("main\x00/usr\x00rich\x00/dir\x00"), 0o644); err != nil {
				t.Fatal(err)
			}
			for i, runs := range []string{
				"main DEST",
				"rich DEST",
				"-U rich DEST",
				"-U --disable-cache rich DEST",
				"-H main DEST",
				"-UH main DEST",
				"-C main DEST",
				"-UC rich DEST",
				"-U -M rich DEST",
				"-UHz main DEST",
				"--subpath=/usr/bin main DEST",
				"--subpath=etc/conf main DEST",
				"--subpath=/nope main DEST",
				"--subpath=/nope/x main DEST",
				"--subpath=/etc/conf/x main DEST",
				"--allow-noent --subpath=/nope main DEST",
				"--allow-noent -U --union --subpath=/nope/x main DEST",
				"--allow-noent -H --subpath=/nope main DEST",
				"--allow-noent -U -C --subpath=/nope main DEST",
				"--allow-noent --whiteouts --subpath=/nope main DEST",
				"--allow-noent --disable-cache --subpath=/nope main DEST",
				"-U --subpath=/dir rich DEST",
				"--from-file=usr DEST",
				"--from-file=nofile DEST",
				"-U main DEST; -U main DEST",
				"-U main DEST; -U --union rich DEST; -U --union layer DEST",
				"-U main DEST; -U --union-add layer DEST",
				"-UC main DEST; -UH --union-identical main DEST",
				"-U main DEST; -U --union --whiteouts layer DEST",
				"-U --process-passthrough-whiteouts layer DEST",
				"-U --skip-list=skip main DEST",
				"-U --union --from-file=list DEST",
				"-U --fsync=false main DEST",
				"--fsync=perhaps main DEST",
				"-U main no/such/place",
				"--union --union-add main DEST",
				"--union --union-identical main DEST",
				"--union-add --union-identical main DEST",
				"--union-identical main DEST",
				"-HC main DEST",
				"--selinux-prefix=x main DEST",
			} {
				compareCheckouts(t, i, runs)
			}
		})
	}
}

func compareCheckouts(t *testing.T, i int, runs string) {
	t.Helper()
	do := func(run func(*testing.T, string, ...string) output, dest string) (out []output, list []string) {
		for one := range strings.SplitSeq(runs, "; ") {
			args := strings.Fields("checkout --repo=repo " + strings.ReplaceAll(one, "DEST", dest))
			out = append(out, run(t, "", args...))
		}
		return out, listing(t, dest)
	}
	wantOut, wantList := do(theirs, fmt.Sprintf("theirs-%d", i))
	gotOut, gotList := do(ours, fmt.Sprintf("ours-%d", i))
	if diff := cmp.Diff(wantOut, gotOut); diff != "" {
		t.Errorf("%s (-ostree +treenail):\n%s", runs, diff)
	}
	if failed := wantOut[len(wantOut)-1].Code != 0; failed {
		return // what is there by then is chance
	}
	if diff := cmp.Diff(wantList, gotList); diff != "" {
		t.Errorf("%s (-ostree +treenail):\n%s", runs, diff)
	}
}

func TestCheckoutStdin(t *testing.T) {
	newRepo(t, "archive")
	must(t, "commit", "--repo=repo", "-b", "main", sampleTree(t))
	for _, c := range []struct{ in, err string }{
		{"", ""},
		{"main\x00/usr/bin\x00main\x00/etc\x00", ""},
		{"main\x00/usr/bin", ""},
		{"nope\x00/\x00", "error: Refspec 'nope' not found"},
		{strings.Repeat("x", 1<<17), "error: a word of the list is longer than 65536 bytes"},
	} {
		if o := ours(t, c.in, "checkout", "--repo=repo", "-U", "--union", "--from-stdin", "dest"); o.Error != c.err {
			t.Errorf("%.20q: %v", c.in, o)
		}
	}
	if got := listing(t, "dest"); len(got) != 9 {
		t.Errorf("%d files: %v", len(got), got)
	}
	if o := ours(t, "", "checkout", "--repo=repo", "--from-stdin"); o.Error != "error: DESTINATION must be specified" {
		t.Error(o)
	}
}

// TestCheckoutDefaultDestination: without a destination it is the commit's name.
func TestCheckoutDefaultDestination(t *testing.T) {
	newRepo(t, "archive")
	must(t, "commit", "--repo=repo", "-b", "main", sampleTree(t))
	must(t, "checkout", "--repo=repo", "-U", "main")
	if _, err := os.Stat("main/usr/bin/a"); err != nil {
		t.Error(err)
	}
	same(t, "checkout", "--repo=repo", "-U", "main")
}
