package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/encapsulate"
	"github.com/treenail/treenail/encapsulate/packages"
	importer "github.com/treenail/treenail/import"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
)

func encapsulateCommand() *cli.Command {
	o := encapsulateOptions{formatVersion: 1}
	return &cli.Command{
		Name: "encapsulate", Aliases: []string{"export"}, Args: "REV IMAGE",
		Summary: "Write a commit as a container image (also: export)",
		Details: "Content is split into layers by the packages that own it, as far as the tree\n" +
			"has a dpkg or rpm database, user.component attributes or --contentmeta says so.\n" +
			"The digest of the image's manifest is printed.",
		Flags: o.flags,
		Run:   o.run,
	}
}

type encapsulateOptions struct {
	access
	encapsulate.Options
	labels        []string
	config        string
	contentMeta   string
	fast          bool
	formatVersion int
	quiet, json   bool
}

func (o *encapsulateOptions) flags(f *cli.Flags) {
	f.Strings(&o.labels, "label", "l", "KEY=VALUE", "Add a label to the image")
	f.String(&o.config, "config", "", "FILE", "Image configuration (JSON) to begin with")
	f.Strings(&o.CopyMeta, "copymeta", "", "KEY", "Make a label of this key of the commit's metadata, which must exist")
	f.Strings(&o.CopyMetaOpt, "copymeta-opt", "", "KEY", "The same for a key that need not exist")
	f.Strings(&o.Cmd, "cmd", "", "ARG", "Command that a container of the image runs; repeat for its arguments")
	f.Bool(&o.fast, "compression-fast", "", "Compress quickly: the same as --compression-level=1")
	f.Int(&o.CompressionLevel, "compression-level", "", "1-9", "How hard gzip tries (default: 6)")
	f.String(&o.contentMeta, "contentmeta", "", "FILE", "Which object belongs to which layer (JSON, as ostree-ext and rechunk have it)")
	f.Int(&o.MaxLayers, "max-layers", "", "N", "How many layers the image has at most (default: 64)")
	f.Int(&o.formatVersion, "format-version", "", "1|2", "2: repeat parent directories in each layer (default: 1)")
	f.String(&o.Created, "created", "", "TIME", "Creation time of the image, RFC 3339 (default: the commit's)")
	f.String(&o.Architecture, "arch", "", "ARCH", "Architecture of the image, by Go's name (default: the commit's, else this machine's)")
	f.String(&o.OS, "os", "", "OS", "Operating system of the image (default: linux)")
	o.access.flags(f)
	f.Bool(&o.quiet, "quiet", "", "Show neither progress nor warnings")
	f.Bool(&o.json, "json", "", "Write digest and layers as JSON")
	f.Progress()
}

func (o *encapsulateOptions) run(ctx context.Context, env *cli.Env, args []string) error {
	if len(args) != 2 {
		return cli.Usagef("A REV and an IMAGE must be specified")
	}
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	if image, err := pulledImage(repo, args[0]); image != nil || err != nil {
		if err != nil {
			return err
		}
		return o.push(ctx, env, repo, image, args[1])
	}
	if err := o.complete(); err != nil {
		return err
	}
	result, err := o.encapsulate(ctx, env, repo, args[0], args[1])
	if err != nil {
		return err
	}
	return o.report(env, result)
}

// report prints what was written.
func (o *encapsulateOptions) report(env *cli.Env, result *encapsulate.Result) error {
	for _, path := range result.Whiteouts {
		if !o.quiet {
			env.Warnf("warning: %s: container runtimes take this name for a deletion", path)
		}
	}
	if o.json {
		return env.JSON(resultJSON(result))
	}
	env.Println(result.Digest)
	return nil
}

// pulledImage finds the image that was pulled which a name stands for, and nothing if
// it is a commit's.
func pulledImage(repo *ostreerepo.Repo, name string) (*importer.Stored, error) {
	_, notDigest := oci.ParseDigest(name)
	_, notReference := oci.ParseReference(name)
	if notDigest != nil && notReference != nil {
		return nil, nil
	}
	image, err := findImage(repo, name)
	if none := (*importer.NoImageError)(nil); errors.As(err, &none) {
		return nil, nil
	}
	return image, err
}

