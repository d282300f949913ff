package importer

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/keyfile"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/ostreetar"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/tree"
	"golang.org/x/sync/errgroup"
)

// filterName says in the metadata of a layer's commit how it was filtered.
func (p *pull) filterName() string {
	if p.keepAll {
		return "all"
	}
	return "usr"
}

// sameFilter reports whether the commit of a derived layer was filtered as this
// image wants it. Those of other programs do not say.
func (p *pull) sameFilter(layer object.Checksum) bool {
	commit, err := p.repo.Commit(layer)
	if err != nil {
		return false
	}
	name := metadataString(commit, keyFilter)
	return name == "" || name == p.filterName()
}

// keepsAll reports whether what a derived layer has outside of /usr, /etc and /var
// is seen on a host: where the image has no commit below, and where that makes the
// root of a host writable or a composefs.
func (p *pull) keepsAll() (bool, error) {
	if p.plan.CommitLayer == nil {
		return true, nil
	}
	commit, err := p.repo.Commit(p.result.Base)
	if err != nil {
		return false, err
	}
	for _, path := range []string{"/usr/etc/ostree/prepare-root.conf", "/usr/lib/ostree/prepare-root.conf"} {
		e, err := p.repo.Lookup(commit.Tree, commit.Meta, path)
		if err != nil || e.Dir {
			continue
		}
		all, err := p.rootIsWhole(e.Checksum)
		if err != nil {
			return false, fmt.Errorf("%s: %w", path, err)
		}
		return all, nil
	}
	return false, nil
}

// maxConfig bounds the size of prepare-root.conf, in bytes.
const maxConfig = 1 << 20

// rootIsWhole reads a prepare-root.conf.
func (p *pull) rootIsWhole(c object.Checksum) (bool, error) {
	f, err := p.repo.OpenFile(c)
	if err != nil {
		return false, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxConfig))
	if err != nil {
		return false, err
	}
	config, err := keyfile.Parse(data)
	if err != nil {
		return false, err
	}
	composefs, _ := config.Value("composefs", "enabled")
	if slices.Contains([]string{"1", "true", "yes", "maybe", "signed", "verity"}, composefs) {
		return true, nil
	}
	return config.Bool("root", "transient", false)
}

// pullDerived brings in derived layers, each as a commit of what is in its tar.
func (p *pull) pullDerived(ctx context.Context, missing []Layer) error {
	ended := make([]chan struct{}, len(p.plan.Derived))
	for i := range ended {
		ended[i] = make(chan struct{})
	}
	first := len(p.plan.Base())
	for _, l := range p.plan.Derived {
		if !slices.ContainsFunc(missing, func(m Layer) bool { return m.Index == l.Index }) {
			close(ended[l.Index-first])
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelLayers)
	for i := range missing {
		l := &missing[i]
		g.Go(func() error {
			at := l.Index - first
			defer close(ended[at])
			below := &below{p: p, layers: p.plan.Derived[:at], ended: ended[:at], ctx: ctx}
			if err := p.derived(ctx, l, below); err != nil {
				return fmt.Errorf("%s: %w", l, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (p *pull) derived(ctx context.Context, l *Layer, below *below) error {
	in, err := oci.OpenLayer(ctx, p.src, l.Descriptor, l.DiffID)
	if err != nil {
		return err
	}
	defer in.Close()
	var dropped map[string]int
	var special []string
	err = p.exactly(ctx, l, func(tx *ostreerepo.Tx, rec *recording) error {
		t := tree.New(tx, tree.Options{})
		rec.bodies, err = t.AddLayer(ctx, in, tree.Layer{Rename: renameEtc, Lower: below.file, Special: p.special(&special), Record: rec})
		if err != nil {
			return err
		}
		if dropped, err = filterLayer(t, p.keepAll); err != nil {
			return err
		}
		c, err := p.putLayer(ctx, tx, t)
		if err != nil {
			return err
		}
		return tx.SetRef(BlobRef(l.Descriptor.Digest), c)
	})
	if err == nil {
		p.note(dropped, special)
	}
	return err
}

// note adds to the result what a layer lost.
func (p *pull) note(dropped map[string]int, special []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, n := range dropped {
		p.result.Filtered[name] += n
	}
	p.result.Special = append(p.result.Special, special...)
	slices.Sort(p.result.Special)
}

// putLayer stores the commit of a derived layer. It is the same whenever it is
// made.
func (p *pull) putLayer(ctx context.Context, tx *ostreerepo.Tx, t *tree.Tree) (object.Checksum, error) {
	contents, meta, err := t.Write(ctx)
	if err != nil {
		return contents, err
	}
	return tx.PutCommit(&object.Commit{
		Metadata: gvariant.NewVardict(
			gvariant.Entry{Key: keyImporter, Value: gvariant.NewString(importerVersion)},
			gvariant.Entry{Key: keyFilter, Value: gvariant.NewString(p.filterName())},
			gvariant.Entry{Key: keyImplied, Value: gvariant.NewStrings(t.Implied())},
		),
		Tree: contents, Meta: meta,
	})
}

// special decides about devices, fifos and sockets outside of the directories that
// are emptied anyway.
func (p *pull) special(left *[]string) func(path string) error {
	return func(path string) error {
		top, _, _ := strings.Cut(path, "/")
		if slices.Contains(emptiedDirs, top) {
			return nil
		}
		if !p.DropSpecial {
			return fmt.Errorf("a repository holds no devices, fifos or sockets")
		}
		*left = append(*left, path)
		return nil
	}
}

// below is what lies below a derived layer. A layer is waited for before it is
// looked at: it was begun earlier, so it does not wait for this one.
type below struct {
	p      *pull
	layers []Layer // derived ones
	ended  []chan struct{}
	ctx    context.Context
}

// file finds what a hard link leads to: an object, when a container build saw the
// repository itself, or a file of a layer below.
func (b *below) file(path string) (object.Checksum, bool) {
	if n, ok := ostreetar.ParseObjectPath(path); ok && n.Type == object.TypeFile {
		has, err := b.p.repo.Has(n)
		return n.Checksum, has && err == nil
	}
	for i, l := range slices.Backward(b.layers) {
		select {
		case <-b.ended[i]:
		case <-b.ctx.Done():
			return object.Checksum{}, false
		}
		c, found, hidden := b.in(&l, path)
		if found || hidden {
			return c, found
		}
	}
	if b.p.result.Base.IsZero() {
		return object.Checksum{}, false
	}
	return b.lookup(b.p.result.Base, path)
}

// in looks into one layer: for the file, and for whiteouts that hide it in those
// below.
func (b *below) in(l *Layer, path string) (c object.Checksum, found, hidden bool) {
	commit, err := b.p.repo.Resolve(BlobRef(l.Descriptor.Digest))
	if err != nil {
		return c, false, true
	}
	if c, found = b.lookup(commit, path); found {
		return c, true, false
	}
	dir := ""
	for name := range strings.SplitSeq(path, "/") {
		for _, whiteout := range []string{".wh." + name, ".wh..wh..opq"} {
			if _, hidden := b.lookup(commit, dir+whiteout); hidden {
				return c, false, true
			}
		}
		dir += name + "/"
	}
	return c, false, false
}

func (b *below) lookup(commit object.Checksum, path string) (object.Checksum, bool) {
	c, err := b.p.repo.Commit(commit)
	if err != nil {
		return object.Checksum{}, false
	}
	e, err := b.p.repo.Lookup(c.Tree, c.Meta, "/"+path)
	return e.Checksum, err == nil && !e.Dir
}
