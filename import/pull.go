package importer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/ostreetar"
	"github.com/treenail/treenail/format/selinux"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/tree"
)

// PullOptions are the choices of Pull.
type PullOptions struct {
	Platform    oci.Platform // which image of an index; zero: Linux on this architecture
	DropSpecial bool         // leave out devices, fifos and sockets, instead of failing
	KeepBlobs   bool         // keep the layers also as they are stored in the image
	Verify      Verify       // must accept the commit before anything is written; nil: all are accepted

	// Progress, if not nil, hears how many bytes of the layers that are fetched
	// were fetched, as stored in the image, and how many there are. One goroutine
	// calls it at a time.
	Progress func(done, total int64)
}

// PullResult says what Pull did.
type PullResult struct {
	Commit    object.Checksum `json:"commit"`        // of the image: what can be deployed
	Base      object.Checksum `json:"base,omitzero"` // the commit that was encapsulated; zero: none
	Digest    oci.Digest      `json:"digest"`        // of the manifest
	Unchanged bool            `json:"unchanged"`     // the image was there
	Fetched   int             `json:"layersFetched"` // layers that were not there
	Present   int             `json:"layersPresent"` // layers that were
	Bytes     int64           `json:"bytesFetched"`  // of the fetched layers, as stored in the image
	Filtered  map[string]int  `json:"filtered"`      // files left out of derived layers, by where they were
	Special   []string        `json:"special"`       // devices and the like that were left out

	// Unrecognized are layers that were fetched and can't be given back as they
	// were, because what compressed them is not known, see Export.
	Unrecognized []oci.Digest `json:"unrecognized"`
}

// Pull brings any image into a repository, as ostree-ext stores images: a commit
// and a ref for each layer, and for the image itself a commit with the layers laid
// over each other, whose parent is the encapsulated one and whose metadata has
// manifest and config. Layers that the repository has are not fetched again. Each
// layer counts when it is complete, so that a pull that was interrupted goes on
// where it was.
func Pull(ctx context.Context, src oci.Source, r *ostreerepo.Repo, ref oci.Reference, o PullOptions) (*PullResult, error) {
	if ref.Scheme == oci.SchemeRemote && o.Verify == nil {
		return nil, fmt.Errorf("%s: no verification by the keys of the remote was given", ref)
	}
	img, err := oci.ReadImage(ctx, src, o.Platform)
	if err != nil {
		return nil, err
	}
	plan, err := NewPlan(img.Manifest, img.Config)
	if err != nil {
		return nil, imageError(img, err)
	}
	if err := plan.verify(ctx, src, o.Verify); err != nil {
		return nil, imageError(img, err)
	}
	p := &pull{PullOptions: o, src: newCopySource(src, r, o.KeepBlobs), repo: r, img: img, plan: plan, result: &PullResult{Digest: img.Digest, Filtered: map[string]int{}}}
	if there, err := p.alreadyThere(ImageRef(ref)); there || err != nil {
		return p.result, err
	}
	if err := p.run(ctx, ImageRef(ref)); err != nil {
		return nil, imageError(img, err)
	}
	return p.result, nil
}

// pull is one Pull.
type pull struct {
	PullOptions
	src    *copySource
	repo   *ostreerepo.Repo
	img    *oci.Image
	plan   *Plan
	result *PullResult

	programs oci.Recognizer

	keepAll bool       // derived layers keep directories of any name at the top
	mu      sync.Mutex // guards result
}

