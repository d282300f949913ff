package container

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/keyfile"
	importer "github.com/treenail/treenail/import"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
)

func pruneImagesCommand() *cli.Command {
	var o pruneImagesOptions
	return &cli.Command{
		Name: "prune-images", NoRepo: true,
		Summary: "Forget the images that no deployment of a system comes from",
		Flags: func(f *cli.Flags) {
			f.String(&o.sysroot, "sysroot", "", "PATH", "Root of the system, with ostree/repo and ostree/deploy below it")
			f.Bool(&o.layers, "and-layers", "", "Forget also the layers that no image has then")
			f.Bool(&o.full, "full", "", "Forget layers and delete objects, too")
			f.Exclude("full", "and-layers")
		},
		Run: o.run,
	}
}

type pruneImagesOptions struct {
	sysroot      string
	layers, full bool
}

func (o *pruneImagesOptions) run(ctx context.Context, env *cli.Env, args []string) error {
	if o.sysroot == "" || len(args) > 0 {
		return cli.Usagef("--sysroot, and nothing else, must be specified")
	}
	repo, err := openRepo(filepath.Join(o.sysroot, "ostree/repo"))
	if err != nil {
		return err
	}
	defer repo.Close()
	// What a deployment comes from that can't be read is not known to be unused.
	used, err := deployedImages(o.sysroot)
	if err != nil {
		return err
	}
	unused, broken, err := importer.Unused(repo, used)
	if err != nil {
		return err
	}
	warnOf(env, broken)
	if len(unused) > 0 {
		if err := importer.Remove(ctx, repo, unused); err != nil {
			return err
		}
	}
	if o.full {
		return o.finish(ctx, env, repo, len(unused))
	}
	for _, image := range unused {
		env.Printf("Removed: %s\n", image.Image())
	}
	if len(unused) == 0 {
		env.Println("No unreferenced images.")
	}
	if !o.layers {
		return nil
	}
	n, err := pruneLayers(ctx, env, repo)
	if err == nil {
		env.Printf("Removed layers: %d\n", n)
	}
	return err
}

// finish prunes layers and objects.
func (o *pruneImagesOptions) finish(ctx context.Context, env *cli.Env, repo *ostreerepo.Repo, images int) error {
	layers, err := pruneLayers(ctx, env, repo)
	if err != nil {
		return err
	}
	objects, err := repo.Prune(ctx, ostreerepo.PruneOptions{RefsOnly: true})
	if err != nil {
		return err
	}
	if images+layers+objects.Pruned == 0 {
		env.Println("No content was pruned.")
		return nil
	}
	env.Printf("Removed images: %d\nRemoved layers: %d\nRemoved objects: %d\nFreed: %s\n", images, layers, objects.Pruned, cli.Size(uint64(objects.Freed)))
	return nil
}

// deployedImages reads which images the deployments of a system come from: in group
// origin of the file beside each, container-image-reference.
func deployedImages(sysroot string) (images []oci.Reference, err error) {
	root, err := os.OpenRoot(sysroot)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	origins, err := fs.Glob(root.FS(), "ostree/deploy/*/deploy/*.origin")
	if err != nil {
		return nil, err
	}
	for _, path := range origins {
		text, ok, err := originImage(root, path)
		if err == nil && ok {
			var ref oci.Reference
			ref, err = oci.ParseReference(text)
			images = append(images, ref)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(sysroot, path), err)
		}
	}
	return images, nil
}

func originImage(root *os.Root, path string) (image string, ok bool, err error) {
	data, err := root.ReadFile(path)
	if err != nil {
		return "", false, err
	}
	origin, err := keyfile.Parse(data)
	if err != nil {
		return "", false, err
	}
	return origin.String("origin", "container-image-reference")
}
