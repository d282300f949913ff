package ostree

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/sign"
	"github.com/treenail/treenail/ostreerepo"
)

func remoteAddCommand() *cli.Command {
	var o remoteAddOptions
	return &cli.Command{
		Name: "add", Args: "NAME [metalink=|mirrorlist=]URL [BRANCH...]",
		Summary: "Add a remote",
		Flags:   o.flags,
		Run:     o.run,
	}
}

type remoteAddOptions struct {
	set                       []string
	noGPGVerify, noSignVerify bool
	signVerify                []string
	ifNotExists, force        bool
	backend, contentURL       string
	collection                string
	gpgImport                 string
}

func (o *remoteAddOptions) flags(f *cli.Flags) {
	f.Strings(&o.set, "set", "", "KEY=VALUE", "Set a key of the remote's configuration")
	f.Bool(&o.noGPGVerify, "no-gpg-verify", "", "Do not verify GPG signatures")
	f.Bool(&o.noSignVerify, "no-sign-verify", "", "Do not verify any signatures")
	f.Strings(&o.signVerify, "sign-verify", "", "KEYTYPE=[inline|file]:PUBKEY", "Verify signatures with this key, or the keys in a file")
	f.Bool(&o.ifNotExists, "if-not-exists", "", "Do nothing if there is a remote of that name")
	f.Bool(&o.force, "force", "", "Replace a remote of that name")
	f.String(&o.backend, "custom-backend", "", "NAME", "Another program fetches what this remote has")
	f.String(&o.contentURL, "contenturl", "", "URL", "Fetch content from this URL")
	f.String(&o.collection, "collection-id", "", "COLLECTION-ID", "The collection that the remote's refs belong to")
	f.String(&o.gpgImport, "gpg-import", "", "FILE", "Import GPG keys from FILE")
	f.Unsupported("sysroot=")
}

func (o *remoteAddOptions) run(_ context.Context, env *cli.Env, args []string) error {
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	if len(args) < 2 {
		return cli.Usagef("NAME and URL must be specified")
	}
	existing := ostreerepo.RefuseExisting
	switch {
	case o.ifNotExists && o.force:
		return cli.Usagef("Can only specify one of --if-not-exists and --force")
	case o.ifNotExists:
		existing = ostreerepo.KeepExisting
	case o.force:
		existing = ostreerepo.ReplaceExisting
	}
	remote := ostreerepo.Remote{Name: args[0], URL: args[1]}
	if remote.Options, err = o.options(args[2:]); err != nil {
		return err
	}
	if o.gpgImport == "" {
		return repo.AddRemote(remote, existing)
	}
	keys, err := readKeyFile(o.gpgImport)
	if err != nil {
		return err
	}
	if err := repo.AddRemote(remote, existing); err != nil {
		return err
	}
	return importKeys(env, repo, remote.Name, keys, nil)
}

// options are the keys of the remote's group after its URL, in libostree's order.
func (o *remoteAddOptions) options(branches []string) ([]ostreerepo.Option, error) {
	var keys []ostreerepo.Option
	add := func(key, value string) { keys = append(keys, ostreerepo.Option{Key: key, Value: value}) }
	if len(branches) > 0 {
		keys = append(keys, ostreerepo.Option{Key: "branches", List: branches})
	}
	if o.contentURL != "" {
		add("contenturl", o.contentURL)
	}
	if o.backend != "" {
		add("custom-backend", o.backend)
	}
	for _, spec := range o.set {
		key, value, ok := strings.Cut(spec, "=")
		if !ok {
			return nil, errors.New("Missing '=' in KEY=VALUE for --set")
		}
		add(key, value)
	}
	if o.noGPGVerify || o.noSignVerify {
		add("gpg-verify", "false")
	}
	if o.noSignVerify {
		add("sign-verify", "false")
	}
	trusted, err := o.trustedKeys()
	keys = append(keys, trusted...)
	if o.collection != "" {
		add("collection-id", o.collection)
	}
	return keys, err
}

// trustedKeys is what --sign-verify adds: the keys, and the list of their types.
func (o *remoteAddOptions) trustedKeys() ([]ostreerepo.Option, error) {
	if len(o.signVerify) == 0 {
		return nil, nil
	}
	if o.noSignVerify {
		return nil, errors.New("Cannot specify both --sign-verify and --no-sign-verify")
	}
	var keys []ostreerepo.Option
	var types []string
	for _, spec := range o.signVerify {
		signType, option, err := trustedKey(spec)
		if err != nil {
			return nil, err
		}
		keys = append(keys, option)
		types = append(types, signType)
	}
	return append(keys, ostreerepo.Option{Key: "sign-verify", Value: strings.Join(types, ",")}), nil
}

// trustedKey reads KEYTYPE=inline:PUBKEY or KEYTYPE=file:PATH.
func trustedKey(spec string) (signType string, key ostreerepo.Option, err error) {
	signType, reference, ok := strings.Cut(spec, "=")
	if !ok {
		return "", key, fmt.Errorf("Failed to parse KEYTYPE=[inline|file]:DATA in %s", spec)
	}
	if _, err := sign.ParseType(signType); err != nil {
		return "", key, err
	}
	kind, value, ok := strings.Cut(reference, ":")
	switch {
	case !ok && (kind == "inline" || kind == "file"):
		return "", key, fmt.Errorf("Failed to parse KEYTYPE=[inline|file]:DATA in %s", spec)
	case kind == "inline":
		return signType, ostreerepo.Option{Key: "verification-" + signType + "-key", Value: value}, nil
	case kind == "file":
		return signType, ostreerepo.Option{Key: "verification-" + signType + "-file", Value: value}, nil
	}
	return "", key, fmt.Errorf("Invalid key reference %s, expected inline|file", kind)
}