// alreadyThere reports whether the image's ref leads to this very image.
func (p *pull) alreadyThere(ref string) (bool, error) {
	c, err := p.repo.Resolve(ref)
	if errors.Is(err, ostreerepo.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	commit, err := p.repo.Commit(c)
	if err != nil {
		return false, nil // a damaged image is pulled again
	}
	if metadataString(commit, keyDigest) != string(p.img.Digest) {
		return false, nil
	}
	if p.Verify != nil && commit.Parent != p.plan.Commit {
		return false, imageError(p.img, fmt.Errorf("commit in the repository is %s, but %s was verified", commit.Parent, p.plan.Commit))
	}
	p.result.Commit, p.result.Base, p.result.Unchanged = c, commit.Parent, true
	p.result.Present = len(p.plan.Layers())
	return true, nil
}

func (p *pull) run(ctx context.Context, ref string) error {
	base, err := p.missing(p.plan.Base(), nil)
	if err != nil {
		return err
	}
	derived, err := p.missing(p.plan.Derived, nil)
	if err != nil {
		return err
	}
	m := &meter{report: p.Progress, total: sizeOf(base) + sizeOf(derived)}
	p.src.Source = meteredSource{p.src.Source, m}
	if err := p.pullBase(ctx, base); err != nil {
		return err
	}
	if p.keepAll, err = p.keepsAll(); err != nil {
		return err
	}
	if derived, err = p.missing(p.plan.Derived, p.sameFilter); err != nil {
		return err
	}
	m.total = sizeOf(base) + sizeOf(derived)
	if err := p.pullDerived(ctx, derived); err != nil {
		return err
	}
	p.result.Fetched = len(base) + len(derived)
	p.result.Present = len(p.plan.Layers()) - p.result.Fetched
	p.result.Bytes = m.total
	return p.publish(ctx, ref)
}

// missing sorts out the layers that the repository lacks, or has in a form that is
// of no use.
func (p *pull) missing(layers []Layer, useful func(layer object.Checksum) bool) ([]Layer, error) {
	var missing []Layer
	for _, l := range layers {
		c, err := p.repo.Resolve(BlobRef(l.Descriptor.Digest))
		if err != nil && !errors.Is(err, ostreerepo.ErrNotFound) {
			return nil, err
		}
		if err != nil || useful != nil && !useful(c) {
			missing = append(missing, l)
		}
	}
	return missing, nil
}

// publish makes the commit of the image, and its ref. Where the image has an SELinux
// policy and derived layers, which come without labels, the commit is made a second
// time with labels.
func (p *pull) publish(ctx context.Context, ref string) error {
	return p.repo.Update(ctx, ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		t, err := p.merge(tx)
		if err != nil {
			return err
		}
		if err := p.commit(ctx, tx, t); err != nil {
			return err
		}
		policy, err := p.policy(tx.View())
		if err != nil {
			return err
		}
		if policy.Name() != "" {
			t := tree.New(tx, tree.Options{Label: policy.LabelDeployed})
			if err := t.AddCommit(ctx, p.result.Commit); err != nil {
				return err
			}
			if err := p.commit(ctx, tx, t); err != nil {
				return err
			}
		}
		if err := putExactImage(tx, p.img); err != nil {
			return err
		}
		return tx.SetRef(ref, p.result.Commit)
	})
}

// policy is the SELinux policy in the image, nameless where labels are of no use.
func (p *pull) policy(r *ostreerepo.Repo) (*selinux.Policy, error) {
	if len(p.plan.Derived) == 0 || r.DisableXattrs() || r.Mode() == ostreerepo.ModeBareUserOnly {
		return &selinux.Policy{}, nil
	}
	files, err := r.FS(p.result.Commit)
	if err != nil {
		return nil, err
	}
	dir, err := fs.Sub(files, "usr/etc/selinux")
	if err != nil {
		return nil, err
	}
	policy, err := selinux.LoadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("SELinux policy of the image: %w", err)
	}
	return policy, nil
}

// pullBase brings in layers of the commit.
func (p *pull) pullBase(ctx context.Context, missing []Layer) error {
	if p.plan.CommitLayer == nil {
		return nil
	}
	in := newIngest(p.src, p.plan.Commit)
	err := in.layers(ctx, missing, func(ctx context.Context, l *Layer) error {
		return p.exactly(ctx, l, func(tx *ostreerepo.Tx, rec *recording) error {
			to := &intake{Layer: l, tx: tx, rec: rec}
			if err := in.layer(ctx, to); err != nil {
				return err
			}
			rec.bodies = to.bodies
			return in.publishLayer(to)
		})
	})
	if err != nil {
		return err
	}
	return p.completeBase(ctx, in.inventory)
}

// publishLayer gives a layer its commit and ref. The commit of the image counts as
// partial until all chunks are there.
func (in *ingest) publishLayer(l *intake) (err error) {
	c := in.found
	if l.Kind == KindOSTree {
		l.tx.MarkPartial(c)
	} else if c, err = putObjectSet(l.tx, l.contents); err != nil {
		return err
	}
	return l.tx.SetRef(BlobRef(l.Descriptor.Digest), c)
}

// completeBase checks that all of the commit is there, and unmarks it.
func (p *pull) completeBase(ctx context.Context, v *inventory) error {
	base, err := p.repo.Resolve(BlobRef(p.plan.CommitLayer.Descriptor.Digest))
	if err != nil {
		return err
	}
	p.result.Base = base
	if want := p.plan.Commit; !want.IsZero() && base != want {
		return fmt.Errorf("commit is %s, but label %s promises %s", base, ostreetar.LabelCommit, want)
	}
	if partial, err := p.repo.Partial(base); !partial || err != nil {
		return err
	}
	commit, err := p.repo.Commit(base)
	if err != nil {
		return err
	}
	return p.repo.Update(ctx, ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		if err := v.check(tx, base, commit); err != nil {
			return err
		}
		tx.UnmarkPartial(base)
		return nil
	})
}

