// Package oracle_test holds treenail against the programs it has to agree with:
// Debian's ostree, skopeo, podman, buildah, umoci and a docker-registry. Each
// test drives the built program as a user does and asks the others for their
// opinion. A tool that is missing fails the test; nothing is skipped.
//
// The tests run as root, because a system tree has files of many owners.
package oracle_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/treenail/treenail/tests/internal/debtree"
	"github.com/treenail/treenail/tests/internal/program"
)

var (
	// treenail is the program under test.
	treenail string
	// scratch is where all tests work. It goes at the end.
	scratch string
)

// inside tells the test program that it already has its own mount namespace,
// and where to work.
const inside = "TREENAIL_ORACLE_SCRATCH"

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		fmt.Fprintln(os.Stderr, "these tests need root: owners, mounts and containers")
		os.Exit(1)
	}
	code, err := 0, error(nil)
	if scratch = os.Getenv(inside); scratch == "" {
		code, err = enter()
	} else {
		code, err = runTests(m)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// enter runs this test program again in a mount namespace of its own, so that
// whatever the tests mount is gone when they are, even when they are killed.
func enter() (code int, err error) {
	dir, err := os.MkdirTemp("/var/tmp", "oracle-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(dir)
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"="+dir)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread() // the death of the starting thread counts as the parent's
	err = cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

func runTests(m *testing.M) (code int, err error) {
	if err := inMemory(scratch); err != nil {
		return 1, err
	}
	if treenail, err = program.Build(scratch); err != nil {
		return 1, err
	}
	for _, name := range []string{"OSTREE_REPO", "OSTREE_SYSROOT", "SOURCE_DATE_EPOCH"} {
		os.Unsetenv(name)
	}
	os.Setenv("LC_ALL", "C.UTF-8")
	os.Setenv("XDG_CACHE_HOME", "/dev/null") // no layer that an earlier test made
	// ostree 2022.7 only writes bare-split-xattrs when told so.
	os.Setenv("OSTREE_EXP_WRITE_BARE_SPLIT_XATTRS", "1")
	return m.Run(), nil
}

// inMemory puts a file system in memory at dir when there is memory for it: the
// tests write the same files many times, and each sync would wait for a disk.
func inMemory(dir string) error {
	if err := os.Chmod(dir, 0o755); err != nil { // some tests run as another user
		return err
	}
	available, err := availableMemory()
	if err != nil || available < 8<<30 {
		return err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "mode=0755,size=8g"); err != nil {
		return fmt.Errorf("mount a file system in memory: %w", err)
	}
	return nil
}

// availableMemory is what the kernel could give away, in bytes.
func availableMemory() (n int64, err error) {
	data, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(data)) {
		if _, err := fmt.Sscanf(line, "MemAvailable: %d kB", &n); err == nil {
			return n << 10, nil
		}
	}
	return 0, nil
}

// packages that have the tools, where the name differs.
var packages = map[string]string{"setfattr": "attr", "mount": "mount", "ip": "iproute2"}

// need fails the test when a tool is not there.
func need(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err == nil {
			continue
		}
		pkg := tool
		if p, ok := packages[tool]; ok {
			pkg = p
		}
		t.Fatalf("%s is missing: apt-get install %s", tool, pkg)
	}
}

// dir returns a new directory for one test, on the scratch disk.
func dir(t *testing.T) string {
	t.Helper()
	d, err := os.MkdirTemp(scratch, strings.NewReplacer("/", "-").Replace(t.Name())+"-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(d) })
	return d
}

// run runs a command that must succeed and returns its standard output.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	stdout, stderr, err := try(exec.Command(name, args...))
	if err != nil {
		t.Fatalf("%s %s: %v\n%s%s", filepath.Base(name), strings.Join(args, " "), err, stdout, stderr)
	}
	return stdout
}

// refuse runs a command that must end with exit code 1 and one clear error,
// and returns the line that says so.
func refuse(t *testing.T, name string, args ...string) string {
	t.Helper()
	return refused(t, exec.Command(name, args...))
}

func refused(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	stdout, stderr, err := try(cmd)
	if err == nil || cmd.ProcessState.ExitCode() != 1 {
		t.Fatalf("%s: want exit code 1, got %v\n%s%s", strings.Join(cmd.Args, " "), cmd.ProcessState, stdout, stderr)
	}
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	last := lines[len(lines)-1]
	if !strings.HasPrefix(last, "error: ") || strings.Count(stderr, "error: ") != 1 {
		t.Errorf("%s: want one line of error, got\n%s", strings.Join(cmd.Args, " "), stderr)
	}
	return last
}

// patience is how long one command may take: some of the programs never end on
// some of the inputs.
const patience = 5 * time.Minute

// try runs a command and returns what it said on each of its two outputs.
func try(cmd *exec.Cmd) (stdout, stderr string, err error) {
	var out, errOut head
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Start(); err != nil {
		return "", "", err
	}
	timer := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer timer.Stop()
	err = cmd.Wait()
	return out.String(), errOut.String(), err
}

// head keeps the beginning of what is written, and takes the rest, too.
type head struct{ buf bytes.Buffer }

func (h *head) Write(p []byte) (int, error) {
	const limit = 16 << 20
	h.buf.Write(p[:min(len(p), max(0, limit-h.buf.Len()))])
	return len(p), nil
}

func (h *head) String() string { return h.buf.String() }

// debian returns a real Debian tree, made once for all tests of a run.
func debian(t *testing.T) string {
	t.Helper()
	path, err := debianTree()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var debianTree = sync.OnceValues(func() (string, error) {
	if path := os.Getenv(debtree.Env); path != "" {
		return filepath.Abs(path)
	}
	path := filepath.Join(scratch, "debian")
	return path, debtree.Make(context.Background(), path, debtree.Options{})
})
