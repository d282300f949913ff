package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// suite is a set of scripts and the program that they run.
type suite struct {
	dir  string // of the scripts
	bin  string // directory that holds the program under the name ostree
	work string
}

// timeout is how long a script may take; the slowest takes a tenth of it.
const timeout = 3 * time.Minute

// newSuite puts the program under its names in ostree into a directory that will be
// first on the scripts' PATH, with a sudo that only runs its arguments.
func newSuite(dir, binary, work string) (*suite, error) {
	if _, err := os.Stat(filepath.Join(dir, "libtest.sh")); err != nil {
		return nil, fmt.Errorf("libostree's tests (Debian's package ostree-tests): %w", err)
	}
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	s := &suite{dir: dir, bin: filepath.Join(work, "bin"), work: work}
	if err := os.Mkdir(s.bin, 0o755); err != nil {
		return nil, err
	}
	for _, name := range []string{"ostree", "rofiles-fuse"} {
		if err := os.Symlink(binary, filepath.Join(s.bin, name)); err != nil {
			return nil, err
		}
	}
	return s, os.WriteFile(filepath.Join(s.bin, "sudo"), []byte("#!/bin/sh\nexec \"$@\"\n"), 0o755)
}

type verdict string

const (
	pass verdict = "pass"
	fail verdict = "FAIL"
	skip verdict = "skip"
)

// outcome is what became of a script.
type outcome struct {
	verdict verdict
	ok      int // checks inside that passed
	took    time.Duration
	output  string
}

var (
	okLine    = regexp.MustCompile(`(?m)^ok\b`)
	notOKLine = regexp.MustCompile(`(?m)^not ok\b`)
	noPlan    = regexp.MustCompile(`(?m)^1\.\.0\b`)
)

// run runs one script. The error says that it could not be run at all.
func (s *suite) run(ctx context.Context, name string) (outcome, error) {
	dir, err := os.MkdirTemp(s.work, "run-")
	if err != nil {
		return outcome{}, err
	}
	defer removeAll(dir)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, "unshare", "--net", "sh", "-c", `ip link set lo up && exec "$0"`, filepath.Join(s.dir, name))
	cmd.Dir, cmd.Env = dir, s.environment()
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return killGroup(cmd) }
	cmd.WaitDelay = 5 * time.Second // a daemon may hold the output open
	start := time.Now()
	err = cmd.Run()
	killGroup(cmd)
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		return outcome{}, fmt.Errorf("%s: %w", name, err)
	}
	r := outcome{output: output.String(), took: time.Since(start)}
	r.ok = len(okLine.FindAllString(r.output, -1))
	r.verdict = judge(cmd.ProcessState.ExitCode(), r)
	return r, nil
}

func judge(code int, r outcome) verdict {
	switch {
	case code == 77 || code == 0 && noPlan.MatchString(r.output):
		return skip
	case code == 0 && r.ok > 0 && !notOKLine.MatchString(r.output):
		return pass
	}
	return fail
}

// environment is what the scripts expect: their own place twice, root's tests
// enabled, and the names of boot entries that they were written for.
func (s *suite) environment() []string {
	return append(os.Environ(),
		"PATH="+s.bin+":"+os.Getenv("PATH"),
		"G_TEST_SRCDIR="+s.dir, "G_TEST_BUILDDIR="+s.dir,
		"OSTREE_TEST_SUDO=1", "OSTREE_TEST_ALLOW_RANDOM=1",
		"OSTREE_SYSROOT_OPTS=bootloader-naming-1")
}

// killGroup ends what the script left running.
func killGroup(cmd *exec.Cmd) error {
	if cmd.Process == nil {
		return nil
	}
	return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
}

// removeAll removes a directory whose scripts took write permissions away.
func removeAll(dir string) {
	exec.Command("chmod", "-R", "u+rwX", dir).Run()
	os.RemoveAll(dir)
}
