//go:build linux && amd64

package oracle_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/treenail/treenail/tests/internal/interrupt"
)

// operation is something that a kill or an error interrupts.
type operation struct {
	name string
	args []string // "REPO" is the repository; without that it follows as --repo
	// before and after are what state says of a repository that the operation
	// did not begin, or ended.
	before, after string
	state         func(t *testing.T, repo string) string
}

// refState says where a branch is.
func refState(t *testing.T, repo string) string {
	return strings.TrimSpace(run(t, treenail, "--repo="+repo, "rev-parse", branch))
}

// refsState lists the refs.
func refsState(t *testing.T, repo string) string {
	return run(t, treenail, "--repo="+repo, "refs", "--revision")
}

// summaryState is what the summary says, but for the time when it was made.
func summaryState(t *testing.T, repo string) string {
	text, _, _ := strings.Cut(run(t, "ostree", "--repo="+repo, "summary", "--raw"), "'ostree.summary.last-modified'")
	return text
}

// TestKill kills what writes at each of its system calls that do. Whatever the
// instant, the repository opens, is sound, has its refs old or new, and the
// operation can simply be run again.
func TestKill(t *testing.T) { interruptEverywhere(t, 0) }

// TestFailingDisk lets each of those system calls fail in the two ways of disks.
// The operation may end well or badly, and says so; the rest is as after a kill.
func TestFailingDisk(t *testing.T) {
	interruptEverywhere(t, syscall.ENOSPC)
	interruptEverywhere(t, syscall.EIO)
}

// imagesState lists the images.
func imagesState(t *testing.T, repo string) string {
	return run(t, treenail, "container", "image", "list", "--repo="+repo)
}

var testKey = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

// signatureState tells whether the branch's commit has a signature.
func signatureState(t *testing.T, repo string) string {
	out, errOut, _ := try(exec.Command(treenail, "--repo="+repo, "sign", "--verify", branch, base64.StdEncoding.EncodeToString(testKey[32:])))
	return out + errOut
}

// argv is the operation's command line for a repository.
func (op operation) argv(repo string) []string {
	args := slices.Clone(op.args)
	if i := slices.Index(args, "REPO"); i >= 0 {
		args[i] = repo
		return args
	}
	return append(args, "--repo="+repo)
}

// interruptEverywhere runs each operation once for each of its calls, which fails,
// or at which it is killed if errno is 0.
func interruptEverywhere(t *testing.T, errno syscall.Errno) {
	need(t, "ostree")
	d := dir(t)
	before, after := smallTree(t, d+"/before", 2), smallTree(t, d+"/after", 4)
	for _, mode := range []string{"archive", "bare-user", "bare", "bare-split-xattrs"} {
		base := filepath.Join(d, mode)
		old := commitInto(t, base, treenail, mode, before)
		commit := append(commitArgs(mode, after), "--parent="+old)
		source := filepath.Join(d, mode+"-source")
		run(t, "cp", "-a", base, source)
		next := strings.TrimSpace(run(t, treenail, append([]string{"--repo=" + source}, commit...)...))
		image := "oci:" + d + "/image-" + mode
		encapsulate(t, source, image)
		for _, op := range []operation{
			{"commit", commit, old, next, refState},
			{"import", []string{"container", "import", "--write-ref=" + branch, image}, old, next, refState},
			{"pull-local", []string{"pull-local", source, branch}, old, next, refState},
		} {
			op.interrupt(t, base, mode, errno)
		}
		if mode == "archive" {
			for _, op := range housekeeping(t, source, old, image) {
				op.interrupt(t, source, mode, errno)
			}
		}
	}
}

// housekeeping is the other operations.
func housekeeping(t *testing.T, repo, old, image string) []operation {
	run(t, treenail, "--repo="+repo, "refs", "--create=other/old", old)
	run(t, treenail, "--repo="+repo, "summary", "-u")
	run(t, treenail, "--repo="+repo, "refs", "--create=third", old)
	ops := []operation{
		{name: "refs --create", args: []string{"refs", "--create=new/ref", old}, state: refsState},
		{name: "refs --delete", args: []string{"refs", "--delete", "other"}, state: refsState},
		{name: "reset", args: []string{"reset", branch, old}, state: refsState},
		{name: "summary", args: []string{"summary", "-u"}, state: summaryState},
		{name: "sign", args: []string{"sign", branch, base64.StdEncoding.EncodeToString(testKey)}, state: signatureState},
		{name: "image pull", args: []string{"container", "image", "pull", "REPO", image}, state: imagesState},
		{name: "prune", args: []string{"prune", "--refs-only", "--depth=0"}, state: refsState},
	}
	for i := range ops {
		op := &ops[i]
		done := repo + "-" + strings.ReplaceAll(op.name, " ", "")
		run(t, "cp", "-a", repo, done)
		run(t, treenail, op.argv(done)...)
		op.before, op.after = op.state(t, repo), op.state(t, done)
	}
	return ops
}

