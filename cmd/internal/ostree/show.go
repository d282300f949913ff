package ostree

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"slices"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/openpgp"
	"github.com/treenail/treenail/format/sign"
	"github.com/treenail/treenail/ostreerepo"
)

func showCommand() *cli.Command {
	var o showOptions
	return &cli.Command{
		Name: "show", Args: "OBJECT", Group: GroupCommits,
		Summary:  "Show a commit or another object",
		Flags:    o.flags,
		Run:      o.run,
		Complete: completeRefs,
	}
}

type showOptions struct {
	related      bool
	variantType  string
	given        struct{ variantType, key, detachedKey bool }
	listKeys     bool
	key          string
	hex          bool
	listDetached bool
	detachedKey  string
	sizes        bool
	raw          bool
	noByteswap   bool
	json         bool
	verdict      verdict
}

func (o *showOptions) flags(f *cli.Flags) {
	f.Bool(&o.related, "print-related", "", "Show the related commits")
	f.String(&o.variantType, "print-variant-type", "", "TYPE", "Print OBJECT, here a file's path, as a GVariant of this type")
	f.Given(&o.given.variantType, "print-variant-type")
	f.Bool(&o.listKeys, "list-metadata-keys", "", "List the keys of the commit's metadata")
	f.String(&o.key, "print-metadata-key", "", "KEY", "Print the value of a key of the metadata")
	f.Given(&o.given.key, "print-metadata-key")
	f.Bool(&o.hex, "print-hex", "", "Print a value that is a byte array as bare hexadecimal digits")
	f.Bool(&o.listDetached, "list-detached-metadata-keys", "", "List the keys of the detached metadata")
	f.String(&o.detachedKey, "print-detached-metadata-key", "", "KEY", "Print the value of a key of the detached metadata")
	f.Given(&o.given.detachedKey, "print-detached-metadata-key")
	f.Bool(&o.sizes, "print-sizes", "", "Show what the commit's size metadata adds up to")
	f.Bool(&o.raw, "raw", "", "Show the object as GVariant text")
	f.Bool(&o.noByteswap, "no-byteswap", "B", "Print integers as they are stored, most significant byte first")
	f.Bool(&o.json, "json", "", "Write the commit or object as JSON")
	f.Exclude("json", "print-related", "print-variant-type", "list-metadata-keys", "print-metadata-key",
		"list-detached-metadata-keys", "print-detached-metadata-key", "print-sizes", "raw")
	f.String(&o.verdict.home, "gpg-homedir", "", "HOMEDIR", "Verify GPG signatures with the keys in this home directory of GPG")
	f.String(&o.verdict.remote, "gpg-verify-remote", "", "REMOTE", "Verify GPG signatures with the keys of this remote")
}

func (o *showOptions) run(_ context.Context, env *cli.Env, args []string) error {
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	if len(args) == 0 {
		return cli.Usagef("An object argument is required")
	}
	return o.show(env, repo, args[0])
}

// show does the first thing that an option asks for.
func (o *showOptions) show(env *cli.Env, repo *ostreerepo.Repo, rev string) error {
	switch {
	case o.given.detachedKey:
		return o.metadataKey(env, repo, rev, detachedMetadata, o.detachedKey)
	case o.given.key:
		return o.metadataKey(env, repo, rev, commitMetadata, o.key)
	case o.listDetached:
		return listKeys(env, repo, rev, detachedMetadata)
	case o.listKeys:
		return listKeys(env, repo, rev, commitMetadata)
	case o.related:
		return printRelated(env, repo, rev)
	case o.given.variantType:
		return o.printFile(env, rev)
	case o.sizes:
		return printSizes(env, repo, rev)
	}
	return o.object(env, repo, rev)
}

// metadata is where a dictionary is read from.
type metadata func(repo *ostreerepo.Repo, c object.Checksum) (gvariant.Value, error)

func commitMetadata(repo *ostreerepo.Repo, c object.Checksum) (gvariant.Value, error) {
	commit, err := repo.Commit(c)
	if err != nil {
		return gvariant.Value{}, err
	}
	return commit.Metadata, nil
}

func detachedMetadata(repo *ostreerepo.Repo, c object.Checksum) (gvariant.Value, error) {
	v, ok, err := repo.DetachedMetadata(c)
	if err == nil && !ok {
		err = fmt.Errorf("No detached metadata for commit %s", c)
	}
	return v, err
}

