package ostree

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/summary"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/gpg"
	"github.com/treenail/treenail/ostreerepo/signing"
)

func summaryCommand() *cli.Command {
	var o summaryOptions
	return &cli.Command{
		Name: "summary", Group: GroupRepo,
		Summary: "Update or show the file that lists all refs",
		Details: "With a collection ID in the configuration, --update also commits the\n" +
			"metadata to the ref " + ostreerepo.MetadataRef + ".",
		Flags: o.flags,
		Run:   o.run,
	}
}

type summaryOptions struct {
	update, view, raw, listKeys, json bool
	key                               string
	metadata                          []string
	sign                              signFlags
	gpg                               gpg.Signer
}

func (o *summaryOptions) flags(f *cli.Flags) {
	f.Bool(&o.update, "update", "u", "Update the summary")
	f.Bool(&o.view, "view", "v", "Show the summary")
	f.Bool(&o.raw, "raw", "", "Show the summary as GVariant text")
	f.Bool(&o.listKeys, "list-metadata-keys", "", "List the keys of the summary's metadata")
	f.String(&o.key, "print-metadata-key", "", "KEY", "Print the value of a key of the metadata")
	f.Strings(&o.metadata, "add-metadata", "m", "KEY=VALUE", "With --update, add to the metadata; VALUE is GVariant text")
	f.Bool(&o.json, "json", "", "Show the summary as JSON")
	f.Exclude("json", "update", "raw", "list-metadata-keys", "print-metadata-key")
	o.sign.flags(f, false)
	gpgFlags(f, &o.gpg)
}

func (o *summaryOptions) run(ctx context.Context, env *cli.Env, _ []string) error {
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	switch {
	case o.update:
		return o.updateSummary(ctx, repo)
	case o.view || o.raw || o.json:
		return o.show(env, repo)
	case o.listKeys:
		return o.list(env, repo)
	case o.key != "":
		return o.printKey(env, repo)
	}
	return errors.New("No option specified; use -u to update summary")
}

func (o *summaryOptions) updateSummary(ctx context.Context, repo *ostreerepo.Repo) error {
	var update ostreerepo.SummaryOptions
	for _, spec := range o.metadata {
		key, text, err := splitKeyValue(spec)
		if err != nil {
			return err
		}
		value, err := gvariant.Parse("", text)
		if err != nil {
			return fmt.Errorf("Error parsing variant ‘%s’: : %w", text, err)
		}
		update.Metadata = append(update.Metadata, gvariant.Entry{Key: key, Value: value})
	}
	signers, err := o.sign.signers()
	if err != nil {
		return err
	}
	var signErr error // said as it is, not as one of the summary
	if len(signers)+len(o.gpg.Keys) > 0 {
		update.Sign = func(data []byte) (signatures gvariant.Value, err error) {
			if signatures, signErr = o.gpg.Append(ctx, gvariant.NewVardict(), data); signErr != nil {
				return signatures, signErr
			}
			return signing.Append(signatures, data, signers)
		}
	}
	err = repo.UpdateSummary(ctx, update)
	return cmp.Or(signErr, err)
}

func (o *summaryOptions) show(env *cli.Env, repo *ostreerepo.Repo) error {
	data, err := repo.Summary()
	if err != nil {
		return err
	}
	if o.raw {
		env.Println(dump{}.text(gvariant.FromBytes(summary.Type, data)))
		return nil
	}
	s, err := summary.Decode(data)
	if err != nil {
		return err
	}
	if o.json {
		return summaryJSON(env, repo, data, s)
	}
	return viewSummary(env, repo, data, s)
}

func (o *summaryOptions) list(env *cli.Env, repo *ostreerepo.Repo) error {
	s, err := loadSummary(repo)
	if err != nil {
		return err
	}
	var keys []string
	for i := range s.Metadata.Len() {
		keys = append(keys, s.Metadata.At(i).At(0).Str())
	}
	slices.Sort(keys)
	for _, key := range keys {
		env.Println(key)
	}
	return nil
}

func (o *summaryOptions) printKey(env *cli.Env, repo *ostreerepo.Repo) error {
	s, err := loadSummary(repo)
	if err != nil {
		return err
	}
	value, ok := s.Metadata.Lookup(o.key)
	if !ok {
		return fmt.Errorf("No such metadata key '%s'", o.key)
	}
	env.Println(dump{}.text(value))
	return nil
}

func loadSummary(repo *ostreerepo.Repo) (*summary.Summary, error) {
	data, err := repo.Summary()
	if err != nil {
		return nil, err
	}
	return summary.Decode(data)
}