func (op operation) interrupt(t *testing.T, base, mode string, errno syscall.Errno) {
	t.Run(fmt.Sprintf("%s/%s/%s", mode, op.name, how(errno)), func(t *testing.T) {
		t.Parallel()
		eachCall(t, base, errno, func(repo string, in interrupt.Interruption) (call string) {
			if call = runInterrupted(t, in, op.argv(repo)...); call != "" {
				op.survives(t, fmt.Sprintf("%s at call %d, %s", how(errno), in.At, call), repo)
			}
			return call
		})
	})
}

// eachCall has fn run something on a copy of a repository that is interrupted at its
// first call, then at its second, and so on until one run comes through.
func eachCall(t *testing.T, base string, errno syscall.Errno, fn func(repo string, in interrupt.Interruption) (call string)) {
	t.Helper()
	for at := 1; ; at++ {
		repo := filepath.Join(dir(t), "repo")
		run(t, "cp", "-a", base, repo)
		call := fn(repo, interrupt.Interruption{At: at, Errno: errno})
		os.RemoveAll(repo)
		if call == "" {
			if at == 1 {
				t.Error("no run was interrupted")
			}
			t.Logf("%d calls", at-1)
			return
		}
	}
}

func how(errno syscall.Errno) string {
	if errno == 0 {
		return "killed"
	}
	return errno.Error()
}

// runInterrupted runs the program with an interruption, and returns the call that it
// came at. If the program fails then, it has to do so with one line of error.
func runInterrupted(t *testing.T, in interrupt.Interruption, args ...string) (call string) {
	t.Helper()
	cmd := exec.Command(treenail, args...)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stderr = w
	outcome, err := interrupt.Run(cmd, in)
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	status := outcome.Status
	switch {
	case in.Errno == 0 && outcome.Call != "":
		if !status.Signaled() || status.Signal() != syscall.SIGKILL {
			t.Errorf("call %d, %s: not killed: %#x", in.At, outcome.Call, status)
		}
	case status.ExitStatus() != 0 && (status.ExitStatus() != 1 || strings.Count(string(stderr), "error: ") != 1):
		t.Errorf("%s at call %d, %s: exit code %d, and no line of error but\n%s", how(in.Errno), in.At, outcome.Call, status.ExitStatus(), stderr)
	}
	return outcome.Call
}

// survives checks a repository after an interruption.
func (op operation) survives(t *testing.T, what, repo string) {
	t.Helper()
	if state := op.state(t, repo); state != op.before && state != op.after {
		t.Errorf("%s: the state is neither old nor new:\n%s", what, state)
	}
	for _, program := range []string{treenail, "ostree"} {
		if out, err := exec.Command(program, "--repo="+repo, "fsck", "--quiet").CombinedOutput(); err != nil {
			t.Errorf("%s: %s fsck: %v\n%s", what, filepath.Base(program), err, out)
		}
	}
	if out, err := exec.Command(treenail, op.argv(repo)...).CombinedOutput(); err != nil && op.name != "refs --create" { // refuses what exists
		t.Errorf("%s: cannot be run again: %v\n%s", what, err, out)
	}
	if state := op.state(t, repo); state != op.after {
		t.Errorf("%s: after running it again the state is\n%s\nwant\n%s", what, state, op.after)
	}
}

// TestKillConsume kills a commit that consumes its tree. Before the branch names the
// commit nothing of the tree is gone, and afterwards nothing of it is missing in the
// commit.
func TestKillConsume(t *testing.T) {
	need(t, "ostree")
	d := dir(t)
	tree := smallTree(t, d+"/tree", 4)
	for _, mode := range []string{"bare", "bare-user"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			base := filepath.Join(d, mode)
			run(t, "ostree", "--repo="+base, "init", "--mode="+mode)
			eachCall(t, base, 0, func(repo string, in interrupt.Interruption) (call string) {
				eaten := repo + "-tree"
				defer os.RemoveAll(eaten)
				run(t, "cp", "-a", tree, eaten)
				call = runInterrupted(t, in, "--repo="+repo, "commit", "-b", branch, "--consume", "--tree=dir="+eaten)
				whole := eaten
				if _, err := os.Stat(repo + "/refs/heads/" + branch); err == nil {
					whole = repo + "-checkout"
					defer os.RemoveAll(whole)
					run(t, "ostree", "--repo="+repo, "fsck", "--quiet")
					run(t, "ostree", "--repo="+repo, "checkout", "-U", branch, whole)
				}
				if out, err := exec.Command("diff", "-r", "--no-dereference", tree, whole).CombinedOutput(); err != nil {
					t.Errorf("killed at call %d, %s: in %s is missing\n%s", in.At, call, whole, out)
				}
				return call
			})
		})
	}
}

// smallTree makes a tree of n files and some links.
func smallTree(t *testing.T, root string, n int) string {
	t.Helper()
	b := &builder{root: root}
	b.dir("usr/lib/sub", 0o755)
	for i := range n {
		b.file(fmt.Sprintf("usr/lib/%d", i), noise(100+i*997), 0o644)
	}
	b.file("usr/lib/large", noise(100_000+n), 0o644)
	b.file("usr/lib/sub/script", "#!/bin/sh\n", 0o755)
	b.xattr("usr/lib/sub/script", "user.note", "x")
	b.symlink("lib", "usr/lib")
	if b.err != nil {
		t.Fatal(b.err)
	}
	return root
}
