package container

import (
	"context"
	"time"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/encapsulate"
	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/ostreetar"
	importer "github.com/treenail/treenail/import"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/rootfs"
)

func rechunkCommand() *cli.Command {
	o := rechunkOptions{encapsulateOptions: encapsulateOptions{formatVersion: 1}}
	return &cli.Command{
		Name: "rechunk", Args: "SOURCE IMAGE", NoRepo: true,
		Summary: "Write an image of any kind again, split by packages and with a commit in it",
		Details: "Configuration, labels and the time of creation are kept. An encapsulated image that\n" +
			"nothing was added to keeps its commit; of others one is made of what a container sees.",
		Flags: o.flags,
		Run:   o.run,
	}
}

type rechunkOptions struct {
	encapsulateOptions
	dropSpecial bool
}

func (o *rechunkOptions) flags(f *cli.Flags) {
	f.Bool(&o.dropSpecial, "skip-special-files", "", "Leave out devices, fifos and sockets, which a repository cannot hold")
	o.encapsulateOptions.flags(f)
}

func (o *rechunkOptions) run(ctx context.Context, env *cli.Env, args []string) error {
	if len(args) != 2 {
		return cli.Usagef("SOURCE and IMAGE must be specified")
	}
	ref, err := oci.ParseReference(args[0])
	if err != nil {
		return err
	}
	done, err := o.complete(ctx)
	if err != nil {
		return err
	}
	defer done()
	var result *encapsulate.Result
	err = withTemporary(ostreerepo.ModeBareUser, func(repo *ostreerepo.Repo) error {
		image, err := o.pullTemporary(ctx, env, repo, ref)
		if err != nil {
			return err
		}
		commit, err := plainCommit(ctx, repo, image)
		if err != nil {
			return err
		}
		if o.BaseConfig == nil {
			o.BaseConfig = image.RawConfig
		}
		if o.Created == "" {
			o.Created = image.Config.Created
		}
		result, err = o.encapsulate(ctx, env, repo, commit.String(), args[1])
		return err
	})
	if err != nil {
		return err
	}
	return o.report(env, result)
}

func (o *rechunkOptions) pullTemporary(ctx context.Context, env *cli.Env, repo *ostreerepo.Repo, ref oci.Reference) (*importer.Stored, error) {
	pull := pullOptions{access: o.access, quiet: o.quiet}
	pull.Platform = oci.Platform{Architecture: o.Architecture, OS: o.OS}
	pull.DropSpecial = o.dropSpecial
	result, err := pull.pull(ctx, env, repo, ref)
	if err != nil {
		return nil, err
	}
	if !o.quiet {
		pull.warn(env, result)
	}
	return importer.Find(repo, ref)
}

// plainCommit is the commit that was encapsulated, if that is all of the image, else a
// new one of the image's tree.
func plainCommit(ctx context.Context, repo *ostreerepo.Repo, image *importer.Stored) (c object.Checksum, err error) {
	plan, err := importer.NewPlan(image.Manifest, image.Config)
	if err != nil || len(plan.Derived) == 0 {
		return image.Base, err
	}
	merged, err := repo.Commit(image.Commit)
	if err != nil {
		return c, err
	}
	plain := &object.Commit{Tree: merged.Tree, Meta: merged.Meta}
	if created, err := time.Parse(time.RFC3339, image.Config.Created); err == nil && created.Unix() >= 0 {
		plain.Timestamp = uint64(created.Unix())
	}
	if plain.Metadata, err = plainMetadata(repo, merged, image.Config.Config.Labels); err != nil {
		return c, err
	}
	err = repo.Update(ctx, ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		c, err = tx.PutCommit(plain)
		return err
	})
	return c, err
}

// plainMetadata is what the labels of an image say of the system in it.
func plainMetadata(repo *ostreerepo.Repo, c *object.Commit, labels map[string]string) (gvariant.Value, error) {
	var entries []gvariant.Entry
	if version, ok := labels[ostreetar.LabelVersion]; ok {
		entries = append(entries, gvariant.Entry{Key: ostreetar.MetadataVersion, Value: gvariant.NewString(version)})
	}
	_, bootc := labels[ostreetar.LabelBootc]
	if bootc || labels[ostreetar.LabelBootable] == "true" {
		kernel, err := rootfs.Kernel(repo, c.Tree, c.Meta)
		if err != nil {
			return gvariant.Value{}, err
		}
		entries = append(entries, kernel...)
	}
	return gvariant.NewVardict(gvariant.DictOrder(entries)...), nil
}
