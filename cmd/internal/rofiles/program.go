package rofiles

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/ostreerepo/rofiles"
)

const usage = `usage: %s basepath mountpoint [options]

   Makes basepath visible at mountpoint such that files are read-only, directories are writable

general options:
   -o opt,[opt...]     mount options
   -h  --help          print help

`

// Main is ostree's program rofiles-fuse, called by the name argv[0]; it returns the
// exit code. Options and messages are libfuse's.
func Main(ctx context.Context, argv []string, s cli.Streams) int {
	v := &view{message: message}
	err := v.parse(argv[1:])
	if err == nil {
		err = v.check()
	}
	if err == nil {
		err = v.run(ctx)
	}
	var hint *hintError
	switch {
	case err == errHelp:
		fmt.Fprintf(s.Stdout, usage, argv[0])
		return 0
	case errors.As(err, &hint):
		fmt.Fprintf(s.Stderr, "%ssee `%s -h' for usage\n", hint.text, argv[0])
		return 1
	case err != nil:
		fmt.Fprintln(s.Stderr, message(err))
		return 1
	}
	return 0
}

var errHelp = errors.New("help")

// hintError is answered with the way to the help.
type hintError struct{ text string }

func (e *hintError) Error() string { return e.text }

// parse reads a command line as libfuse does: options are not bundled, and may stand
// anywhere before "--".
func (v *view) parse(args []string) error {
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		switch {
		case arg == "--":
			return v.words(args)
		case arg == "-o":
			if len(args) == 0 {
				return &hintError{"fuse: missing argument after `-o'\nInvalid arguments\n"}
			}
			v.addMount(args[0])
			args = args[1:]
		case strings.HasPrefix(arg, "-o"):
			v.addMount(arg[2:])
		case strings.HasPrefix(arg, "-"):
			if err := v.flag(arg); err != nil {
				return err
			}
		default:
			if err := v.words([]string{arg}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *view) flag(arg string) error {
	switch arg {
	case "-h", "--help":
		return errHelp
	case "-V", "--version":
		return &hintError{}
	case "--copyup":
		v.CopyUp = true
	case "-f":
		v.foreground = true
	case "-s":
		v.Single = true
	case "-d":
		v.Debug = true
	default:
		return fmt.Errorf("fuse: unknown option(s): `%s'", arg)
	}
	return nil
}

func (v *view) words(args []string) error {
	for _, arg := range args {
		switch {
		case v.base == "":
			v.base = arg
		case v.mountpoint == "":
			v.mountpoint = arg
		default:
			return fmt.Errorf("fuse: invalid argument `%s'", arg)
		}
	}
	return nil
}

// check looks at what ostree's program looks at before it mounts, for its messages.
func (v *view) check() error {
	if v.base == "" {
		return &hintError{"Missing basepath\n"}
	}
	dir, err := os.OpenFile(v.base, syscall.O_DIRECTORY, 0)
	if err != nil {
		return fmt.Errorf("%s: opening rootfs %s: %w", Name, v.base, errors.Unwrap(err))
	}
	dir.Close()
	if v.mountpoint == "" {
		return errors.New("error: no mountpoint specified")
	}
	if _, err := filepath.EvalSymlinks(v.mountpoint); err != nil {
		return fmt.Errorf("fuse: bad mount point `%s': %w", v.mountpoint, errors.Unwrap(err))
	}
	return nil
}

func message(err error) string {
	var option *rofiles.OptionError
	if errors.As(err, &option) {
		return fmt.Sprintf("fuse: unknown option(s): `-o %s'", option.Option)
	}
	return cli.Message(err)
}
