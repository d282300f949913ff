package container

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/encapsulate"
	importer "github.com/treenail/treenail/import"
	"github.com/treenail/treenail/oci"
)

func catDetachedCommand() *cli.Command {
	var o access
	var platform oci.Platform
	return &cli.Command{
		Name: "cat-detached-metadata", Args: "IMAGE", NoRepo: true,
		Summary: "Write the detached metadata of an encapsulated commit, as it is in the image",
		Details: "It is a GVariant of the type a{sv}; a commit without any writes nothing.",
		Flags: func(f *cli.Flags) {
			o.flags(f)
			platformFlags(f, &platform)
		},
		Run: func(ctx context.Context, env *cli.Env, args []string) error {
			if len(args) != 1 {
				return cli.Usagef("One IMAGE must be specified")
			}
			src, err := o.openNamed(ctx, args[0])
			if err != nil {
				return err
			}
			defer src.Close()
			metadata, err := importer.Detached(ctx, src, platform)
			if err != nil {
				return err
			}
			_, err = env.Stdout.Write(metadata)
			return err
		},
	}
}

func replaceDetachedCommand() *cli.Command {
	var o replaceOptions
	return &cli.Command{
		Name: "replace-detached-metadata", Args: "[FILE]", NoRepo: true,
		Summary: "Write an encapsulated image again with other detached metadata",
		Details: "FILE has a GVariant of the type a{sv}, signatures for instance; without it the\n" +
			"new image has none. All layers but the first stay as they are.",
		Flags: func(f *cli.Flags) {
			f.String(&o.src, "src", "", "IMAGE", "The image")
			f.String(&o.dest, "dest", "", "IMAGE", "Where to write the new one")
			o.access.flags(f)
			platformFlags(f, &o.platform)
		},
		Run: o.run,
	}
}

type replaceOptions struct {
	access
	src, dest string
	platform  oci.Platform
}

func (o *replaceOptions) run(ctx context.Context, env *cli.Env, args []string) (err error) {
	if o.src == "" || o.dest == "" || len(args) > 1 {
		return cli.Usagef("--src, --dest and at most one FILE must be specified")
	}
	var metadata []byte
	if len(args) == 1 {
		if metadata, err = os.ReadFile(args[0]); err != nil {
			return err
		}
		if metadata == nil {
			metadata = []byte{} // an empty file is an empty a{sv}
		}
	}
	src, err := o.openNamed(ctx, o.src)
	if err != nil {
		return err
	}
	defer src.Close()
	sink, err := o.openSink(ctx, o.dest)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sink.Close()) }()
	digest, err := encapsulate.ReplaceDetached(ctx, src, o.platform, sink, metadata)
	if err != nil {
		return fmt.Errorf("%s: %w", o.src, err)
	}
	env.Printf("Pushed: %s\n", digest)
	return nil
}
