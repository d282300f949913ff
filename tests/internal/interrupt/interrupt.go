//go:build linux && amd64

// Package interrupt runs a program and kills it, or lets a system call fail, at
// a chosen one of those by which it changes what is on a disk. Calls are counted
// over all threads, so that with 1, 2, 3, … each of them is tried.
package interrupt

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Interruption says what to do, and when.
type Interruption struct {
	At    int           // the number of the call, from 1; 0: never
	Errno syscall.Errno // what the call returns instead of being made; 0: the program is killed
}

// Outcome is how a run went.
type Outcome struct {
	Calls  int    // how many calls were counted
	Call   string // the one that was interrupted; "" when there were fewer
	Status syscall.WaitStatus
}

// call is a system call that writes.
type call struct {
	name  string
	space bool // it may need space on the disk
	// writes tells those that write from others with the same number.
	writes func(pid int, regs *syscall.PtraceRegs) bool
}

var calls = map[uint64]call{
	unix.SYS_WRITE:           {"write", true, toFile},
	unix.SYS_PWRITE64:        {"pwrite64", true, toFile},
	unix.SYS_WRITEV:          {"writev", true, toFile},
	unix.SYS_SENDFILE:        {"sendfile", true, toFile},
	unix.SYS_COPY_FILE_RANGE: {"copy_file_range", true, nil},
	unix.SYS_FALLOCATE:       {"fallocate", true, nil},
	unix.SYS_FTRUNCATE:       {"ftruncate", false, nil},
	unix.SYS_IOCTL:           {"ioctl", true, clones},
	unix.SYS_OPENAT:          {"openat", true, creates},
	unix.SYS_MKDIRAT:         {"mkdirat", true, nil},
	unix.SYS_LINKAT:          {"linkat", true, nil},
	unix.SYS_SYMLINKAT:       {"symlinkat", true, nil},
	unix.SYS_MKNODAT:         {"mknodat", true, nil},
	unix.SYS_RENAMEAT:        {"renameat", true, nil},
	unix.SYS_RENAMEAT2:       {"renameat2", true, nil},
	unix.SYS_UNLINKAT:        {"unlinkat", false, nil},
	unix.SYS_FSETXATTR:       {"fsetxattr", true, nil},
	unix.SYS_LSETXATTR:       {"lsetxattr", true, nil},
	unix.SYS_FREMOVEXATTR:    {"fremovexattr", false, nil},
	unix.SYS_LREMOVEXATTR:    {"lremovexattr", false, nil},
	unix.SYS_FCHMOD:          {"fchmod", false, nil},
	unix.SYS_FCHMODAT:        {"fchmodat", false, nil},
	unix.SYS_FCHOWN:          {"fchown", false, nil},
	unix.SYS_FCHOWNAT:        {"fchownat", false, nil},
	unix.SYS_UTIMENSAT:       {"utimensat", false, nil},
	unix.SYS_FSYNC:           {"fsync", true, nil},
	unix.SYS_FDATASYNC:       {"fdatasync", true, nil},
	unix.SYS_SYNCFS:          {"syncfs", true, nil},
}

// toFile reports whether the first argument is a file, not a pipe or a device.
func toFile(pid int, regs *syscall.PtraceRegs) bool {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, regs.Rdi))
	return err == nil && strings.HasPrefix(path, "/") && !strings.HasPrefix(path, "/dev/")
}

func creates(_ int, regs *syscall.PtraceRegs) bool {
	return regs.Rdx&(unix.O_CREAT|unix.O_TRUNC|unix.O_TMPFILE&^unix.O_DIRECTORY) != 0
}

func clones(_ int, regs *syscall.PtraceRegs) bool {
	return regs.Rsi == unix.FICLONE || regs.Rsi == unix.FICLONERANGE
}

// Run starts cmd, whose input and outputs have to be files, interrupts it, and
// waits for its end. With an errno of ENOSPC only the calls count that may need
// space, and those that follow fail too: a disk that is full stays so.
func Run(cmd *exec.Cmd, in Interruption) (*Outcome, error) {
	runtime.LockOSThread() // a tracer is a thread
	defer runtime.UnlockOSThread()
	// A process group, to tell its threads from other children of this process.
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	defer cmd.Process.Release()
	t := &tracer{Interruption: in, pid: cmd.Process.Pid, threads: map[int]*thread{}}
	if err := t.run(); err != nil {
		unix.Kill(t.pid, unix.SIGKILL)
		return nil, fmt.Errorf("trace %s: %w", cmd.Path, err)
	}
	return &t.outcome, nil
}

type tracer struct {
	Interruption
	pid     int
	threads map[int]*thread
	outcome Outcome
}

type thread struct {
	inCall bool // between the two stops of a system call
	fail   bool // the call is one that was not made
}

func (t *tracer) run() error {
	if err := t.attach(); err != nil {
		return err
	}
	for {
		var status syscall.WaitStatus
		tid, err := syscall.Wait4(-t.pid, &status, unix.WALL, nil)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			return fmt.Errorf("wait: %w", err)
		case !status.Stopped():
			delete(t.threads, tid)
			if tid == t.pid {
				t.outcome.Status = status
				return nil
			}
			continue
		}
		signal, err := t.stopped(tid, status)
		if err == nil {
			err = syscall.PtraceSyscall(tid, signal)
		}
		if err != nil && err != syscall.ESRCH { // it was killed meanwhile
			return err
		}
	}
}

// attach takes the program over where it was started.
func (t *tracer) attach() error {
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(t.pid, &status, unix.WALL, nil); err != nil {
		return fmt.Errorf("wait: %w", err)
	}
	t.threads[t.pid] = &thread{}
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_EXITKILL | unix.PTRACE_O_TRACECLONE |
		unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK
	if err := syscall.PtraceSetOptions(t.pid, options); err != nil {
		return err
	}
	return syscall.PtraceSyscall(t.pid, 0)
}

// stopped deals with a thread that has stopped, and returns the signal to give it.
func (t *tracer) stopped(tid int, status syscall.WaitStatus) (signal int, err error) {
	th, known := t.threads[tid]
	if !known {
		th = &thread{}
		t.threads[tid] = th
	}
	switch s := status.StopSignal(); {
	case s == syscall.SIGTRAP|0x80:
		return 0, t.systemCall(tid, th)
	case s == syscall.SIGTRAP: // an event
	case s == syscall.SIGSTOP && !known: // how a new thread begins
	default:
		return int(s), nil
	}
	return 0, nil
}

// systemCall is called twice for each: before it and after it.
func (t *tracer) systemCall(tid int, th *thread) error {
	th.inCall = !th.inCall
	if !th.inCall && !th.fail {
		return nil
	}
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(tid, &regs); err != nil {
		return err
	}
	if !th.inCall {
		th.fail = false
		regs.Rax = -uint64(t.Errno)
		return syscall.PtraceSetRegs(tid, &regs)
	}
	c, ok := calls[regs.Orig_rax]
	if !ok || t.Errno == unix.ENOSPC && !c.space || c.writes != nil && !c.writes(tid, &regs) {
		return nil
	}
	t.outcome.Calls++
	if t.outcome.Calls != t.At && (t.Errno != unix.ENOSPC || t.At == 0 || t.outcome.Calls < t.At) {
		return nil
	}
	if t.outcome.Call == "" {
		t.outcome.Call = c.name
	}
	if t.Errno == 0 {
		return unix.Kill(t.pid, unix.SIGKILL)
	}
	th.fail = true
	regs.Orig_rax = ^uint64(0) // no call
	return syscall.PtraceSetRegs(tid, &regs)
}
