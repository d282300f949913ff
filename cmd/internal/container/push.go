package container

import (
	"context"
	"errors"

	"github.com/treenail/treenail/cmd/internal/cli"
	importer "github.com/treenail/treenail/import"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
)

func pushCommand() *cli.Command {
	var o pushOptions
	return &cli.Command{
		Name: "push", Args: "IMAGE DESTINATION",
		Summary: "Write an image that was pulled, exactly as it was",
		Details: "IMAGE is where the image came from, or the digest of its manifest. Manifest,\n" +
			"config and layers come out with the digests that they had. \"container export\"\n" +
			"does the same with such an IMAGE.",
		Flags: o.flags,
		Run: func(ctx context.Context, env *cli.Env, args []string) error {
			if len(args) != 2 {
				return cli.Usagef("IMAGE and DESTINATION must be specified")
			}
			return withRepo(env, func(repo *ostreerepo.Repo) error {
				image, err := findImage(repo, args[0])
				if err != nil {
					return err
				}
				return o.push(ctx, env, repo, image, args[1])
			})
		},
	}
}

type pushOptions struct {
	access
	quiet, json bool
}

func (o *pushOptions) flags(f *cli.Flags) {
	o.access.flags(f)
	f.Bool(&o.quiet, "quiet", "", "Show no progress")
	f.Bool(&o.json, "json", "", "Write the digest as JSON")
	f.Progress()
}

func (o *pushOptions) push(ctx context.Context, env *cli.Env, repo *ostreerepo.Repo, image *importer.Stored, to string) (err error) {
	sink, err := o.openSink(ctx, to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sink.Close()) }()
	var progress func(done, total int64)
	if !o.quiet {
		meter := env.Meter("push", cli.Bytes)
		defer meter.Done()
		progress = meter.Func()
	}
	digest, err := importer.Export(ctx, repo, image, sink, progress)
	if err != nil {
		return err
	}
	if o.json {
		return env.JSON(struct {
			Digest oci.Digest `json:"digest"`
		}{digest})
	}
	env.Println(digest)
	return nil
}
