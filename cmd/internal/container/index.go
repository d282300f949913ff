package container

import (
	"context"
	"errors"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/oci"
)

func indexCommand() *cli.Command {
	var o indexOptions
	return &cli.Command{
		Name: "index", Args: "IMAGE SOURCE...", NoRepo: true,
		Summary: "Make an image of several platforms of images for one each",
		Details: "Writes an index to IMAGE that lists the images SOURCE, and all that they need.\n" +
			"A SOURCE may be an index, IMAGE itself too: what is in it stays but for the\n" +
			"platforms that a later SOURCE has. The digest of the index is printed.",
		Flags: o.flags,
		Run:   o.run,
	}
}

type indexOptions struct {
	access
	json bool
}

func (o *indexOptions) flags(f *cli.Flags) {
	o.access.flags(f)
	f.Bool(&o.json, "json", "", "Write digest and entries as JSON")
}

func (o *indexOptions) run(ctx context.Context, env *cli.Env, args []string) (err error) {
	if len(args) < 2 {
		return cli.Usagef("An IMAGE and at least one SOURCE must be specified")
	}
	var sources []oci.Source
	defer func() {
		for _, src := range sources {
			err = errors.Join(err, src.Close())
		}
	}()
	for _, name := range args[1:] {
		src, err := o.openNamed(ctx, name)
		if err != nil {
			return err
		}
		sources = append(sources, src)
	}
	sink, err := o.openSink(ctx, args[0])
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sink.Close()) }()
	digest, entries, err := oci.Merge(ctx, sink, sources)
	if err != nil {
		return err
	}
	if o.json {
		return env.JSON(struct {
			Digest    oci.Digest       `json:"digest"`
			Manifests []oci.Descriptor `json:"manifests"`
		}{digest, entries})
	}
	env.Println(digest)
	return nil
}
