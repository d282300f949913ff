package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/encapsulate"
	"github.com/treenail/treenail/encapsulate/packages"
	importer "github.com/treenail/treenail/import"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/oci/layercache"
	"github.com/treenail/treenail/ostreerepo"
)

func encapsulateCommand() *cli.Command {
	o := encapsulateOptions{formatVersion: 1}
	return &cli.Command{
		Name: "encapsulate", Aliases: []string{"export"}, Args: "REV IMAGE",
		Summary: "Write a commit as a container image (also: export)",
		Details: "Content is split into layers by the packages that own it, as far as the tree\n" +
			"has a dpkg, rpm, apk or pacman database, user.component attributes or --contentmeta says so.\n" +
			"The digest of the image's manifest is printed.",
		Flags: o.flags,
		Run:   o.run,
	}
}

type encapsulateOptions struct {
	access
	encapsulate.Options
	labels        []string
	annotations   []string
	config        string
	contentMeta   string
	previous      string
	compression   string
	fast          bool
	formatVersion int
	cacheDir      string
	noCache       bool
	quiet, json   bool
}

func (o *encapsulateOptions) flags(f *cli.Flags) {
	f.Strings(&o.labels, "label", "l", "KEY=VALUE", "Add a label to the image")
	f.Strings(&o.annotations, "annotation", "", "KEY=VALUE", "Add an annotation to the manifest")
	f.String(&o.config, "config", "", "FILE", "Image configuration (JSON) to begin with")
	f.Strings(&o.CopyMeta, "copymeta", "", "KEY", "Make a label of this key of the commit's metadata, which must exist")
	f.Strings(&o.CopyMetaOpt, "copymeta-opt", "", "KEY", "The same for a key that need not exist")
	f.Strings(&o.Cmd, "cmd", "", "ARG", "Command that a container of the image runs; repeat for its arguments")
	f.String(&o.Created, "created", "", "TIME", "Creation time of the image, RFC 3339 (default: the commit's)")
	f.String(&o.Architecture, "arch", "", "ARCH", "Architecture of the image, by Go's name (default: the commit's, else this machine's)")
	f.String(&o.OS, "os", "", "OS", "Operating system of the image (default: linux)")
	o.layerFlags(f)
	o.access.flags(f)
	f.Bool(&o.quiet, "quiet", "", "Show neither progress nor warnings")
	f.Bool(&o.json, "json", "", "Write digest and layers as JSON")
	f.Progress()
}

