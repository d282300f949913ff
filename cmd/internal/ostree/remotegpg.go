package ostree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/openpgp"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/gpg"
	"golang.org/x/sys/unix"
)

func remoteGPGImportCommand() *cli.Command {
	var o gpgImportOptions
	return &cli.Command{
		Name: "gpg-import", Args: "NAME [KEY-ID...]",
		Summary: "Import GPG keys that are trusted for a remote",
		Flags: func(f *cli.Flags) {
			f.Strings(&o.keyrings, "keyring", "k", "FILE", "Import the keys in FILE")
			f.Bool(&o.stdin, "stdin", "", "Import the keys on standard input")
		},
		Run:      o.run,
		Complete: completeRemotes,
	}
}

type gpgImportOptions struct {
	keyrings []string
	stdin    bool
}

func (o *gpgImportOptions) run(_ context.Context, env *cli.Env, args []string) error {
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	switch {
	case len(args) == 0:
		return cli.Usagef("NAME must be specified")
	case o.stdin && len(o.keyrings) > 0:
		return cli.Usagef("--keyring and --stdin are mutually exclusive")
	}
	keys, err := o.read(env)
	if err != nil {
		return err
	}
	return importKeys(env, repo, args[0], keys, args[1:])
}

// read reads the keys: without an option those of the user's GPG.
func (o *gpgImportOptions) read(env *cli.Env) (*openpgp.Keyring, error) {
	switch {
	case o.stdin:
		data, err := io.ReadAll(env.Stdin)
		if err != nil {
			return nil, err
		}
		keys, err := openpgp.ReadKeyring(data)
		if err != nil {
			return &openpgp.Keyring{}, nil
		}
		return keys, nil
	case len(o.keyrings) == 0:
		return gpg.UserKeyring()
	}
	all := &openpgp.Keyring{}
	for _, path := range o.keyrings {
		keys, err := readKeyFile(path)
		if err != nil {
			return nil, err
		}
		all.Import(keys)
	}
	return all, nil
}

// readKeyFile reads the keys of a file. One that holds anything else has none, as
// for ostree.
func readKeyFile(path string) (*openpgp.Keyring, error) {
	keys, err := gpg.ReadKeyFile(path)
	var damaged *gpg.DamagedError
	switch {
	case errors.As(err, &damaged):
		return &openpgp.Keyring{}, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, openingError(path, unix.ENOENT)
	}
	return keys, err
}

// importKeys imports the keys with the IDs, or all without any.
func importKeys(env *cli.Env, repo *ostreerepo.Repo, remote string, keys *openpgp.Keyring, ids []string) (err error) {
	if _, err := repo.RemoteConfig(remote); err != nil {
		return fmt.Errorf("GPG: %w", err)
	}
	if len(ids) > 0 {
		if keys, err = keys.Select(ids); err != nil {
			return err
		}
	}
	if keys.Len() == 0 {
		return errors.New("GPG: Unable to export keys: GPGME: No data")
	}
	added, err := gpg.Import(repo, remote, keys)
	if err != nil {
		return fmt.Errorf("GPG: %w", err)
	}
	env.Printf("Imported %s to remote \"%s\"\n", plural(added, "GPG key"), remote)
	return nil
}

func remoteGPGListKeysCommand() *cli.Command {
	var json bool
	return &cli.Command{
		Name: "gpg-list-keys", Args: "NAME",
		Summary: "List the GPG keys that are trusted for a remote",
		Details: "Without NAME, the keys that are trusted for remotes without their own.",
		Flags:   func(f *cli.Flags) { f.Bool(&json, "json", "", "Write the keys as JSON") },
		Run: func(_ context.Context, env *cli.Env, args []string) error {
			repo, err := env.OpenRepo()
			if err != nil {
				return err
			}
			defer repo.Close()
			k, err := trustedKeys(repo, args)
			if err != nil {
				return err
			}
			keys := k.Keys(time.Now())
			if json {
				return env.JSON(append([]openpgp.Key{}, keys...))
			}
			for i := range keys {
				printKey(env, &keys[i])
			}
			return nil
		},
		Complete: completeRemotes,
	}
}

func trustedKeys(repo *ostreerepo.Repo, args []string) (*openpgp.Keyring, error) {
	if len(args) == 0 {
		return gpg.SystemKeyring()
	}
	return gpg.RemoteKeyring(repo, args[0])
}

func printKey(env *cli.Env, k *openpgp.Key) {
	env.Printf("Key: %s%s\n", k.Fingerprint, flaws(k))
	printDates(env, "  ", k)
	for _, u := range k.UserIDs {
		env.Printf("  UID: %s%s\n", u.Name, revokedText(u.Revoked))
		env.Printf("  Advanced update URL: %s\n  Direct update URL: %s\n", u.AdvancedURL, u.DirectURL)
	}
	for i := range k.Subkeys {
		env.Printf("  Subkey: %s%s\n", k.Subkeys[i].Fingerprint, flaws(&k.Subkeys[i]))
		printDates(env, "    ", &k.Subkeys[i])
	}
}

func flaws(k *openpgp.Key) string {
	if k.Invalid {
		return revokedText(k.Revoked) + " (invalid)"
	}
	return revokedText(k.Revoked)
}

func revokedText(revoked bool) string {
	if revoked {
		return " (revoked)"
	}
	return ""
}

func printDates(env *cli.Env, indent string, k *openpgp.Key) {
	env.Printf("%sCreated: %s\n", indent, openpgp.Date(k.Created))
	switch {
	case k.Expires.IsZero():
	case k.Expired:
		env.Printf("%sExpired: %s\n", indent, openpgp.Date(k.Expires))
	default:
		env.Printf("%sExpires: %s\n", indent, openpgp.Date(k.Expires))
	}
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
