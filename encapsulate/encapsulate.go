package encapsulate

import (
	"cmp"
	"context"
	"fmt"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/oci/layercache"
	"github.com/treenail/treenail/ostreerepo"
)

// DefaultMaxLayers is the number of layers an image has at most by default.
const DefaultMaxLayers = 64

// Options say how to encapsulate. The zero value makes a split image of what
// user.component xattrs and initramfs files tell, and one layer of the rest; a
// reader of package databases makes the difference.
type Options struct {
	// MaxLayers bounds the number of layers, the first included. Zero means
	// DefaultMaxLayers, and no bound with ContentMeta, which then says it all.
	MaxLayers int

	// Packages returns the packages installed in a tree; Read of the child
	// package packages is one. Nil: none.
	Packages func(context.Context, *Tree) ([]Package, error)

	// ContentMeta says explicitly what goes into which layer. Packages, xattrs
	// and initramfs files don't count then.
	ContentMeta *ContentMeta

	// Previous is the image that clients have now: what it had in a layer stays
	// together. Nil: the plan is made without memory. It does not count with
	// ContentMeta.
	Previous *Previous

	Labels     map[string]string // added to those made from the commit, and win over them
	BaseConfig []byte            // JSON: an image config or the member "config" of one; nil: empty

	Cmd         []string // default: metadata "ostree.container-cmd" of the commit, else BaseConfig
	CopyMeta    []string // keys of commit metadata, strings, that become labels; must exist
	CopyMetaOpt []string // the same, need not exist

	Created      string // creation time, RFC 3339; default: that of the ContentMeta, else of the commit
	Architecture string // Go's name; default: BaseConfig, else the commit's "ostree.architecture", else this machine's
	OS           string // default: BaseConfig, else linux

	// ParentDirs repeats in each layer the directories on the way to its files
	// (rpm-ostree's format version 2). Other programs that unpack single layers
	// then see their modes. It changes all diffIDs.
	ParentDirs bool

	// Annotations are added to the manifest's, which are the labels made from the
	// commit and those of Labels, and win over them.
	Annotations map[string]string

	Compression oci.Compression // of the layers; default: gzip at level 6

	// Cache has layers that were made before, and gets those that are made. Nil:
	// all layers are made.
	Cache *layercache.Cache

	// Progress is told how many bytes of file content have been written, from
	// one goroutine at a time.
	Progress func(done, total int64)
}

// Result describes the image that was written.
type Result struct {
	Digest oci.Digest // of the manifest
	Layers []LayerInfo

	// Whiteouts are paths of the commit that begin with ".wh.": they are in the
	// image as they are, and a container runtime takes them for deletions.
	Whiteouts []string

	// PreviousUnused says why Options.Previous had no say in the plan; it is
	// empty if it had, or there was none.
	PreviousUnused string
}

// LayerInfo describes one layer.
type LayerInfo struct {
	Descriptor   oci.Descriptor
	DiffID       oci.DiffID
	Name         string   // as in the image's history
	Components   []string // names; none in the first layer
	Uncompressed int64    // size of the tar, in bytes
	Reused       bool     // the sink had it, or the cache
}

// Encapsulate writes a commit as an image to sink. The layers are written in
// parallel and in one pass each; then come the config and, last, the manifest,
// before which there is no image to see. Every object is verified while it is
// read. The sink remains the caller's to close.
//
// The same commit and options give the same digest on every machine, whatever
// the mode of the repository. (Without an architecture in options or commit,
// it depends on the machine's.)
func Encapsulate(ctx context.Context, r *ostreerepo.Repo, commit object.Checksum, sink oci.Sink, o Options) (*Result, error) {
	result, err := encapsulate(ctx, r, commit, sink, o)
	if err != nil {
		return nil, fmt.Errorf("encapsulate commit %s: %w", commit, err)
	}
	return result, nil
}

// encapsulation is one run of Encapsulate.
type encapsulation struct {
	ctx      context.Context
	sink     oci.Sink
	options  *Options
	commit   *commit
	tree     *Tree
	labels   map[string]string
	config   *oci.Config
	unused   string // Result.PreviousUnused
	progress *progress
}

func encapsulate(ctx context.Context, r *ostreerepo.Repo, sum object.Checksum, sink oci.Sink, o Options) (*Result, error) {
	e, layers, err := prepare(ctx, r, sum, o)
	if err != nil {
		return nil, err
	}
	e.sink = sink
	if err := e.each(layers, e.putLayer); err != nil {
		return nil, err
	}
	result := &Result{Whiteouts: e.tree.whiteouts, PreviousUnused: e.unused}
	for _, l := range layers {
		result.Layers = append(result.Layers, l.LayerInfo)
	}
	result.Digest, err = e.putImage(result.Layers)
	return result, err
}

// prepare does all that comes before the first layer is written.
func prepare(ctx context.Context, r *ostreerepo.Repo, sum object.Checksum, o Options) (*encapsulation, []*layer, error) {
	c, err := readCommit(r, sum)
	if err != nil {
		return nil, nil, err
	}
	e := &encapsulation{ctx: ctx, options: &o, commit: c}
	// What can be wrong with the options comes to light before the long part.
	if o.Compression, err = o.Compression.Complete(); err != nil {
		return nil, nil, err
	}
	if e.labels, err = labels(c, &o); err != nil {
		return nil, nil, err
	}
	if e.config, err = imageConfig(c, &o); err != nil {
		return nil, nil, err
	}
	if e.tree, err = readTree(ctx, r, c.Commit); err != nil {
		return nil, nil, err
	}
	chunks, unused, err := e.plan()
	if err != nil {
		return nil, nil, err
	}
	e.unused = unused
	e.progress = newProgress(o.Progress, e.tree)
	return e, e.layers(chunks), nil
}

// plan decides about the layers after the first.
func (e *encapsulation) plan() (_ []Chunk, unused string, err error) {
	o := e.options
	if o.ContentMeta != nil {
		chunks := o.ContentMeta.chunks(e.tree)
		if o.MaxLayers != 0 && len(chunks)+1 > o.MaxLayers {
			return nil, "", fmt.Errorf("content meta asks for %d layers, the maximum is %d", len(chunks)+1, o.MaxLayers)
		}
		return chunks, "", nil
	}
	var packages []Package
	if o.Packages != nil {
		if packages, err = o.Packages(e.ctx, e.tree); err != nil {
			return nil, "", err
		}
	}
	components, err := e.tree.components(e.ctx, packages)
	if err != nil {
		return nil, "", err
	}
	return Plan(components, cmp.Or(o.MaxLayers, DefaultMaxLayers), o.Previous)
}
