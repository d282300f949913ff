package ostree

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/treenail/treenail/cmd/internal/cli"
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
		Flags: o.flags,
		Run:   o.run,
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
	f.String(&o.keysDir, "keys-dir", "", "NAME", "Take this directory for the system's, with its trusted and revoked keys")
}

func (o *signOptions) run(ctx context.Context, env *cli.Env, args []string) error {
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	switch {
	case len(args) == 0:
		return cli.Usagef("Need a COMMIT to sign or verify")
	case !o.verify && len(args) == 1 && o.keysFile == "":
		return cli.Usagef("Need at least one KEY-ID to sign with")
	}
	c, err := repo.Resolve(args[0])
	if err != nil {
		return err
	}
	t, err := signType(o.signType)
	switch {
	case o.verify && errors.Is(err, errDummy):
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

// libostree's texts.
var (
	errDummy   = errors.New("dummy signature type is only for ostree testing")
	errNoValid = errors.New("No valid signatures found")
)

// signType reads the name of an engine. The dummy, which proves nothing, has to be
// enabled.
func signType(name string) (sign.Type, error) {
	t, err := sign.ParseType(name)
	if err == nil && t == sign.Dummy && os.Getenv("OSTREE_DUMMY_SIGN_ENABLED") != "1" {
		err = errDummy
	}
	return t, err
}

func (o *signOptions) signers(t sign.Type, keys []string) ([]*sign.Signer, error) {
	signers, err := parseSigners(t, keys)
	if err != nil || o.keysFile == "" {
		return signers, err
	}
	s, err := readSigner(t, o.keysFile)
	return append(signers, s), err
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

func readSigner(t sign.Type, path string) (*sign.Signer, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s, err := t.ReadSecretKey(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// verifyCommit tries each of the keys, then those of the file or directory. Without
// any of them the system's keys count.
func (o *signOptions) verifyCommit(env *cli.Env, repo *ostreerepo.Repo, c object.Checksum, t sign.Type, keys []string) error {
	var last error
	try := func(k *signing.Keys) bool {
		message, err := k.Verify(repo, c)
		if err == nil {
			env.Println(message)
		}
		last = err
		return err == nil
	}
	for _, key := range keys {
		k := &signing.Keys{Type: t}
		if err := k.Add(key); err != nil {
			return err
		}
		if try(k) {
			return nil
		}
	}
	if o.keysFile != "" || o.keysDir != "" || len(keys) == 0 {
		k := &signing.Keys{Type: t}
		if err := o.load(k); err != nil {
			return err
		}
		if try(k) {
			return nil
		}
		return last
	}
	return errNoValid
}

func (o *signOptions) load(k *signing.Keys) error {
	if o.keysFile != "" {
		if err := k.AddFile(o.keysFile); err != nil {
			return err
		}
	}
	if o.keysDir != "" || o.keysFile == "" {
		return k.AddSystem(o.keysDir)
	}
	return nil
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
	for _, path := range o.files {
		if err != nil {
			return nil, err
		}
		var s *sign.Signer
		s, err = readSigner(t, path)
		signers = append(signers, s)
	}
	return signers, err
}
