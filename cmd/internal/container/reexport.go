package container

import (
	"context"
	"errors"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/encapsulate"
	importer "github.com/treenail/treenail/import"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
)

func reexportCommand() *cli.Command {
	var o reexportOptions
	return &cli.Command{
		Name: "reexport", Args: "IMAGE DESTINATION",
		Summary: "Write an image in a repository, also one that another program pulled",
		Details: "The image comes out as it was where the repository has recorded that. Of what others\n" +
			"pulled the layers are made anew, with other digests.",
		Flags: func(f *cli.Flags) {
			o.access.flags(f)
			f.Bool(&o.fast, "compression-fast", "", "Compress layers that are made anew quickly")
			f.Bool(&o.quiet, "quiet", "", "Show neither progress nor warnings")
			f.Progress()
		},
		Run: func(ctx context.Context, env *cli.Env, args []string) error {
			if len(args) != 2 {
				return cli.Usagef("IMAGE and DESTINATION must be specified")
			}
			return withRepo(env, func(repo *ostreerepo.Repo) error {
				image, err := findImage(repo, args[0])
				if err != nil {
					return err
				}
				digest, err := o.export(ctx, env, repo, image, args[1])
				if err == nil {
					env.Printf("Exported: %s\n", digest)
				}
				return err
			})
		},
	}
}

type reexportOptions struct {
	access
	fast, quiet bool
}

func (o *reexportOptions) export(ctx context.Context, env *cli.Env, repo *ostreerepo.Repo, image *importer.Stored, to string) (digest oci.Digest, err error) {
	sink, err := o.openSink(ctx, to)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, sink.Close()) }()
	var progress func(done, total int64)
	if !o.quiet {
		meter := env.Meter("reexport", cli.Bytes)
		defer meter.Done()
		progress = meter.Func()
	}
	digest, err = importer.Export(ctx, repo, image, sink, progress)
	unknown := (*importer.UnknownCompressorError)(nil)
	if !errors.Is(err, importer.ErrNotExact) && !errors.As(err, &unknown) {
		return digest, err
	}
	if !o.quiet {
		env.Warnf("warning: %s; its layers are made anew", err)
	}
	stored, err := storedImage(repo, image)
	if err != nil {
		return "", err
	}
	level := 0
	if o.fast {
		level = 1
	}
	return encapsulate.Rebuild(ctx, repo, stored, sink, level, progress)
}

// storedImage is a pulled image as encapsulate takes it.
func storedImage(repo *ostreerepo.Repo, image *importer.Stored) (s encapsulate.Stored, err error) {
	s.Image = &oci.Image{
		Digest: image.Digest, RawManifest: image.RawManifest, RawConfig: image.RawConfig, Manifest: image.Manifest, Config: image.Config,
	}
	layers, err := image.Layers(repo)
	for _, l := range layers {
		s.Layers = append(s.Layers, encapsulate.StoredLayer{Commit: l.Commit, Implied: l.Implied})
		if l.Kind != importer.KindDerived {
			s.Base++
		}
	}
	return s, err
}