// putObjectSet stores the commit that holds a chunk: a directory of its objects.
func putObjectSet(tx *ostreerepo.Tx, contents []object.Checksum) (object.Checksum, error) {
	dir, err := putObjects(tx, contents)
	if err != nil {
		return dir, err
	}
	meta, err := putPlainMeta(tx)
	if err != nil {
		return meta, err
	}
	return tx.PutCommit(&object.Commit{Metadata: gvariant.NewVardict(), Tree: dir, Meta: meta})
}

// Keys in the metadata of the commits of images and layers. Those of ostree-ext
// are what bootc and rpm-ostree look at.
const (
	keyDigest   = "ostree.manifest-digest"
	keyManifest = "ostree.manifest"
	keyConfig   = "ostree.container.image-config"
	keyImporter = "ostree.importer.version"
	keyFilter   = "treenail.filter"       // how a derived layer was filtered
	keyImplied  = "treenail.implied-dirs" // directories that a derived layer has no entry for
)

const importerVersion = "treenail"

func metadataString(c *object.Commit, key string) string {
	v, ok := c.Metadata.Lookup(key)
	if !ok || v.Type() != "s" {
		return ""
	}
	return v.Str()
}

// merge lays the layers over each other.
func (p *pull) merge(tx *ostreerepo.Tx) (*tree.Tree, error) {
	t := tree.New(tx, tree.Options{})
	if !p.result.Base.IsZero() {
		if err := t.AddBase(p.result.Base); err != nil {
			return nil, err
		}
	}
	for _, l := range p.plan.Derived {
		if err := p.overlay(t, &l); err != nil {
			return nil, fmt.Errorf("%s: %w", &l, err)
		}
	}
	return t, p.removeInjected(t)
}

// commit stores a tree as the commit of the image.
func (p *pull) commit(ctx context.Context, tx *ostreerepo.Tx, t *tree.Tree) error {
	contents, meta, err := t.Write(ctx)
	if err != nil {
		return err
	}
	metadata, err := p.metadata()
	if err != nil {
		return err
	}
	p.result.Commit, err = tx.PutCommit(&object.Commit{
		Metadata: metadata, Parent: p.result.Base, Timestamp: p.timestamp(), Tree: contents, Meta: meta,
	})
	return err
}

// overlay lays the commit of a derived layer over the tree.
func (p *pull) overlay(t *tree.Tree, l *Layer) error {
	c, err := p.repo.Resolve(BlobRef(l.Descriptor.Digest))
	if err != nil {
		return err
	}
	commit, err := p.repo.Commit(c)
	if err != nil {
		return err
	}
	return t.AddOverlay(c, implied(commit))
}

// removeInjected removes files that buildah leaves empty in images for what it
// mounts there.
func (p *pull) removeInjected(t *tree.Tree) error {
	if len(p.plan.Derived) == 0 {
		return nil
	}
	for _, path := range []string{"usr/etc/hostname", "usr/etc/resolv.conf"} {
		c, ok, err := t.File(path)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		h, size, err := p.repo.Stat(c)
		if err != nil {
			return err
		}
		if size == 0 && !h.IsSymlink() {
			if _, err := t.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *pull) metadata() (gvariant.Value, error) {
	manifest, err := oci.CanonicalJSON(json.RawMessage(p.img.RawManifest))
	if err != nil {
		return gvariant.Value{}, err
	}
	config, err := oci.CanonicalJSON(json.RawMessage(p.img.RawConfig))
	if err != nil {
		return gvariant.Value{}, err
	}
	text := func(key, value string) gvariant.Entry {
		return gvariant.Entry{Key: key, Value: gvariant.NewString(value)}
	}
	return gvariant.NewVardict(
		text(keyDigest, string(p.img.Digest)), text(keyManifest, string(manifest)),
		text(keyConfig, string(config)), text(keyImporter, importerVersion),
	), nil
}

// timestamp is when the image was made, as far as it says that.
func (p *pull) timestamp() uint64 {
	for _, s := range []string{p.img.Manifest.Annotations["org.opencontainers.image.created"], p.img.Config.Created} {
		if t, err := time.Parse(time.RFC3339, s); err == nil && t.Unix() >= 0 {
			return uint64(t.Unix())
		}
	}
	return 0
}
