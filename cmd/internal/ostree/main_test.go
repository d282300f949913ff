package ostree_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/cmd/internal/ostree"
)

// The tests compare with the real ostree, which has to be installed.

func TestMain(m *testing.M) {
	os.Setenv("LC_ALL", "C.UTF-8")
	os.Setenv("TZ", "UTC")
	for _, name := range []string{"OSTREE_REPO", "OSTREE_SYSROOT", "SOURCE_DATE_EPOCH", "VISUAL", "EDITOR", "OSTREE_EDITOR"} {
		os.Unsetenv(name)
	}
	os.Exit(m.Run())
}

// output is what a run of a command left.
type output struct {
	Stdout string
	Error  string // last line of standard error
	Code   int
}

func (o output) String() string {
	return fmt.Sprintf("exit code %d\n%s\n%s", o.Code, o.Stdout, o.Error)
}

func lastLine(s string) string {
	s = strings.TrimSuffix(s, "\n")
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// ours runs a command of ours in this process.
func ours(t *testing.T, stdin string, args ...string) output {
	t.Helper()
	p := cli.Program{
		Name: "ostree", Flat: true, Commands: ostree.Commands(), Version: func(io.Writer) {},
		Groups: []string{ostree.GroupCommits, ostree.GroupRepo},
	}
	var stdout, stderr bytes.Buffer
	code := p.Run(t.Context(), args, cli.Streams{Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: &stderr})
	return output{stdout.String(), lastLine(stderr.String()), code}
}

// theirs runs the real ostree.
func theirs(t *testing.T, stdin string, args ...string) output {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command("ostree", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("the real ostree is needed: %v", err)
	}
	return output{stdout.String(), lastLine(stderr.String()), cmd.ProcessState.ExitCode()}
}

// same runs a command that changes nothing both ways and compares.
func same(t *testing.T, args ...string) {
	t.Helper()
	if diff := cmp.Diff(theirs(t, "", args...), ours(t, "", args...)); diff != "" {
		t.Errorf("%s (-ostree +treenail):\n%s", strings.Join(args, " "), diff)
	}
}

// must runs a command of ours that has to succeed and returns its output
// without the last newline.
func must(t *testing.T, args ...string) string {
	t.Helper()
	o := ours(t, "", args...)
	if o.Code != 0 {
		t.Fatalf("%s: %v", strings.Join(args, " "), o)
	}
	return strings.TrimSuffix(o.Stdout, "\n")
}

// makeTree writes files into a new directory. A name that ends in a slash is a
// directory; contents that begin with "-> " make a symlink.
func makeTree(t *testing.T, files map[string]string) string {
	t.Helper()
	top := t.TempDir()
	for name, content := range files {
		path := filepath.Join(top, name)
		dir := filepath.Dir(path)
		if strings.HasSuffix(name, "/") {
			dir = path
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, ok := strings.CutPrefix(content, "-> "); ok {
			err = os.Symlink(target, path)
		} else if !strings.HasSuffix(name, "/") {
			err = os.WriteFile(path, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return top
}

// sampleTree has files, directories and the symlinks that are hard to follow.
func sampleTree(t *testing.T) string {
	return makeTree(t, map[string]string{
		"usr/bin/a": "hi\n", "usr/bin/l": "-> a", "usr/empty/": "", "usr/zero": "",
		"etc/abs": "-> /usr/bin/l", "etc/broken": "-> nope", "etc/dir": "-> ../usr", "etc/up": "-> ../../../etc/conf",
		"etc/conf": "x=1\n", "etc/big": strings.Repeat("0123456789", 123456),
	})
}

// newRepo makes a repository and moves into the directory that holds it.
func newRepo(t *testing.T, mode string) {
	t.Helper()
	t.Chdir(t.TempDir())
	must(t, "init", "--repo=repo", "--mode="+mode)
	must(t, "config", "--repo=repo", "set", "core.fsync", "false") // the tests' time is the disk's
}

// sampleRepo is a repository with three commits of two refs, detached metadata
// and sizes.
func sampleRepo(t *testing.T, mode string) {
	t.Helper()
	newRepo(t, mode)
	tree := sampleTree(t)
	must(t, "commit", "--repo=repo", "-b", "os/stable", "-s", "first", "--timestamp=@1700000000", tree)
	must(t, "commit", "--repo=repo", "-b", "os/stable", "-s", "second\nof two lines", "-m", "A body\n\nwith a gap\n",
		"--add-metadata-string=version=1.0", "--add-metadata=num=uint64 5", "--add-metadata=blob=@ay [1, 255]",
		"--add-detached-metadata-string=sig=me", "--timestamp=@1700000001", tree)
	must(t, "commit", "--repo=repo", "-b", "other", "--timestamp=@1700000002", tree)
	must(t, "refs", "--repo=repo", "os/stable", "--create=origin:os/stable")
	must(t, "refs", "--repo=repo", "-A", "os/stable", "--create=os/alias")
	must(t, "refs", "--repo=repo", "-c", "--create=org.example.Os:os/mirrored", "other")
}
