package container

import (
	"context"
	"fmt"

	"github.com/treenail/treenail/cmd/internal/cli"
	importer "github.com/treenail/treenail/import"
	"github.com/treenail/treenail/ostreerepo"
)

func copyCommand() *cli.Command {
	var from, to string
	var quiet bool
	return &cli.Command{
		Name: "copy", Args: "IMAGE", NoRepo: true,
		Summary: "Bring an image from one repository into another",
		Flags: func(f *cli.Flags) {
			f.String(&from, "src-repo", "", "PATH", "Repository that has the image")
			f.String(&to, "dest-repo", "", "PATH", "Repository that is to have it")
			f.Bool(&quiet, "quiet", "", "Show no progress")
			f.Progress()
		},
		Run: func(ctx context.Context, env *cli.Env, args []string) error {
			if from == "" || to == "" {
				return cli.Usagef("--src-repo and --dest-repo must be specified")
			}
			src, err := openRepo(from)
			if err != nil {
				return err
			}
			defer src.Close()
			dst, err := openRepo(to)
			if err != nil {
				return err
			}
			defer dst.Close()
			image, err := find(src, args)
			if err != nil {
				return err
			}
			var meter *cli.Meter
			if !quiet {
				meter = env.Meter("copy", cli.Objects)
				defer meter.Done()
			}
			return importer.Copy(ctx, dst, src, image, meter.Func())
		},
	}
}

func openRepo(path string) (*ostreerepo.Repo, error) {
	repo, err := ostreerepo.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening repo %s: %w", path, err)
	}
	return repo, nil
}

func clearCachedUpdateCommand() *cli.Command {
	return &cli.Command{
		Name: "clear-cached-update", Args: "IMAGE",
		Summary: "Forget the update of an image that pull --check has noted",
		Run: func(ctx context.Context, env *cli.Env, args []string) error {
			return withRepo(env, func(repo *ostreerepo.Repo) error {
				image, err := find(repo, args)
				if err != nil {
					return err
				}
				return importer.ClearUpdate(ctx, repo, image)
			})
		},
	}
}
