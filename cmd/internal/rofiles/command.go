package rofiles

import (
	"context"
	"strings"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/ostreerepo/rofiles"
)

// Name is the command's name, and that of ostree's program.
const Name = "rofiles-fuse"

// Command is rofiles-fuse as a command of treenail.
func Command() *cli.Command {
	v := &view{message: cli.Message}
	var mount []string
	return &cli.Command{
		Name: Name, Args: "BASEPATH MOUNTPOINT", NoRepo: true,
		Summary: "Show a checkout so that its hard links cannot be written through",
		Details: "The directory BASEPATH is shown at MOUNTPOINT until that is unmounted. Files with\n" +
			"several names are read-only; everything else can be changed.",
		Flags: func(f *cli.Flags) {
			f.Bool(&v.CopyUp, "copyup", "", "Give a file a body of its own when it is changed, instead of refusing that")
			f.Strings(&mount, "mount-option", "o", "OPT,[OPT...]", "Mount options")
			f.Bool(&v.foreground, "foreground", "f", "Stay in the foreground")
			f.Bool(&v.Single, "single", "s", "Serve one request at a time")
			f.Bool(&v.Debug, "debug", "d", "Log all requests; implies --foreground")
		},
		Run: func(ctx context.Context, _ *cli.Env, args []string) error {
			for _, list := range mount {
				v.addMount(list)
			}
			return v.command(ctx, args)
		},
	}
}

// view is what the command line asks for.
type view struct {
	rofiles.Options
	base, mountpoint string
	foreground       bool
	message          func(error) string // an error as it is printed
}

// addMount takes a list of mount options. One of them is not for mounting.
func (v *view) addMount(list string) {
	for option := range strings.SplitSeq(list, ",") {
		if option == "debug" {
			v.Debug = true
		} else {
			v.Mount = append(v.Mount, option)
		}
	}
}

func (v *view) command(ctx context.Context, args []string) error {
	switch len(args) {
	case 0:
		return cli.Usagef("A BASEPATH must be specified")
	case 1:
		return cli.Usagef("A MOUNTPOINT must be specified")
	case 2:
	default:
		return cli.Usagef("Too many arguments")
	}
	v.base, v.mountpoint = args[0], args[1]
	return v.run(ctx)
}
