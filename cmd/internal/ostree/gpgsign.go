package ostree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/openpgp"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/gpg"
)

func gpgSignCommand() *cli.Command {
	var o gpgSignOptions
	return &cli.Command{
		Name: "gpg-sign", Args: "COMMIT KEY-ID...", Group: GroupRepo,
		Summary: "Sign a commit with GPG",
		Flags: func(f *cli.Flags) {
			f.Bool(&o.remove, "delete", "d", "Delete the signatures by any of the keys")
			f.String(&o.signer.Home, "gpg-homedir", "", "HOMEDIR", "Home directory of GPG (default: the user's)")
		},
		Run:      o.run,
		Complete: completeRefs,
	}
}

type gpgSignOptions struct {
	remove bool
	signer gpg.Signer
}

func (o *gpgSignOptions) run(ctx context.Context, env *cli.Env, args []string) error {
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	switch len(args) {
	case 0:
		return cli.Usagef("Need a COMMIT to sign")
	case 1:
		return cli.Usagef("Need at least one GPG KEY-ID to sign with")
	}
	c, err := repo.Resolve(args[0])
	if err != nil {
		return err
	}
	if !o.remove {
		o.signer.Keys = args[1:]
		return o.signer.SignCommit(ctx, repo, c)
	}
	n, err := gpg.DeleteSignatures(ctx, repo, c, args[1:])
	if err == nil {
		env.Printf("Signatures deleted: %d\n", n)
	}
	return err
}

// gpgFlags are the options with which commit and summary sign.
func gpgFlags(f *cli.Flags, s *gpg.Signer) {
	f.Strings(&s.Keys, "gpg-sign", "", "KEY-ID", "Sign with this GPG key")
	f.String(&s.Home, "gpg-homedir", "", "HOMEDIR", "Home directory of GPG (default: the user's)")
}

// verdict is the keyring that show and summary judge signatures by: that of a
// remote, or all with those of a home directory of GPG.
type verdict struct {
	home, remote string
}

func (o *verdict) keyring(repo *ostreerepo.Repo) (*openpgp.Keyring, error) {
	if o.remote != "" {
		return gpg.Keyring(repo, o.remote)
	}
	k, err := gpg.AllKeyrings(repo)
	if err != nil || o.home == "" {
		return k, err
	}
	home, err := gpg.HomeKeyring(o.home)
	if err != nil {
		return nil, err
	}
	k.Append(home)
	return k, nil
}

// of is what became of the GPG signatures in a dictionary; nil when it has none.
func (o *verdict) of(repo *ostreerepo.Repo, data []byte, signatures gvariant.Value) (*openpgp.Result, error) {
	keyring := func() (*openpgp.Keyring, error) { return o.keyring(repo) }
	result, err := gpg.Verify(keyring, data, signatures)
	if errors.Is(err, gpg.ErrNoSignatures) {
		return nil, nil
	}
	return result, err
}

// writeSignatures describes signatures, after a line that counts them; suffix ends
// that line.
func writeSignatures(w io.Writer, r *openpgp.Result, suffix string) error {
	if r == nil {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "Found %s%s:\n", plural(len(r.Signatures), "signature"), suffix)
	for _, s := range r.Signatures {
		b.WriteString("\n" + s.Describe("  "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