// push writes an image that was pulled, which nothing but the place can be chosen of.
func (o *encapsulateOptions) push(ctx context.Context, env *cli.Env, repo *ostreerepo.Repo, image *importer.Stored, to string) error {
	plain := encapsulateOptions{access: o.access, formatVersion: 1, quiet: o.quiet, json: o.json}
	if !reflect.DeepEqual(*o, plain) {
		return cli.Usagef("An image that was pulled is written as it was: options that shape it cannot be used")
	}
	push := pushOptions{access: o.access, quiet: o.quiet, json: o.json}
	return push.push(ctx, env, repo, image, to)
}

// complete turns what the command line says into the library's options.
func (o *encapsulateOptions) complete() (err error) {
	o.Packages = packages.Read
	switch {
	case o.formatVersion != 1 && o.formatVersion != 2:
		return fmt.Errorf("--format-version: %d is neither 1 nor 2", o.formatVersion)
	case o.fast && o.CompressionLevel > 1:
		return errors.New("--compression-fast and --compression-level contradict each other")
	case o.CompressionLevel < 0 || o.CompressionLevel > 9:
		return fmt.Errorf("--compression-level: %d is not between 1 and 9", o.CompressionLevel)
	case o.MaxLayers < 0:
		return fmt.Errorf("--max-layers: %d is negative", o.MaxLayers)
	}
	o.ParentDirs = o.formatVersion == 2
	if o.fast {
		o.CompressionLevel = 1
	}
	if o.Labels, err = parseLabels(o.labels); err != nil {
		return err
	}
	return o.readFiles()
}

func parseLabels(specs []string) (map[string]string, error) {
	labels := map[string]string{}
	for _, spec := range specs {
		key, value, ok := strings.Cut(spec, "=")
		if !ok {
			return nil, fmt.Errorf("Missing '=' in label %s", spec)
		}
		labels[key] = value
	}
	return labels, nil
}

func (o *encapsulateOptions) readFiles() (err error) {
	if o.config != "" {
		if o.BaseConfig, err = os.ReadFile(o.config); err != nil {
			return err
		}
	}
	if o.contentMeta == "" {
		return nil
	}
	data, err := os.ReadFile(o.contentMeta)
	if err != nil {
		return err
	}
	if o.ContentMeta, err = encapsulate.ParseContentMeta(data); err != nil {
		return fmt.Errorf("%s: %w", o.contentMeta, err)
	}
	return nil
}

func (o *encapsulateOptions) encapsulate(ctx context.Context, env *cli.Env, repo *ostreerepo.Repo, rev, image string) (_ *encapsulate.Result, err error) {
	commit, err := repo.Resolve(rev)
	if err != nil {
		return nil, err
	}
	sink, err := o.openSink(ctx, image)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, sink.Close()) }()
	if !o.quiet {
		meter := env.Meter("encapsulate", cli.Bytes)
		defer meter.Done()
		o.Progress = meter.Func()
	}
	return encapsulate.Encapsulate(ctx, repo, commit, sink, o.Options)
}

// jsonResult is what encapsulate prints with --json. Sizes are in bytes.
type jsonResult struct {
	Digest oci.Digest  `json:"digest"`
	Layers []jsonLayer `json:"layers"`
}

type jsonLayer struct {
	Digest       oci.Digest `json:"digest"`
	DiffID       oci.DiffID `json:"diffID"`
	Size         int64      `json:"size"`
	Uncompressed int64      `json:"uncompressed"`
	Name         string     `json:"name"`
	Components   []string   `json:"components,omitempty"`
}

func resultJSON(r *encapsulate.Result) jsonResult {
	j := jsonResult{Digest: r.Digest, Layers: []jsonLayer{}}
	for _, l := range r.Layers {
		j.Layers = append(j.Layers, jsonLayer{
			Digest: l.Descriptor.Digest, DiffID: l.DiffID, Size: l.Descriptor.Size,
			Uncompressed: l.Uncompressed, Name: l.Name, Components: l.Components,
		})
	}
	return j
}
