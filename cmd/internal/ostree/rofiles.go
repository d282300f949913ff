package ostree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/ostreerepo/rofiles"
)

func rofilesCommand() *cli.Command {
	var o rofilesOptions
	return &cli.Command{
		Name: "rofiles-fuse", Args: "BASEPATH MOUNTPOINT", Group: GroupRepo, NoRepo: true,
		Summary: "Show a checkout so that its hard links cannot be written through",
		Details: "The directory BASEPATH is shown at MOUNTPOINT until that is unmounted. Files with\n" +
			"several names are read-only; everything else can be changed.",
		Flags: o.flags,
		Run:   o.run,
	}
}

type rofilesOptions struct {
	rofiles.Options
	mount      []string
	foreground bool
}

func (o *rofilesOptions) flags(f *cli.Flags) {
	f.Bool(&o.CopyUp, "copyup", "", "Give a file a body of its own when it is changed, instead of refusing that")
	f.Strings(&o.mount, "mount-option", "o", "OPT,[OPT...]", "Mount options")
	f.Bool(&o.foreground, "foreground", "f", "Stay in the foreground")
	f.Bool(&o.Single, "single", "s", "Serve one request at a time")
	f.Bool(&o.Debug, "debug", "d", "Log all requests; implies --foreground")
}

// readyEnv tells a process that it is the one that stays in the background. It says
// on file descriptor 3 how mounting went: nothing, or the error.
const readyEnv = "TREENAIL_ROFILES_BACKGROUND"

func (o *rofilesOptions) run(ctx context.Context, env *cli.Env, args []string) error {
	switch len(args) {
	case 0:
		return cli.Usagef("Missing basepath")
	case 1:
		return cli.Usagef("Missing mountpoint")
	}
	for _, options := range o.mount {
		o.Options.Mount = append(o.Options.Mount, strings.Split(options, ",")...)
	}
	switch {
	case os.Getenv(readyEnv) != "":
		return o.background(ctx, args)
	case o.foreground || o.Debug:
		return o.serve(ctx, args, func() {})
	}
	return detach(ctx)
}

// serve shows the directory until it is unmounted or the context ends.
func (o *rofilesOptions) serve(ctx context.Context, args []string, ready func()) error {
	server, err := rofiles.Mount(args[0], args[1], o.Options)
	if err != nil {
		return err
	}
	ready()
	stop := context.AfterFunc(ctx, func() { server.Unmount() })
	defer stop()
	server.Wait()
	return nil
}

// background is what the process does that detach started.
func (o *rofilesOptions) background(ctx context.Context, args []string) error {
	report := os.NewFile(3, "report")
	err := o.serve(ctx, args, func() {
		os.Chdir("/") // so that the file system we were started in can be unmounted
		report.Close()
	})
	if err != nil {
		io.WriteString(report, err.Error())
		report.Close()
	}
	return err
}

// detach starts this program again in the background and waits until the directory
// is shown.
func detach(ctx context.Context) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), readyEnv+"=1")
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return fmt.Errorf("start in the background: %w", err)
	}
	text, err := io.ReadAll(r)
	if err == nil && len(text) > 0 {
		err = errors.New(string(text))
	}
	if err != nil || ctx.Err() != nil {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
	}
	return err
}