func (m metadata) of(repo *ostreerepo.Repo, rev string) (gvariant.Value, error) {
	c, err := repo.Resolve(rev)
	if err != nil {
		return gvariant.Value{}, err
	}
	return m(repo, c)
}

func (o *showOptions) metadataKey(env *cli.Env, repo *ostreerepo.Repo, rev string, from metadata, key string) error {
	dict, err := from.of(repo, rev)
	if err != nil {
		return err
	}
	value, ok := dict.Lookup(key)
	switch {
	case !ok:
		return fmt.Errorf("No such metadata key '%s'", key)
	case o.hex && value.Type() == "ay":
		env.Println(hex.EncodeToString(value.Data()))
	default:
		env.Println(o.dump().text(value))
	}
	return nil
}

func listKeys(env *cli.Env, repo *ostreerepo.Repo, rev string, from metadata) error {
	dict, err := from.of(repo, rev)
	if err != nil {
		return err
	}
	var keys []string
	for i := range dict.Len() {
		keys = append(keys, dict.At(i).At(0).Str())
	}
	slices.Sort(keys)
	for _, key := range keys {
		env.Println(key)
	}
	return nil
}

// printRelated lists the related commits of a commit, which today's programs
// leave empty.
func printRelated(env *cli.Env, repo *ostreerepo.Repo, rev string) error {
	c, err := repo.Resolve(rev)
	if err != nil {
		return err
	}
	data, err := repo.Metadata(object.Name{Checksum: c, Type: object.TypeCommit})
	if err != nil {
		return err
	}
	related := gvariant.FromBytes(commitVariant, data).At(2)
	for i := range related.Len() {
		env.Printf("%s %x\n", related.At(i).At(0).Str(), related.At(i).At(1).Data())
	}
	return nil
}

// printFile prints any file as a value of a given type.
func (o *showOptions) printFile(env *cli.Env, path string) error {
	t, err := gvariant.ParseType(o.variantType)
	if err != nil {
		return err
	}
	f, err := openFile(path)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	env.Println(dump{}.text(gvariant.FromBytes(t, data)))
	return nil
}

func (o *showOptions) dump() dump { return dump{raw: o.raw, unswapped: o.noByteswap} }

// object shows a commit, or whichever object a full checksum names.
func (o *showOptions) object(env *cli.Env, repo *ostreerepo.Repo, rev string) error {
	c, err := repo.Resolve(rev)
	if err != nil {
		return err
	}
	if _, err := object.ParseChecksum(rev); err != nil {
		return o.commit(env, repo, c)
	}
	for _, t := range []object.Type{object.TypeCommit, object.TypeDirMeta, object.TypeDirTree} {
		found, err := repo.Has(object.Name{Checksum: c, Type: t})
		if err != nil {
			return err
		}
		if found && t == object.TypeCommit {
			return o.commit(env, repo, c)
		}
		if found {
			return o.directory(env, repo, object.Name{Checksum: c, Type: t})
		}
	}
	return o.file(env, repo, c)
}

func (o *showOptions) commit(env *cli.Env, repo *ostreerepo.Repo, c object.Checksum) error {
	commit, err := repo.Commit(c)
	if err != nil {
		return err
	}
	if !o.json {
		if err := writeCommit(env.Stdout, c, commit, o.dump()); err != nil {
			return err
		}
	}
	metadata, _, err := repo.DetachedMetadata(c)
	if err != nil {
		return err
	}
	signatures, err := o.verdict.of(repo, commit.Encode(), metadata)
	if err != nil {
		return err
	}
	if !o.json {
		return writeSignatures(env.Stdout, signatures, "")
	}
	shown := shownJSON(c, commit, signatures, o.dump())
	shown.Engines = countSignatures(metadata)
	return env.JSON(shown)
}

// shownCommit is a commit in the JSON of show.
type shownCommit struct {
	jsonCommit
	Signatures []openpgp.Signature `json:"gpgSignatures,omitempty"`
	Engines    map[sign.Type]int   `json:"signatures,omitempty"` // how many, by engine
}

func shownJSON(c object.Checksum, commit *object.Commit, signatures *openpgp.Result, d dump) shownCommit {
	shown := shownCommit{jsonCommit: commitJSON(c, commit, d)}
	if signatures != nil {
		shown.Signatures = signatures.Signatures
	}
	return shown
}
