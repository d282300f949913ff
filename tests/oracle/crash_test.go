package oracle_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// killPoints are the system calls that change what is on a disk. The tests kill
// the program as it enters the Nth of each.
var killPoints = []string{"openat", "write", "mkdirat", "fchmod", "fsetxattr", "utimensat", "linkat", "symlinkat",
	"renameat", "renameat2", "fsync", "syncfs", "unlinkat"}

// maxSteps is how many of the calls of one kind are tried, spread evenly.
const maxSteps = 7

// operation is something that a kill interrupts.
type operation struct {
	name string
	args []string // without the repository
	mode string
}

// TestKill kills commit and import at every kind of step. Whatever the instant,
// the repository opens, is sound, has its ref old or new, and the operation can
// simply be run again.
func TestKill(t *testing.T) {
	need(t, "strace", "ostree")
	d := dir(t)
	before, after := smallTree(t, d+"/before", 12), smallTree(t, d+"/after", 20)
	for _, mode := range []string{"archive", "bare-user", "bare"} {
		base := filepath.Join(d, mode)
		old := commitInto(t, base, treenail, mode, before)
		commit := append(commitArgs(mode, after), "--parent="+old)
		source := filepath.Join(d, mode+"-source")
		run(t, "cp", "-a", base, source)
		next := strings.TrimSpace(run(t, treenail, append([]string{"--repo=" + source}, commit...)...))
		image := "oci:" + d + "/image-" + mode
		encapsulate(t, source, image)
		for _, op := range []operation{
			{"commit", commit, mode},
			{"import", []string{"container", "import", "--write-ref=" + branch, image}, mode},
		} {
			t.Run(mode+"/"+op.name, func(t *testing.T) { killEverywhere(t, op, base, old, next) })
		}
	}
}

func killEverywhere(t *testing.T, op operation, base, old, next string) {
	killed := 0
	for _, call := range killPoints {
		n := countCalls(t, op, base, call)
		for step := range min(n, maxSteps) {
			at := 1 + step*n/min(n, maxSteps)
			repo := filepath.Join(dir(t), "repo")
			run(t, "cp", "-a", base, repo)
			if dies(op, repo, call, at) {
				killed++
			}
			what := fmt.Sprintf("killed at %s %d of %d", call, at, n)
			survives(t, what, op, repo, old, next)
			os.RemoveAll(repo)
		}
	}
	// Calls are counted for each thread, so some of the kills do not happen.
	if killed < 30 {
		t.Errorf("only %d runs were killed: this test shows nothing", killed)
	}
}

// command is the operation on a repository, on one core so that the same calls
// come in about the same order.
func (op operation) command(wrapper []string, repo string) *exec.Cmd {
	args := append(wrapper, treenail)
	args = append(append(args, op.args...), "--repo="+repo)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	return cmd
}

// countCalls returns how often the operation makes a call.
func countCalls(t *testing.T, op operation, base, call string) int {
	t.Helper()
	repo := filepath.Join(dir(t), "repo")
	run(t, "cp", "-a", base, repo)
	log := repo + ".strace"
	if out, err := op.command([]string{"strace", "-f", "-qq", "-e", "trace=" + call, "-e", "signal=none", "-o", log}, repo).CombinedOutput(); err != nil {
		t.Fatalf("strace: %v\n%s", err, out)
	}
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), call+"(")
}

// dies runs the operation until the Nth call kills it, and reports whether it did.
func dies(op operation, repo, call string, n int) bool {
	inject := fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n)
	cmd := op.command([]string{"strace", "-f", "-qq", "-e", "trace=" + call, "-e", inject, "-o", "/dev/null"}, repo)
	cmd.Run()
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	return status.Signaled() && status.Signal() == syscall.SIGKILL
}

// survives checks a repository after a kill.
func survives(t *testing.T, what string, op operation, repo, old, next string) {
	t.Helper()
	rev := strings.TrimSpace(run(t, treenail, "--repo="+repo, "rev-parse", branch))
	if rev != old && rev != next {
		t.Errorf("%s: the ref is %s, neither old nor new", what, rev)
	}
	for _, program := range []string{treenail, "ostree"} {
		if out, err := exec.Command(program, "--repo="+repo, "fsck", "--quiet").CombinedOutput(); err != nil {
			t.Errorf("%s: %s fsck: %v\n%s", what, filepath.Base(program), err, out)
		}
	}
	if out, err := op.command(nil, repo).CombinedOutput(); err != nil {
		t.Errorf("%s: cannot be run again: %v\n%s", what, err, out)
	}
	if rev := strings.TrimSpace(run(t, treenail, "--repo="+repo, "rev-parse", branch)); rev != next {
		t.Errorf("%s: after running it again the ref is %s, want %s", what, rev, next)
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
	b.file("usr/lib/sub/script", "#!/bin/sh\n", 0o755)
	b.xattr("usr/lib/sub/script", "user.note", "x")
	b.symlink("lib", "usr/lib")
	if b.err != nil {
		t.Fatal(b.err)
	}
	return root
}
