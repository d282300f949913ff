package container

import (
	"context"

	"github.com/treenail/treenail/cmd/internal/cli"
	importer "github.com/treenail/treenail/import"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
)

func importCommand() *cli.Command {
	var o importOptions
	return &cli.Command{
		Name: "import", Aliases: []string{"unencapsulate"}, Args: "IMAGE",
		Summary: "Restore the commit of an encapsulated image (also: unencapsulate)",
		Flags:   o.flags,
		Run:     o.run,
	}
}

type importOptions struct {
	access
	importer.Options
	quiet, json bool
}

func (o *importOptions) flags(f *cli.Flags) {
	f.String(&o.Ref, "write-ref", "", "REF", "Make this ref name the commit")
	o.access.flags(f)
	platformFlags(f, &o.Platform)
	f.Bool(&o.quiet, "quiet", "", "Show no progress")
	f.Bool(&o.json, "json", "", "Write the result as JSON")
	f.Progress()
}

func (o *importOptions) run(ctx context.Context, env *cli.Env, args []string) error {
	if len(args) != 1 {
		return cli.Usagef("One IMAGE must be specified")
	}
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	result, err := o.importImage(ctx, env, repo, args[0])
	if err != nil {
		return err
	}
	switch {
	case o.json:
		return env.JSON(importResult{result, o.Ref})
	case o.Ref != "":
		env.Printf("Imported: %s => %s\n", o.Ref, result.Commit)
	default:
		env.Printf("Imported: %s\n", result.Commit)
	}
	return nil
}

// importResult is what import prints with --json.
type importResult struct {
	*importer.Result
	Ref string `json:"ref,omitempty"`
}

func (o *importOptions) importImage(ctx context.Context, env *cli.Env, repo *ostreerepo.Repo, image string) (*importer.Result, error) {
	ref, err := oci.ParseReference(image)
	if err != nil {
		return nil, err
	}
	if o.Verify, err = verifier(repo, ref); err != nil {
		return nil, err
	}
	src, err := o.openSource(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	if !o.quiet {
		meter := env.Meter("import", cli.Bytes)
		defer meter.Done()
		o.Progress = meter.Func()
	}
	return importer.Import(ctx, src, repo, o.Options)
}
