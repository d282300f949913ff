package ostree

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/composefs"
)

// addMetadata collects what the command line says about the metadata: strings
// first, then other values, then those kept from the parent. The order is
// libostree's, because the checksum depends on it.
func (c *committer) addMetadata() error {
	entries, err := stringEntries(c.metadataStrings)
	if err != nil {
		return err
	}
	for _, spec := range c.metadata {
		entry, err := variantEntry(spec)
		if err != nil {
			return err
		}
		entries = append(entries, entry)
	}
	kept, err := c.keptMetadata()
	if err != nil {
		return err
	}
	entries = append(entries, kept...)
	if slices.ContainsFunc(entries, func(e gvariant.Entry) bool { return e.Key == "" }) {
		return errors.New("Empty metadata key")
	}
	c.commit.Metadata = gvariant.NewVardict(entries...)
	return nil
}

func stringEntries(specs []string) ([]gvariant.Entry, error) {
	var entries []gvariant.Entry
	for _, spec := range specs {
		key, value, err := splitKeyValue(spec)
		if err != nil {
			return nil, err
		}
		entries = append(entries, gvariant.Entry{Key: key, Value: gvariant.NewString(value)})
	}
	return entries, nil
}

func splitKeyValue(spec string) (key, value string, err error) {
	key, value, ok := strings.Cut(spec, "=")
	if !ok {
		return "", "", fmt.Errorf("Missing '=' in KEY=VALUE metadata '%s'", spec)
	}
	return key, value, checkText(key, value)
}

func variantEntry(spec string) (gvariant.Entry, error) {
	key, text, err := splitKeyValue(spec)
	if err != nil {
		return gvariant.Entry{}, err
	}
	value, err := gvariant.Parse("", text)
	if err != nil {
		return gvariant.Entry{}, fmt.Errorf("Parsing %s: %w", spec, err)
	}
	return gvariant.Entry{Key: key, Value: value}, nil
}

func (c *committer) keptMetadata() ([]gvariant.Entry, error) {
	if len(c.keepMetadata) == 0 {
		return nil, nil
	}
	if c.parentCommit == nil {
		return nil, errors.New("Either --branch or --parent must be specified when using --keep-metadata")
	}
	var entries []gvariant.Entry
	for _, key := range c.keepMetadata {
		value, ok := c.parentCommit.Metadata.Lookup(key)
		if !ok {
			return nil, fmt.Errorf("Missing metadata key '%s' from commit '%s'", key, c.commit.Parent)
		}
		entries = append(entries, gvariant.Entry{Key: key, Value: value})
	}
	return entries, nil
}

func (c *committer) addDetached() error {
	entries, err := stringEntries(c.detachedStrings)
	c.detached = gvariant.NewVardict(entries...)
	return err
}

// addTreeMetadata adds the refs that the commit is bound to, and what is known
// only when the tree is: the kernel, the image's digest and the objects' sizes. The
// tree is read from repo, the view of the transaction.
func (c *committer) addTreeMetadata(ctx context.Context, repo *ostreerepo.Repo) error {
	entries := entriesOf(c.commit.Metadata)
	if !c.noBindings {
		entries = append(entries, c.bindings()...)
	}
	if c.bootable {
		kernel, err := repo.KernelVersion(c.commit.Tree, c.commit.Meta)
		if err != nil {
			return err
		}
		entries = gvariant.DictOrder(append(entries,
			gvariant.Entry{Key: "ostree.bootable", Value: gvariant.NewBool(true)},
			gvariant.Entry{Key: "ostree.linux", Value: gvariant.NewString(kernel)}))
	}
	if c.composefs {
		digest, err := composefs.Digest(ctx, repo, c.commit.Tree, c.commit.Meta, composefs.Options{})
		if err != nil {
			return err
		}
		entry := gvariant.Entry{Key: composefs.DigestKey, Value: gvariant.NewBytes(digest[:])}
		entries = gvariant.DictOrder(append(entries, entry))
	}
	if c.sizes && c.repo.Mode() == ostreerepo.ModeArchive { // as in ostree: other modes store no sizes worth noting
		sizes, err := repo.TreeSizes(c.commit.Tree, c.commit.Meta)
		if err != nil {
			return err
		}
		entries = append(entries, gvariant.Entry{Key: object.SizesKey, Value: object.EncodeSizes(sizes)})
	}
	c.commit.Metadata = gvariant.NewVardict(entries...)
	return nil
}

func entriesOf(dict gvariant.Value) []gvariant.Entry {
	var entries []gvariant.Entry
	for i := range dict.Len() {
		e := dict.At(i)
		entries = append(entries, gvariant.Entry{Key: e.At(0).Str(), Value: e.At(1).Variant()})
	}
	return entries
}

// bindings names the refs, and the collection, that the commit is made for.
func (c *committer) bindings() []gvariant.Entry {
	refs := slices.Clone(c.bindRefs)
	if c.branch != "" {
		refs = append(refs, c.branch)
	}
	slices.Sort(refs)
	entries := []gvariant.Entry{{Key: ostreerepo.RefBindingKey, Value: gvariant.NewStrings(refs)}}
	_, given := c.commit.Metadata.Lookup(ostreerepo.CollectionBindingKey)
	if id := c.repo.CollectionID(); id != "" && !given {
		entries = append(entries, gvariant.Entry{Key: ostreerepo.CollectionBindingKey, Value: gvariant.NewString(id)})
	}
	return entries
}
