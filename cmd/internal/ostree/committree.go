package ostree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/tree"
)

// source is one --tree: its type and what it names.
type source struct {
	kind   string          // "dir", "tar" or "ref"
	name   string          // path or rev
	commit object.Checksum // of a ref
}

// sources are what a commit's tree is made of.
type sources struct {
	base    *object.Checksum
	list    []source
	options tree.Options
}

func (c *committer) prepareSources(ctx context.Context) error {
	if c.base != "" {
		base, err := c.repo.Resolve(c.base)
		if err != nil {
			return err
		}
		c.sources.base = &base
	}
	for _, spec := range c.trees {
		s, err := c.parseSource(spec)
		if err != nil {
			return err
		}
		c.sources.list = append(c.sources.list, s)
	}
	return c.treeOptions(ctx)
}

func (c *committer) parseSource(spec string) (source, error) {
	kind, name, ok := strings.Cut(spec, "=")
	if !ok {
		return source{}, fmt.Errorf("Missing type in tree specification '%s'", spec)
	}
	s := source{kind: kind, name: name}
	var err error
	switch kind {
	case "dir", "tar":
	case "ref":
		s.commit, err = c.repo.Resolve(name)
	default:
		err = fmt.Errorf("Invalid tree type specification '%s'", kind)
	}
	return s, err
}

// treeOptions turns the command line's options into those of the library.
func (c *committer) treeOptions(ctx context.Context) (err error) {
	t := &c.sources.options
	*t = tree.Options{
		UID: owner(c.ownerUID), GID: owner(c.ownerGID),
		CanonicalPermissions: c.canonical, NoXattrs: c.noXattrs, ReadOnlyExecutables: c.readOnlyExecutables,
		Consume: c.consume, CountStored: c.sizes, DevInoCanonical: c.devinoCanonical, TarAutocreateParents: c.tarParents,
	}
	if t.StatOverride, err = parseFile(c.statoverride, tree.ParseStatOverride); err != nil {
		return err
	}
	if t.SkipList, err = parseFile(c.skipList, tree.ParseSkipList); err != nil {
		return err
	}
	if t.Label, err = c.label(); err != nil {
		return err
	}
	isTar := func(s source) bool { return s.kind == "tar" }
	if c.tarFilter != "" && slices.ContainsFunc(c.sources.list, isTar) {
		if t.TarPathFilter, err = tree.ParsePathFilter(c.tarFilter); err != nil {
			return err
		}
	}
	if c.linkSpeedup || c.devinoCanonical {
		t.DevIno, err = c.repo.ScanHardlinks(ctx)
	}
	return err
}

// owner is an id given on the command line; a negative one is none.
func owner(id int) *uint32 {
	if id < 0 {
		return nil
	}
	u := uint32(id)
	return &u
}

// parseFile reads a file of rules; no path is no rules.
func parseFile[T any](path string, parse func(io.Reader) (*T, error)) (*T, error) {
	if path == "" {
		return nil, nil
	}
	f, err := openFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return parse(f)
}

// writeTree lays the sources over each other and writes the directories.
func (c *committer) writeTree(ctx context.Context, tx *ostreerepo.Tx) (err error) {
	meter := c.env.Meter("commit", cli.Bytes)
	defer meter.Done()
	c.sources.options.Progress = meter.Func()
	t := tree.New(tx, c.sources.options)
	if c.sources.base != nil {
		if err := t.AddBase(*c.sources.base); err != nil {
			return err
		}
	}
	for _, s := range c.sources.list {
		if err := c.addSource(ctx, t, s); err != nil {
			return err
		}
	}
	if err := c.checkRulesMatched(); err != nil {
		return err
	}
	c.commit.Tree, c.commit.Meta, err = t.Write(ctx)
	return err
}

func (c *committer) addSource(ctx context.Context, t *tree.Tree, s source) error {
	switch {
	case s.kind == "dir":
		return t.AddDir(ctx, s.name)
	case s.kind == "ref":
		return t.AddCommit(ctx, s.commit)
	case s.name == "-":
		return t.AddTar(ctx, c.env.Stdin)
	}
	f, err := os.Open(s.name)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := t.AddTar(ctx, f); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return nil
}

// checkRulesMatched makes an error of rules that no file met.
func (c *committer) checkRulesMatched() error {
	if s := c.sources.options.StatOverride; s != nil && len(s.Unmatched()) > 0 {
		for _, path := range s.Unmatched() {
			c.env.Warnf("Unmatched statoverride path: %s", path)
		}
		return errors.New("Unmatched statoverride paths")
	}
	if s := c.sources.options.SkipList; s != nil && len(s.Unmatched()) > 0 {
		for _, path := range s.Unmatched() {
			c.env.Warnf("Unmatched skip-list path: %s", path)
		}
		return errors.New("Unmatched skip-list paths")
	}
	return nil
}
