package container

import (
	"context"

	"github.com/treenail/treenail/cmd/internal/cli"
	importer "github.com/treenail/treenail/import"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
)

// imageCommand is the group "container image".
func imageCommand() *cli.Command {
	return &cli.Command{
		Name: "image", NoRepo: true,
		Summary: "Keep images in a repository, layer by layer",
		Commands: []*cli.Command{
			pullCommand(),
			listCommand(),
			historyCommand(),
			metadataCommand(),
			copyCommand(),
			reexportCommand(),
			clearCachedUpdateCommand(),
			catDetachedCommand(),
			replaceDetachedCommand(),
			removeCommand(),
			pruneLayersCommand(),
			pruneImagesCommand(),
		},
	}
}

func listCommand() *cli.Command {
	var json bool
	return &cli.Command{
		Name:    "list",
		Summary: "List the images in a repository",
		Flags:   func(f *cli.Flags) { f.Bool(&json, "json", "", "Write references, commits and digests as JSON") },
		Run: func(_ context.Context, env *cli.Env, args []string) error {
			return withRepo(env, func(repo *ostreerepo.Repo) error { return list(env, repo, json) })
		},
	}
}

// withRepo opens the repository that a command works on.
func withRepo(env *cli.Env, do func(*ostreerepo.Repo) error) error {
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	return do(repo)
}

// listed is an image in the JSON of list.
type listed struct {
	Reference string `json:"reference"`
	*importer.Stored
	Error string `json:"error,omitempty"`
}

func list(env *cli.Env, repo *ostreerepo.Repo, json bool) error {
	images, broken, err := importer.References(repo)
	if err != nil {
		return err
	}
	warnOf(env, broken)
	all := make([]listed, len(images))
	for i, image := range images {
		if !json {
			env.Println(image.Image())
			continue
		}
		all[i].Reference = image.Image()
		if all[i].Stored, err = importer.Find(repo, image); err != nil {
			all[i].Error = err.Error()
		}
	}
	if json {
		return env.JSON(all)
	}
	return nil
}

// find reads the one image that a command names.
func find(repo *ostreerepo.Repo, args []string) (*importer.Stored, error) {
	if len(args) != 1 {
		return nil, cli.Usagef("One IMAGE must be specified")
	}
	return findImage(repo, args[0])
}

// findImage finds a pulled image by its reference or digest.
func findImage(repo *ostreerepo.Repo, name string) (*importer.Stored, error) {
	if d, err := oci.ParseDigest(name); err == nil {
		return importer.FindDigest(repo, d)
	}
	ref, err := oci.ParseReference(name)
	if err != nil {
		return nil, err
	}
	return importer.Find(repo, ref)
}

func historyCommand() *cli.Command {
	var json bool
	return &cli.Command{
		Name: "history", Args: "IMAGE",
		Summary: "List the layers of an image in a repository, and how each was made",
		Flags:   func(f *cli.Flags) { f.Bool(&json, "json", "", "Write JSON") },
		Run: func(_ context.Context, env *cli.Env, args []string) error {
			return withRepo(env, func(repo *ostreerepo.Repo) error {
				image, err := find(repo, args)
				if err != nil {
					return err
				}
				if json {
					return env.JSON(image.History())
				}
				env.Printf("%-20s %-10s %s\n", "ID", "SIZE", "CREATED BY")
				for _, h := range image.History() {
					env.Printf("%-20s %-10s %s\n", shortID(h.Digest), cli.Size(uint64(h.Size)), h.CreatedBy)
				}
				return nil
			})
		},
	}
}

// shortID is as much of a digest as the history shows.
func shortID(d oci.Digest) string {
	hex := string(d)[len("sha256:"):]
	return hex[:min(20, len(hex))]
}

func metadataCommand() *cli.Command {
	var config bool
	return &cli.Command{
		Name: "metadata", Args: "IMAGE",
		Summary: "Write the manifest of an image in a repository, as canonical JSON",
		Flags:   func(f *cli.Flags) { f.Bool(&config, "config", "", "Write the config instead") },
		Run: func(_ context.Context, env *cli.Env, args []string) error {
			return withRepo(env, func(repo *ostreerepo.Repo) error {
				image, err := find(repo, args)
				if err != nil {
					return err
				}
				document := image.RawManifest
				if config {
					document = image.RawConfig
				}
				_, err = env.Stdout.Write(document)
				return err
			})
		},
	}
}

func removeCommand() *cli.Command {
	var skipGC bool
	return &cli.Command{
		Name: "remove", Args: "IMAGE...",
		Summary: "Forget images, and the layers that no other image has",
		Flags:   func(f *cli.Flags) { f.Bool(&skipGC, "skip-gc", "", "Keep the layers") },
		Run: func(ctx context.Context, env *cli.Env, args []string) error {
			if len(args) == 0 {
				return cli.Usagef("An IMAGE must be specified")
			}
			images := make([]oci.Reference, len(args))
			for i, arg := range args {
				var err error
				if images[i], err = oci.ParseReference(arg); err != nil {
					return err
				}
			}
			return withRepo(env, func(repo *ostreerepo.Repo) error {
				if err := importer.Remove(ctx, repo, images); err != nil {
					return err
				}
				if skipGC {
					env.Printf("Removed images: %d\n", len(images))
					return nil
				}
				n, err := pruneLayers(ctx, env, repo)
				if err == nil {
					env.Printf("Removed images: %d layers: %d\n", len(images), n)
				}
				return err
			})
		},
	}
}

func pruneLayersCommand() *cli.Command {
	return &cli.Command{
		Name:    "prune-layers",
		Summary: "Forget the layers that no image has",
		Run: func(ctx context.Context, env *cli.Env, _ []string) error {
			return withRepo(env, func(repo *ostreerepo.Repo) error {
				n, err := pruneLayers(ctx, env, repo)
				if err == nil {
					env.Printf("Removed layers: %d\n", n)
				}
				return err
			})
		},
	}
}

// pruneLayers removes unused layers, with a warning for each image whose layers
// are not known.
func pruneLayers(ctx context.Context, env *cli.Env, repo *ostreerepo.Repo) (int, error) {
	n, broken, err := importer.PruneLayers(ctx, repo)
	warnOf(env, broken)
	return n, err
}

// warnOf tells of images that are broken, which stop nothing.
func warnOf(env *cli.Env, broken []error) {
	for _, err := range broken {
		env.Warnf("warning: %s", err)
	}
}
