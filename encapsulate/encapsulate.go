package encapsulate

import (
	"cmp"
	"context"
	"fmt"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/oci"
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

	CompressionLevel int // of gzip, 1 to 9; default 6

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
}

// LayerInfo describes one layer.
type LayerInfo struct {
	Descriptor   oci.Descriptor
	DiffID       oci.DiffID
	Name         string   // as in the image's history
	Components   []string // names; none in the first layer
	Uncompressed int64    // size of the tar, in bytes
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
	progress *progress
}

func encapsulate(ctx context.Context, r *ostreerepo.Repo, sum object.Checksum, sink oci.Sink, o Options) (*Result, error) {
	c, err := readCommit(r, sum)
	if err != nil {
		return nil, err
	}
	e := &encapsulation{ctx: ctx, sink: sink, options: &o, commit: c}
	// What can be wrong with the options comes to light before the long part.
	if e.labels, err = labels(c, &o); err != nil {
		return nil, err
	}
	if e.config, err = imageConfig(c, &o); err != nil {
		return nil, err
	}
	if e.tree, err = readTree(ctx, r, c.Commit); err != nil {
		return nil, err
	}
	chunks, err := e.plan()
	if err != nil {
		return nil, err
	}
	e.progress = newProgress(o.Progress, e.tree)
	layers, err := e.putLayers(chunks)
	if err != nil {
		return nil, err
	}
	digest, err := e.putImage(layers)
	return &Result{Digest: digest, Layers: layers, Whiteouts: e.tree.whiteouts}, err
}

// plan decides about the layers after the first.
func (e *encapsulation) plan() ([]Chunk, error) {
	o := e.options
	if o.ContentMeta != nil {
		chunks := o.ContentMeta.chunks(e.tree)
		if o.MaxLayers != 0 && len(chunks)+1 > o.MaxLayers {
			return nil, fmt.Errorf("content meta asks for %d layers, the maximum is %d", len(chunks)+1, o.MaxLayers)
		}
		return chunks, nil
	}
	var packages []Package
	if o.Packages != nil {
		var err error
		if packages, err = o.Packages(e.ctx, e.tree); err != nil {
			return nil, err
		}
	}
	components, err := e.tree.components(e.ctx, packages)
	if err != nil {
		return nil, err
	}
	return Plan(components, cmp.Or(o.MaxLayers, DefaultMaxLayers))
}
