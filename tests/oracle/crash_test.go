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
const maxSteps = 6

// operation is something that a kill or an error interrupts.
type operation struct {
	name string
	args []string // without the repository
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

// TestKill kills what writes at every kind of step. Whatever the instant, the
// repository opens, is sound, has its refs old or new, and the operation can
// simply be run again.
func TestKill(t *testing.T) {
	interruptEverywhere(t, "signal=KILL")
}

// TestFailingDisk lets the system calls that write fail in the two ways of disks.
// The operation may end well or badly, and says so; the rest is as after a kill.
func TestFailingDisk(t *testing.T) {
	for _, how := range []string{"error=ENOSPC", "error=EIO"} {
		interruptEverywhere(t, how)
	}
}

// interruptEverywhere runs each operation with each interruption.
func interruptEverywhere(t *testing.T, how string) {
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
			{"commit", commit, old, next, refState},
			{"import", []string{"container", "import", "--write-ref=" + branch, image}, old, next, refState},
			{"pull-local", []string{"pull-local", source, branch}, old, next, refState},
		} {
			t.Run(how+"/"+mode+"/"+op.name, func(t *testing.T) { op.interrupt(t, how, base) })
		}
		if mode == "archive" {
			for _, op := range housekeeping(t, source, old) {
				t.Run(how+"/"+mode+"/"+op.name, func(t *testing.T) { op.interrupt(t, how, source) })
			}
		}
	}
}

// housekeeping is the operations that change a repository without new objects.
func housekeeping(t *testing.T, repo, old string) []operation {
	run(t, treenail, "--repo="+repo, "refs", "--create=other/old", old)
	run(t, treenail, "--repo="+repo, "summary", "-u")
	run(t, treenail, "--repo="+repo, "refs", "--create=third", old)
	ops := []operation{
		{name: "refs --create", args: []string{"refs", "--create=new/ref", old}, state: refsState},
		{name: "refs --delete", args: []string{"refs", "--delete", "other"}, state: refsState},
		{name: "reset", args: []string{"reset", branch, old}, state: refsState},
		{name: "summary", args: []string{"summary", "-u"}, state: summaryState},
		{name: "prune", args: []string{"prune", "--refs-only", "--depth=0"}, state: refsState},
	}
	for i := range ops {
		op := &ops[i]
		done := repo + "-" + strings.ReplaceAll(op.name, " ", "")
		run(t, "cp", "-a", repo, done)
		run(t, treenail, append([]string{"--repo=" + done}, op.args...)...)
		op.before, op.after = op.state(t, repo), op.state(t, done)
	}
	return ops
}

func (op operation) interrupt(t *testing.T, how, base string) {
	hits := 0
	for _, call := range killPoints {
		n := countCalls(t, op, base, call)
		for step := range min(n, maxSteps) {
			at := 1 + step*n/min(n, maxSteps)
			repo := filepath.Join(dir(t), "repo")
			run(t, "cp", "-a", base, repo)
			what := fmt.Sprintf("%s at %s %d of %d", how, call, at, n)
			if op.runInterrupted(t, what, repo, call, at, how) {
				hits++
			}
			op.survives(t, what, repo)
			os.RemoveAll(repo)
		}
	}
	// Calls are counted for each thread, so some of the interruptions do not happen.
	if hits < 4 {
		t.Errorf("only %d runs were interrupted: this test shows nothing", hits)
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

// runInterrupted runs the operation with an interruption at the Nth call, and
// reports whether it was killed or failed. A failure has to be one line of error.
func (op operation) runInterrupted(t *testing.T, what, repo, call string, n int, how string) bool {
	t.Helper()
	inject := fmt.Sprintf("inject=%s:%s:when=%d", call, how, n)
	cmd := op.command([]string{"strace", "-f", "-qq", "-e", "trace=" + call, "-e", inject, "-o", "/dev/null"}, repo)
	_, stderr, _ := try(cmd)
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return status.Signal() == syscall.SIGKILL
	}
	mute := call == "write" // it may be the error that could not be written
	if status.ExitStatus() != 0 && !mute && (status.ExitStatus() != 1 || strings.Count(stderr, "error: ") != 1) {
		t.Errorf("%s: exit code %d, and no line of error but\n%s", what, status.ExitStatus(), stderr)
	}
	return status.ExitStatus() != 0
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
	if out, err := op.command(nil, repo).CombinedOutput(); err != nil && op.name != "refs --create" { // refuses what exists
		t.Errorf("%s: cannot be run again: %v\n%s", what, err, out)
	}
	if state := op.state(t, repo); state != op.after {
		t.Errorf("%s: after running it again the state is\n%s\nwant\n%s", what, state, op.after)
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
