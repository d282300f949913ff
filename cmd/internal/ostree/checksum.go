package ostree

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/ostreerepo"
)

func checksumCommand() *cli.Command {
	var noXattrs bool
	return &cli.Command{
		Name: "checksum", Args: "PATH", Group: GroupRepo,
		Summary: "Print the name that a file or directory would have as an object",
		Details: "Of a directory only its owner, mode and xattrs count.",
		NoRepo:  true,
		Flags: func(f *cli.Flags) {
			f.Bool(&noXattrs, "ignore-xattrs", "", "Leave out the xattrs")
		},
		Run: func(_ context.Context, env *cli.Env, args []string) error {
			if len(args) == 0 {
				return errors.New("A filename must be given")
			}
			path, err := filepath.Abs(args[0])
			if err != nil {
				return err
			}
			c, err := ostreerepo.ChecksumPath(path, noXattrs)
			if err != nil {
				return err
			}
			env.Println(c)
			return nil
		},
	}
}
