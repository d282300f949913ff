package ostree

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/sign"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/signing"
)

func signCommand() *cli.Command {
	var o signOptions
	return &cli.Command{
		Name: "sign", Args: "COMMIT KEY-ID...", Group: GroupRepo,
		Summary: "Sign a commit, or verify its signatures",
		Details: "A KEY-ID is a secret key to sign with, or with --verify or --delete a public\n" +
			"one: base64, or PEM for spki.",
		Flags:    o.flags,
		Run:      o.run,
		Complete: completeRefs,
	}
}

type signOptions struct {
	remove, verify    bool
	signType          string
	keysFile, keysDir string
}

func (o *signOptions) flags(f *cli.Flags) {
	o.signType = string(sign.Ed25519)
	f.Bool(&o.remove, "delete", "d", "Delete the signatures by any of the keys")
	f.Bool(&o.verify, "verify", "", "Verify signatures")
	f.String(&o.signType, "sign-type", "s", "NAME", "Type of the signature: ed25519 (default), spki or dummy")
	f.String(&o.keysFile, "keys-file", "", "NAME", "Read keys from a file")
	f.String(&o.keysDir, "keys-dir", "", "NAME", "With --verify, the trusted and revoked keys of this directory instead of the system's")
}

func (o *signOptions) run(ctx context.Context, env *cli.Env, args []string) error {
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	if err := o.check(args); err != nil {
		return err
	}
	c, err := repo.Resolve(args[0])
	if err != nil {
		return err
	}
	t, err := signType(o.signType)
	switch {
	case o.verify && errors.Is(err, signing.ErrDummy):
		return errNoValid
	case err != nil:
		return err
	case o.verify:
		return o.verifyCommit(env, repo, c, t, args[1:])
	case o.remove:
		return o.deleteSignatures(ctx, env, repo, c, t, args[1:])
	}
	signers, err := o.signers(t, args[1:])
	if err != nil {
		return err
	}
	return signing.Sign(ctx, repo, c, signers)
}

func (o *signOptions) check(args []string) error {
	switch {
	case len(args) == 0:
		return cli.Usagef("Need a COMMIT to sign or verify")
	case o.verify && o.remove:
		return cli.Usagef("Can only specify one of --verify and --delete")
	case o.keysDir != "" && (!o.verify || o.keysFile != "" || len(args) > 1):
		return cli.Usagef("--keys-dir is for --verify without any other keys")
	case !o.verify && len(args) == 1 && o.keysFile == "":
		return cli.Usagef("Need at least one KEY-ID to sign with")
	}
	return nil
}

// errNoValid is libostree's text.
var errNoValid = errors.New("No valid signatures found")

// signType reads the name of an engine. The dummy, which proves nothing, has to be
// enabled.
func signType(name string) (sign.Type, error) {
	t, err := sign.ParseType(name)
	if err == nil && t == sign.Dummy && !dummyEnabled() {
		err = signing.ErrDummy
	}
	return t, err
}

func dummyEnabled() bool { return os.Getenv("OSTREE_DUMMY_SIGN_ENABLED") == "1" }

func (o *signOptions) signers(t sign.Type, keys []string) ([]*sign.Signer, error) {
	signers, err := parseSigners(t, keys)
	if err != nil || o.keysFile == "" {
		return signers, err
	}
	more, err := signing.ReadSigners(t, o.keysFile)
	return append(signers, more...), err
}

func parseSigners(t sign.Type, keys []string) ([]*sign.Signer, error) {
	var signers []*sign.Signer
	for _, key := range keys {
		s, err := t.ParseSecretKey(key)
		if err != nil {
			return nil, err
		}
		signers = append(signers, s)
	}
	return signers, nil
}

// verifyCommit tries each of the keys, then those of the file. Without any of them
// the keys of the directory count, or of the system.
func (o *signOptions) verifyCommit(env *cli.Env, repo *ostreerepo.Repo, c object.Checksum, t sign.Type, keys []string) error {
	failed := errNoValid
	for _, key := range keys {
		k := &signing.Keys{Type: t}
		if err := k.Add(key); err != nil { // as in libostree the others may still do
			failed = fmt.Errorf("%w: %w", errNoValid, err)
		} else if message, err := k.Verify(repo, c); err == nil {
			env.Println(message)
			return nil
		}
	}
	k := &signing.Keys{Type: t}
	var err error
	switch {
	case o.keysFile != "":
		err = k.AddFile(o.keysFile)
	case len(keys) == 0:
		err = k.AddSystem(o.keysDir)
	default:
		return failed
	}
	if err != nil {
		return err
	}
	message, err := k.Verify(repo, c)
	if err == nil {
		env.Println(message)
	}
	return err
}

func (o *signOptions) deleteSignatures(ctx context.Context, env *cli.Env, repo *ostreerepo.Repo, c object.Checksum, t sign.Type, keys []string) error {
	k := &signing.Keys{Type: t}
	for _, key := range keys {
		if err := k.Add(key); err != nil {
			return err
		}
	}
	if o.keysFile != "" {
		if err := k.AddFile(o.keysFile); err != nil {
			return err
		}
	}
	n, err := signing.Delete(ctx, repo, c, t, k.Trusted)
	if err == nil {
		env.Printf("Signatures deleted: %d\n", n)
	}
	return err
}

// countSignatures is how many signatures of each engine a dictionary has.
func countSignatures(metadata gvariant.Value) map[sign.Type]int {
	counts := map[sign.Type]int{}
	for _, t := range sign.Types {
		if signatures, _ := sign.Signatures(metadata, t.Key()); len(signatures) > 0 {
			counts[t] = len(signatures)
		}
	}
	return counts
}

// signFlags are the options with which commit and summary sign.
type signFlags struct {
	keys     []string
	files    []string
	signType string
}

func (o *signFlags) flags(f *cli.Flags, files bool) {
	o.signType = string(sign.Ed25519)
	f.Strings(&o.keys, "sign", "", "KEY_ID", "Sign with this secret key")
	if files {
		f.Strings(&o.files, "sign-from-file", "", "PATH", "Sign with the secret key in a file")
	}
	f.String(&o.signType, "sign-type", "", "NAME", "Type of the signature: ed25519 (default), spki or dummy")
}

// signers reads the keys; none when nothing is to be signed.
func (o *signFlags) signers() ([]*sign.Signer, error) {
	if len(o.keys)+len(o.files) == 0 {
		return nil, nil
	}
	t, err := signType(o.signType)
	if err != nil {
		return nil, err
	}
	signers, err := parseSigners(t, o.keys)
	if err != nil {
		return nil, err
	}
	for _, path := range o.files {
		keys, err := signing.ReadSigners(t, path)
		if err != nil {
			return nil, err
		}
		signers = append(signers, keys[0]) // a file is one key here
	}
	return signers, nil
}
