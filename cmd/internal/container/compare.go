package container

import (
	"context"
	"fmt"
	"strings"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/encapsulate"
	"github.com/treenail/treenail/encapsulate/packages"
	"github.com/treenail/treenail/format/object"
	importer "github.com/treenail/treenail/import"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/diff"
)

func compareCommand() *cli.Command {
	var o compareOptions
	return &cli.Command{
		Name: "compare", Args: "OLD NEW",
		Summary: "Say what changes from one image to another",
		Details: "No layer is fetched. With --repo an image that was pulled there is read there,\n" +
			"a commit of it may stand for an image, and where both are there packages are\n" +
			"compared by version and files are counted.",
		Flags: func(f *cli.Flags) {
			o.access.flags(f)
			platformFlags(f, &o.platform)
			f.Bool(&o.json, "json", "", "Write everything as JSON")
		},
		Run: o.run,
	}
}

type compareOptions struct {
	access
	platform oci.Platform
	json     bool
}

// side is one of two things that are compared.
type side struct {
	name     string
	manifest *oci.Manifest   // nil: a commit
	commit   object.Checksum // zero: not in the repository
}

// comparison is what compare prints. Sizes are bytes as stored in the images.
type comparison struct {
	Layers   *layerChanges  `json:"layers,omitempty"`
	Packages *packageChange `json:"packages,omitempty"` // of databases or, without them, of ostree.components
	Files    *fileChanges   `json:"files,omitempty"`
}

type layerChanges struct {
	Total   layerSum `json:"total"` // of the new image
	Removed layerSum `json:"removed"`
	Added   layerSum `json:"added"`
	Fetch   layerSum `json:"fetch"` // added, and not in the repository
}

type layerSum struct {
	Count int   `json:"count"`
	Size  int64 `json:"size"`
}

type packageChange struct {
	Removed []packages.Change `json:"removed"`
	Added   []packages.Change `json:"added"`
	Changed []packages.Change `json:"changed"`
	Touched []string          `json:"touched,omitempty"` // versions are not known, but the layer is another
}

type fileChanges struct {
	Added    int `json:"added"`
	Removed  int `json:"removed"`
	Modified int `json:"modified"`
}

func (o *compareOptions) run(ctx context.Context, env *cli.Env, args []string) (err error) {
	if len(args) != 2 {
		return cli.Usagef("OLD and NEW must be specified")
	}
	var repo *ostreerepo.Repo
	if env.Repo != "" {
		if repo, err = env.OpenRepo(); err != nil {
			return err
		}
		defer repo.Close()
	}
	var sides [2]side
	for i, name := range args {
		if sides[i], err = o.find(ctx, repo, name); err != nil {
			return err
		}
	}
	c, err := compare(ctx, repo, sides[0], sides[1])
	if err != nil {
		return err
	}
	if o.json {
		return env.JSON(c)
	}
	c.print(env)
	return nil
}

// find finds what a name stands for: an image in the repository, an image
// elsewhere, or a commit.
func (o *compareOptions) find(ctx context.Context, repo *ostreerepo.Repo, name string) (side, error) {
	if repo != nil {
		image, err := pulledImage(repo, name)
		if err != nil {
			return side{}, err
		}
		if image != nil {
			return side{name, image.Manifest, image.Commit}, nil
		}
		if _, err := oci.ParseReference(name); err != nil {
			c, err := repo.Resolve(name)
			return side{name: name, commit: c}, err
		}
	}
	src, err := o.openNamed(ctx, name)
	if err != nil {
		return side{}, err
	}
	defer src.Close()
	img, err := oci.ReadImage(ctx, src, o.platform)
	if err != nil {
		return side{}, err
	}
	return side{name: name, manifest: img.Manifest}, nil
}

func compare(ctx context.Context, repo *ostreerepo.Repo, a, b side) (*comparison, error) {
	c := &comparison{}
	if a.manifest != nil && b.manifest != nil {
		if err := c.layers(repo, importer.Compare(a.manifest, b.manifest)); err != nil {
			return nil, err
		}
	}
	switch {
	case !a.commit.IsZero() && !b.commit.IsZero():
		if err := c.trees(ctx, repo, a, b); err != nil {
			return nil, err
		}
	case c.Layers == nil:
		return nil, fmt.Errorf("%s and %s have nothing that can be compared: one is a commit, the other an image that the repository does not have", a.name, b.name)
	}
	return c, nil
}

