package rofiles

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"

	"github.com/treenail/treenail/ostreerepo/rofiles"
	"golang.org/x/sys/unix"
)

// backgroundEnv tells a process that it is the one that stays. On file descriptor 3
// it says how mounting went: mounted, or an error.
const (
	backgroundEnv = "TREENAIL_ROFILES_BACKGROUND"
	mounted       = "\x00"
)

// run shows the directory: here, or in a process that goes on in the background.
func (v *view) run(ctx context.Context) error {
	switch {
	case os.Getenv(backgroundEnv) != "":
		return v.background(ctx)
	case v.foreground || v.Debug:
		return v.serve(ctx, func() error { return nil })
	}
	return detach()
}

// serve shows the directory until it is unmounted or the context ends; ready is
// called when it is there.
func (v *view) serve(ctx context.Context, ready func() error) error {
	server, err := rofiles.Mount(v.base, v.mountpoint, v.Options)
	if err != nil {
		return err
	}
	if err := ready(); err != nil {
		return errors.Join(err, server.Unmount())
	}
	done := make(chan struct{})
	go func() {
		server.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return server.Unmount()
	}
}

// background is what the process does that detach started.
func (v *view) background(ctx context.Context) error {
	report := os.NewFile(3, "report")
	syscall.CloseOnExec(3)
	err := v.serve(ctx, func() error {
		if err := letGo(); err != nil {
			return err
		}
		if _, err := io.WriteString(report, mounted); err != nil {
			return err
		}
		return report.Close()
	})
	if err != nil {
		_, err = io.WriteString(report, v.message(err)) // the other process prints it
	}
	return err
}

// letGo holds on to nothing any more of where the process was started: neither the
// working directory nor the messages, for whose end somebody may wait.
func letGo() error {
	if err := os.Chdir("/"); err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	return unix.Dup3(int(null.Fd()), 2, 0)
}

// detach starts this program again in the background and waits until the directory
// is shown.
func detach() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), backgroundEnv+"=1")
	cmd.Stderr = os.Stderr // for fusermount's messages
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return fmt.Errorf("start in the background: %w", err)
	}
	text, err := io.ReadAll(r)
	if err == nil && string(text) == mounted {
		return nil
	}
	if state := cmd.Wait(); len(text) == 0 {
		return fmt.Errorf("the process in the background: %w", state)
	}
	return errors.New(string(text))
}
