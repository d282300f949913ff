package rofiles_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/cmd/internal/rofiles"
)

// The test program is also the program under test, by its name.
func TestMain(m *testing.M) {
	if os.Args[0] != rofiles.Name {
		os.Exit(m.Run())
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	os.Exit(rofiles.Main(ctx, os.Args, cli.Streams{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}))
}

const theirs = "/usr/bin/rofiles-fuse"

// answer is what a program says. Its exit code is not ostree 2022.7's, which is 0
// where only libfuse saw the mistake.
func answer(t *testing.T, path, dir string, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Cmd{Path: path, Args: append([]string{rofiles.Name}, args...), Dir: dir, Stdout: &stdout, Stderr: &stderr}
	if err := cmd.Run(); cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return stdout.String() + "--\n" + stderr.String()
}

func own(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// places makes a directory with the places that the command lines here name.
func places(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, d := range []string{"base", "mnt"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSaysTheSame(t *testing.T) {
	dir := places(t)
	for _, line := range []string{
		"", "-h", "--help", "base mnt --help", "-V", "--version", "base", "base nosuch", "base mnt third", "nosuch mnt", "nosuch",
		"-x base mnt", "--nosuch base mnt", "-fs base mnt", "-o nosuch base mnt", "-onosuch base mnt", "-o ro,nosuch base mnt",
		"-o", "base mnt -o", "-- base", "-- -h", "base -- --help", "-o fd=3 base mnt",
	} {
		args := strings.Fields(line)
		want := strings.ReplaceAll(answer(t, theirs, dir, args...), "' \n", "'\n")
		if diff := cmp.Diff(want, answer(t, own(t), dir, args...)); diff != "" {
			t.Errorf("rofiles-fuse %s: (-theirs +ours):\n%s", line, diff)
		}
	}
}

// mounted returns what /proc says of a mountpoint, but for how much is read at once.
func mounted(t *testing.T, mountpoint string) string {
	t.Helper()
	data, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if strings.Contains(line, " "+mountpoint+" ") {
			return strings.Replace(line, ",max_read=1048576", "", 1)
		}
	}
	return ""
}

func TestMountsTheSame(t *testing.T) {
	dir := places(t)
	for _, line := range []string{
		"base mnt", "-o ro base mnt", "-oro,noexec base mnt", "base -o noatime mnt", "-o suid,dev base mnt -s", "--copyup -- base mnt",
		"-o allow_other,default_permissions base mnt", "-o fsname=a,subtype=b base mnt", "-o sync,dirsync base mnt",
	} {
		var seen []string
		for _, path := range []string{theirs, own(t)} {
			if got := answer(t, path, dir, strings.Fields(line)...); got != "--\n" {
				t.Errorf("%s %s: %s", path, line, got)
			}
			seen = append(seen, mounted(t, dir+"/mnt"))
			unmount(t, dir+"/mnt")
		}
		if seen[0] == "" || seen[0] != seen[1] {
			t.Errorf("rofiles-fuse %s:\ntheirs %sours   %s", line, seen[0], seen[1])
		}
	}
}

// eventually tries until there is no error, for at most ten seconds. It sleeps in
// between, since neither the kernel nor the program tells when a mount is there or
// is not busy any more.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// unmount waits for who is busy there: the server itself, at its start.
func unmount(t *testing.T, mountpoint string) {
	t.Helper()
	eventually(t, func() error {
		if out, err := exec.Command("fusermount3", "-u", mountpoint).CombinedOutput(); err != nil {
			return fmt.Errorf("unmount: %w: %s", err, out)
		}
		return nil
	})
}

// start runs the program in the foreground until the directory is shown.
func start(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := &exec.Cmd{Path: own(t), Args: append([]string{rofiles.Name, "-f", "base", "mnt"}, args...), Dir: dir}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() }) // if it was not unmounted
	eventually(t, func() error {
		if mounted(t, dir+"/mnt") == "" {
			return errors.New("nothing was mounted")
		}
		return nil
	})
	return cmd
}

func TestEndsWhenUnmounted(t *testing.T) {
	dir := places(t)
	cmd := start(t, dir)
	unmount(t, dir+"/mnt")
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// A signal takes the directory away, though somebody is in it.
func TestSignal(t *testing.T) {
	dir := places(t)
	cmd := start(t, dir)
	f, err := os.Create(dir + "/mnt/f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd.Process.Signal(syscall.SIGTERM)
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	if m := mounted(t, dir+"/mnt"); m != "" {
		t.Errorf("still there: %s", m)
	}
}

// The process in the background holds on to nothing of where it was started.
func TestBackground(t *testing.T) {
	dir := places(t)
	if out, err := (&exec.Cmd{Path: own(t), Args: []string{rofiles.Name, "base", "mnt"}, Dir: dir}).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out) // it would wait here for a process that holds the pipe
	}
	defer unmount(t, dir+"/mnt")
	if err := os.WriteFile(dir+"/mnt/f", []byte("x"), 0o644); err != nil {
		t.Error(err)
	}
	processes, err := filepath.Glob("/proc/[0-9]*/cwd")
	if err != nil {
		t.Fatal(err)
	}
	for _, cwd := range processes {
		if target, err := os.Readlink(cwd); err == nil && target == dir {
			t.Errorf("%s is %s", cwd, target)
		}
	}
}

// asNobody mounts twice as a user without privileges, who may use /dev/fuse as is
// usual: somewhere, and in a place of the user's own.
const asNobody = `
mknod fuse c 10 229 && chmod 666 fuse && mount --bind fuse /dev/fuse || exit
nobody="setpriv --reuid=65534 --regid=65534 --clear-groups"
$nobody bash -c 'exec -a rofiles-fuse ./rofiles-fuse base mnt' && echo "somebody else's mountpoint was used"
chown 65534 mnt base
$nobody bash -c 'exec -a rofiles-fuse ./rofiles-fuse base mnt' || exit
$nobody touch mnt/file && stat -c %u base/file
$nobody fusermount3 -u mnt
`

// Without privileges fusermount3 mounts, and says what it does not like.
func TestUnprivileged(t *testing.T) {
	dir := places(t)
	for p := dir; p != "/tmp" && p != "/"; p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("cp", own(t), dir+"/rofiles-fuse").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.Command("unshare", "-m", "bash", "-c", asNobody)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	refusal := "fusermount3: user has no write access to mountpoint " + dir + "/mnt\n"
	if text := string(out); err != nil || !strings.Contains(text, refusal) || !strings.HasSuffix(text, "\n65534\n") {
		t.Errorf("%v: %s", err, text)
	}
}

// What the child process cannot do is the parent's error.
func TestErrorOfBackground(t *testing.T) {
	dir := places(t)
	got := answer(t, own(t), dir, "-o", "attr_timeout=x", "base", "mnt")
	if want := fmt.Sprintf("--\nfuse: unknown option(s): `-o %s'\n", "attr_timeout=x"); got != want {
		t.Errorf("%q", got)
	}
}
