package ostree

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/gpg"
	"github.com/treenail/treenail/ostreerepo/pull"
)

func pullLocalCommand() *cli.Command {
	var o pullLocalOptions
	return &cli.Command{
		Name: "pull-local", Args: "SRC_REPO [REFS...]", Group: GroupRepo,
		Summary: "Copy commits from another repository on this machine",
		Details: "REFS are refs of SRC_REPO or checksums of commits; without any, all refs are\n" +
			"copied. Objects are hard links where the repositories have the same mode, file\n" +
			"system and owner.",
		Flags: o.flags,
		Run:   o.run,
	}
}

type pullLocalOptions struct {
	pull.Options
	gpgVerify, gpgVerifySummary, json bool
}

func (o *pullLocalOptions) flags(f *cli.Flags) {
	f.Bool(&o.CommitMetadataOnly, "commit-metadata-only", "", "Copy only the commits, without their trees")
	f.String(&o.Remote, "remote", "", "REMOTE", "Store the refs as REMOTE:REF")
	f.NotEmpty("remote")
	f.Bool(&o.DisableFsync, "disable-fsync", "", "Do not wait until data is on disk")
	f.Bool(&o.PerObjectFsync, "per-object-fsync", "", "Wait for each object on its own")
	f.Bool(&o.Untrusted, "untrusted", "", "Verify also objects that are linked or copied as they are")
	f.Bool(&o.BareUserOnlyFiles, "bareuseronly-files", "", "Reject regular files with mode bits outside of 0775")
	f.Bool(&o.RequireDeltas, "require-static-deltas", "", "Fail if there are no static deltas; where there are, they can't be applied yet")
	var disable bool
	f.Bool(&disable, "disable-static-deltas", "", "Do not use static deltas; a local pull never does")
	f.Bool(&o.DisableVerifyBindings, "disable-verify-bindings", "", "Do not check that commits are bound to their refs")
	f.Int(&o.Depth, "depth", "", "DEPTH", "Copy DEPTH parents too, -1 for all (default: 0)")
	f.Bool(&o.gpgVerify, "gpg-verify", "", "Verify the GPG signatures of commits with the keys of REMOTE")
	f.Bool(&o.gpgVerifySummary, "gpg-verify-summary", "", "Verify the GPG signature of the summary with the keys of REMOTE")
	f.Progress()
	f.Bool(&o.json, "json", "", "Write the result as JSON")
}

func (o *pullLocalOptions) run(ctx context.Context, env *cli.Env, args []string) error {
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	if len(args) == 0 {
		return cli.Usagef("DESTINATION must be specified") // ostree's word for the source
	}
	if o.Depth < -1 {
		return fmt.Errorf("Out of range depth %d", o.Depth)
	}
	src, err := ostreerepo.Open(args[0])
	if err != nil {
		return fmt.Errorf("opening repo: %w", err)
	}
	defer src.Close()
	if o.Refs, err = refsToPull(src, args[1:]); err != nil {
		return err
	}
	if err := o.verify(repo); err != nil {
		return err
	}
	meter := env.Meter("pull-local", cli.Objects)
	o.Progress = meter.Func()
	begun := time.Now()
	result, err := pull.Local(ctx, repo, src, o.Options)
	meter.Done()
	if err != nil {
		return err
	}
	if o.json {
		return env.JSON(result)
	}
	env.Println(pullStatus(result, time.Since(begun)))
	return nil
}

// verify sees to the verification of signatures.
func (o *pullLocalOptions) verify(repo *ostreerepo.Repo) error {
	if (o.gpgVerify || o.gpgVerifySummary) && o.Remote == "" {
		return errors.New("Must specify remote name to enable gpg verification")
	}
	if o.gpgVerify {
		o.VerifyCommit = func(c object.Checksum, data []byte, detached gvariant.Value) error {
			return gpg.VerifyCommit(repo, o.Remote, c, data, detached)
		}
	}
	if o.gpgVerifySummary {
		o.VerifySummary = func(data []byte, signatures gvariant.Value) error {
			return gpg.VerifySummary(repo, o.Remote, data, signatures)
		}
	}
	return nil
}

// refsToPull checks what the command line asks for, or lists the refs of src. Like
// ostree, the command takes no ref that src has of a remote.
func refsToPull(src *ostreerepo.Repo, names []string) ([]string, error) {
	if len(names) == 0 {
		refs, err := src.Refs()
		if err != nil {
			return nil, err
		}
		for _, ref := range refs {
			names = append(names, ref.Name)
		}
	}
	for _, name := range names {
		if _, err := object.ParseChecksum(name); err == nil {
			continue
		}
		if err := ostreerepo.ValidateRef(name); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// pullStatus is the line that ends a pull.
func pullStatus(r *pull.Result, took time.Duration) string {
	status := fmt.Sprintf("%d metadata, %d content objects imported", r.Metadata, r.Content)
	if n := r.DetachedBytes; n > 0 {
		amount := fmt.Sprintf("%d B", n)
		if n >= 1024 {
			amount = fmt.Sprintf("%d KiB", n/1024)
		}
		status += fmt.Sprintf("; %s transferred in %d seconds", amount, took/time.Second)
	}
	return status + fmt.Sprintf("; %s content written", cli.Size(uint64(r.ContentBytes)))
}