// layerFlags are the options that make a difference to layers.
func (o *encapsulateOptions) layerFlags(f *cli.Flags) {
	f.String(&o.previous, "previous", "", "IMAGE|FILE", "Image that clients have, or its manifest: what it has in a layer stays together")
	f.String(&o.contentMeta, "contentmeta", "", "FILE", "Which object belongs to which layer (JSON, as ostree-ext and rechunk have it)")
	f.Int(&o.MaxLayers, "max-layers", "", "N", "How many layers the image has at most (default: 64)")
	f.Int(&o.formatVersion, "format-version", "", "1|2", "2: repeat parent directories in each layer (default: 1)")
	f.String(&o.compression, "compression", "", "FORMAT", "How layers are compressed: gzip (default), zstd, zstd:chunked or none")
	f.Int(&o.Compression.Level, "compression-level", "", "N", "How hard: gzip 1 to 9 (default: 6), zstd 1 to 22 (default: 3)")
	f.Bool(&o.fast, "compression-fast", "", "Compress quickly: the same as --compression-level=1")
	f.String(&o.cacheDir, "layer-cache", "", "DIR", "Where layers are kept that need not be made again (default: treenail/layers in the user's cache)")
	f.Bool(&o.noCache, "no-layer-cache", "", "Make all layers, and keep none")
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
	done, err := o.complete(ctx)
	if err != nil {
		return err
	}
	defer done()
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
	o.warnUnused(env, result.PreviousUnused)
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

// complete turns what the command line says into the library's options. The
// caller calls done when the layers are written.
func (o *encapsulateOptions) complete(ctx context.Context) (done func(), err error) {
	o.Packages = packages.Read
	o.Compression.Format = oci.Format(o.compression)
	switch {
	case o.formatVersion != 1 && o.formatVersion != 2:
		return nil, fmt.Errorf("--format-version: %d is neither 1 nor 2", o.formatVersion)
	case o.fast && o.Compression.Level > 1:
		return nil, errors.New("--compression-fast and --compression-level contradict each other")
	case o.noCache && o.cacheDir != "":
		return nil, errors.New("--no-layer-cache and --layer-cache contradict each other")
	case o.MaxLayers < 0:
		return nil, fmt.Errorf("--max-layers: %d is negative", o.MaxLayers)
	}
	o.ParentDirs = o.formatVersion == 2
	if o.fast {
		o.Compression.Level = 1
	}
	if o.Compression, err = o.Compression.Complete(); err != nil {
		return nil, err
	}
	if o.Labels, err = parsePairs("label", o.labels); err != nil {
		return nil, err
	}
	if o.Annotations, err = parsePairs("annotation", o.annotations); err != nil {
		return nil, err
	}
	if err := o.readFiles(); err != nil {
		return nil, err
	}
	if err := o.readPrevious(ctx); err != nil {
		return nil, err
	}
	return o.openCache()
}

// openCache opens the cache of layers. Without a home of the user there is none.
func (o *encapsulateOptions) openCache() (done func(), err error) {
	dir := o.cacheDir
	if user, err := os.UserCacheDir(); dir == "" && err == nil {
		dir = filepath.Join(user, "treenail", "layers")
	}
	if o.noCache || dir == "" {
		return func() {}, nil
	}
	o.Cache, err = layercache.Open(dir, 0)
	if err != nil && o.cacheDir == "" {
		o.Cache = nil // nobody asked for it
		return func() {}, nil
	}
	if err != nil {
		return nil, err
	}
	return func() { o.Cache.Close() }, nil // what it leaves too large it shrinks next time
}

// readPrevious reads the image that clients have, or a file with its manifest.
func (o *encapsulateOptions) readPrevious(ctx context.Context) (err error) {
	if o.previous == "" {
		return nil
	}
	ref, err := oci.ParseReference(o.previous)
	if err != nil {
		data, fileErr := os.ReadFile(o.previous)
		if fileErr != nil {
			return fmt.Errorf("--previous: neither an image (%w) nor a manifest (%w)", err, fileErr)
		}
		if o.Previous, err = encapsulate.ParsePrevious(data); err != nil {
			return fmt.Errorf("%s: %w", o.previous, err)
		}
		return nil
	}
	src, err := o.openSource(ctx, ref)
	if err != nil {
		return err
	}
	defer src.Close()
	image, err := oci.ReadImage(ctx, src, oci.Platform{OS: o.OS, Architecture: o.Architecture})
	if err != nil {
		return err
	}
	o.Previous = encapsulate.NewPrevious(image)
	return nil
}

func (o *encapsulateOptions) warnUnused(env *cli.Env, reason string) {
	if reason != "" && !o.quiet {
		env.Warnf("warning: %s says nothing about the layers: %s", o.previous, reason)
	}
}

func parsePairs(what string, specs []string) (map[string]string, error) {
	pairs := map[string]string{}
	for _, spec := range specs {
		key, value, ok := strings.Cut(spec, "=")
		if !ok {
			return nil, fmt.Errorf("Missing '=' in %s %s", what, spec)
		}
		pairs[key] = value
	}
	return pairs, nil
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
	defer o.meter(env, "encapsulate")()
	return encapsulate.Encapsulate(ctx, repo, commit, sink, o.Options)
}

// meter shows progress until done is called.
func (o *encapsulateOptions) meter(env *cli.Env, operation string) (done func()) {
	if o.quiet {
		return func() {}
	}
	meter := env.Meter(operation, cli.Bytes)
	o.Progress = meter.Func()
	return meter.Done
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
	Reused       bool       `json:"reused"` // it was there, or in the cache
	Name         string     `json:"name"`
	Components   []string   `json:"components,omitempty"`
}

func resultJSON(r *encapsulate.Result) jsonResult {
	j := jsonResult{Digest: r.Digest, Layers: []jsonLayer{}}
	for _, l := range r.Layers {
		j.Layers = append(j.Layers, jsonLayer{
			Digest: l.Descriptor.Digest, DiffID: l.DiffID, Size: l.Descriptor.Size,
			Uncompressed: l.Uncompressed, Reused: l.Reused, Name: l.Name, Components: l.Components,
		})
	}
	return j
}