func (c *comparison) layers(repo *ostreerepo.Repo, d *importer.Comparison) (err error) {
	fetch := d.Added
	if repo != nil {
		if fetch, err = importer.Missing(repo, d.Added); err != nil {
			return err
		}
	}
	c.Layers = &layerChanges{Total: sum(d.New), Removed: sum(d.Removed), Added: sum(d.Added), Fetch: sum(fetch)}
	if !d.Named {
		return nil
	}
	c.Packages = &packageChange{
		Removed: named(d.ComponentsRemoved), Added: named(d.ComponentsAdded),
		Changed: []packages.Change{}, Touched: d.ComponentsTouched,
	}
	return nil
}

func sum(layers []oci.Descriptor) (s layerSum) {
	for _, l := range layers {
		s.Count++
		s.Size += l.Size
	}
	return s
}

// named are packages of which no more than the name is known.
func named(names []string) []packages.Change {
	changes := make([]packages.Change, len(names))
	for i, name := range names {
		changes[i].Name = name
	}
	return changes
}

// trees compares what the repository has of both sides.
func (c *comparison) trees(ctx context.Context, repo *ostreerepo.Repo, a, b side) error {
	var lists [2][]encapsulate.Package
	var trees [2]diff.Tree
	for i, s := range []side{a, b} {
		commit, err := repo.Commit(s.commit)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		trees[i] = diff.Commit(repo, commit)
		tree, err := encapsulate.ReadTree(ctx, repo, s.commit)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if lists[i], err = packages.Read(ctx, tree); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	if len(lists[0])+len(lists[1]) > 0 {
		c.Packages = sorted(packages.Diff(lists[0], lists[1]))
	}
	c.Files = &fileChanges{}
	for change, err := range diff.Trees(ctx, trees[0], trees[1], diff.Options{}) {
		if err != nil {
			return err
		}
		c.Files.add(change)
	}
	return nil
}

// sorted sorts changes out by their kind.
func sorted(changes []packages.Change) *packageChange {
	p := &packageChange{Removed: []packages.Change{}, Added: []packages.Change{}, Changed: []packages.Change{}}
	for _, change := range changes {
		switch {
		case len(change.New) == 0:
			p.Removed = append(p.Removed, change)
		case len(change.Old) == 0:
			p.Added = append(p.Added, change)
		default:
			p.Changed = append(p.Changed, change)
		}
	}
	return p
}

func (f *fileChanges) add(c diff.Change) {
	switch c.Kind {
	case diff.Added:
		f.Added++
	case diff.Removed:
		f.Removed++
	case diff.Modified:
		f.Modified++
	}
}

func (c *comparison) print(env *cli.Env) {
	if c.Layers != nil {
		c.Layers.print(env)
	}
	if f := c.Files; f != nil {
		env.Printf("Files:            %d added, %d removed, %d modified\n", f.Added, f.Removed, f.Modified)
	}
	if c.Packages != nil {
		c.Packages.print(env)
	}
}

// print begins with the lines of ostree-ext.
func (l *layerChanges) print(env *cli.Env) {
	line := func(what string, s layerSum) {
		env.Printf("%-17s %-4d  Size: %s\n", what, s.Count, cli.Size(uint64(s.Size)))
	}
	line("Total new layers:", l.Total)
	line("Removed layers:", l.Removed)
	line("Added layers:", l.Added)
	line("Layers to fetch:", l.Fetch)
}

func (p *packageChange) print(env *cli.Env) {
	counts := fmt.Sprintf("%d added, %d removed", len(p.Added), len(p.Removed))
	if len(p.Changed) > 0 || len(p.Touched) == 0 {
		counts += fmt.Sprintf(", %d changed", len(p.Changed))
	}
	if len(p.Touched) > 0 {
		counts += fmt.Sprintf(", %d in layers that changed", len(p.Touched))
	}
	env.Printf("Packages:         %s\n", counts)
	for _, part := range []struct {
		word string
		list []packages.Change
	}{{"removed", p.Removed}, {"added", p.Added}, {"changed", p.Changed}} {
		for _, change := range part.list {
			env.Println(strings.TrimRight(fmt.Sprintf("  %s %s %s", part.word, change.Name, versionText(change)), " "))
		}
	}
}

func versionText(c packages.Change) string {
	old, new := strings.Join(c.Old, ", "), strings.Join(c.New, ", ")
	if old != "" && new != "" {
		return old + " -> " + new
	}
	return old + new
}
