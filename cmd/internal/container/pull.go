package container

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/treenail/treenail/cmd/internal/cli"
	importer "github.com/treenail/treenail/import"
	"github.com/treenail/treenail/internal/durable"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
)

func pullCommand() *cli.Command {
	var o pullOptions
	return &cli.Command{
		Name: "pull", Args: "REPO IMAGE", NoRepo: true,
		Summary: "Bring an image of any kind into a repository",
		Details: "The layers become commits of their own; the image becomes a commit with all of\n" +
			"them laid over each other. Layers that are there are not fetched again.",
		Flags: o.flags,
		Run:   o.run,
	}
}

type pullOptions struct {
	access
	importer.PullOptions
	quiet, json bool
	check       string
	digestFile  string
}

func (o *pullOptions) flags(f *cli.Flags) {
	o.access.flags(f)
	platformFlags(f, &o.Platform)
	f.Bool(&o.DropSpecial, "skip-special-files", "", "Leave out devices, fifos and sockets, which a repository cannot hold")
	f.Bool(&o.KeepBlobs, "keep-blobs", "", "Keep the layers also compressed as they are, for an exact push whoever made them")
	f.String(&o.check, "check", "", "FILE", "Fetch no layer, but write the manifest to FILE if there is an update")
	f.String(&o.digestFile, "ostree-digestfile", "", "FILE", "Write the checksum of the image's commit to FILE")
	f.Bool(&o.quiet, "quiet", "", "Show no progress")
	f.Bool(&o.json, "json", "", "Write the result as JSON")
	f.Progress()
}

func (o *pullOptions) run(ctx context.Context, env *cli.Env, args []string) error {
	if len(args) != 2 {
		return cli.Usagef("REPO and IMAGE must be specified")
	}
	ref, err := oci.ParseReference(args[1])
	if err != nil {
		return err
	}
	repo, err := ostreerepo.Open(args[0])
	if err != nil {
		return fmt.Errorf("opening repo: %w", err)
	}
	defer repo.Close()
	if o.check != "" {
		return o.checkUpdate(ctx, env, repo, ref)
	}
	result, err := o.pull(ctx, env, repo, ref)
	if err != nil {
		return err
	}
	if o.digestFile != "" {
		if err := durable.WriteFile(o.digestFile, []byte(result.Commit.String()), 0o644); err != nil {
			return err
		}
	}
	if o.json {
		return env.JSON(result)
	}
	o.report(env, ref, result)
	return nil
}

func (o *pullOptions) pull(ctx context.Context, env *cli.Env, repo *ostreerepo.Repo, ref oci.Reference) (*importer.PullResult, error) {
	var err error
	if o.Verify, err = verifier(repo, ref); err != nil {
		return nil, err
	}
	src, err := o.openSource(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer src.Close()
	if !o.quiet {
		meter := env.Meter("pull", cli.Bytes)
		defer meter.Done()
		o.Progress = meter.Func()
	}
	return importer.Pull(ctx, src, repo, ref, o.PullOptions)
}

func (o *pullOptions) report(env *cli.Env, ref oci.Reference, r *importer.PullResult) {
	if r.Unchanged {
		env.Printf("No changes in %s => %s\n", ref, r.Commit)
		return
	}
	env.Printf("layers already present: %d; layers needed: %d (%s)\n", r.Present, r.Fetched, cli.Size(uint64(r.Bytes)))
	o.warn(env, r)
	env.Printf("Wrote: %s => %s\n", ref, r.Commit)
}

// warn tells what of the image is not in the repository.
func (o *pullOptions) warn(env *cli.Env, r *importer.PullResult) {
	if len(r.Filtered) > 0 {
		var counts []string
		for _, name := range slices.Sorted(maps.Keys(r.Filtered)) {
			counts = append(counts, fmt.Sprintf("%s: %d", name, r.Filtered[name]))
		}
		env.Warnf("Image contains non-ostree compatible file paths: %s", strings.Join(counts, " "))
	}
	for _, path := range r.Special {
		env.Warnf("Left out special file: /%s", path)
	}
	for _, d := range r.Unrecognized {
		env.Warnf("warning: layer %s was compressed by a program that is not known, so it can't be pushed as it was; --keep-blobs keeps it", d)
	}
}

// checkUpdate says what a pull would bring.
func (o *pullOptions) checkUpdate(ctx context.Context, env *cli.Env, repo *ostreerepo.Repo, ref oci.Reference) error {
	src, err := o.openSource(ctx, ref)
	if err != nil {
		return err
	}
	defer src.Close()
	update, err := importer.Check(ctx, src, repo, ref, o.Platform)
	if err != nil {
		return err
	}
	if !update.Unchanged() {
		if err := durable.WriteFile(o.check, update.Image.RawManifest, 0o644); err != nil {
			return err
		}
	}
	if o.json {
		return env.JSON(checked{update.Image.Digest, update.Unchanged(), sum(update.Missing)})
	}
	if update.Unchanged() {
		env.Printf("No changes in %s => %s\n", ref, update.Stored.Commit)
		return nil
	}
	if update.Stored != nil {
		c := &comparison{}
		if err := c.layers(repo, importer.Compare(update.Stored.Manifest, update.Image.Manifest)); err != nil {
			return err
		}
		c.print(env)
	}
	missing := sum(update.Missing)
	env.Printf("layers already present: %d; layers needed: %d (%s)\n", len(update.Image.Manifest.Layers)-missing.Count, missing.Count, cli.Size(uint64(missing.Size)))
	return nil
}

// checked is what pull --check prints with --json.
type checked struct {
	Digest    oci.Digest `json:"digest"`
	Unchanged bool       `json:"unchanged"`
	Fetch     layerSum   `json:"fetch"`
}
