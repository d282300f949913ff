package tree

import (
	"fmt"
	"strings"

	"github.com/treenail/treenail/format/object"
)

// linkGroup is all hard links of an archive to one target. They wait until all
// entries are in the tree, because archives may have a link before its target,
// and cpio has the body at any one of the names.
type linkGroup struct {
	target  []string
	payload *file // the body of the first link that has one
	links   []hardlink
	begun   bool
}

type hardlink struct {
	parent *dir
	name   string
	entry  string // the archive's path
}

// hardlink notes a link. One with a body is a file too until links are resolved.
func (a *archive) hardlink(parent *dir, path []string, e *archiveEntry, h object.FileHeader) error {
	target, err := a.path(e.link)
	if err != nil {
		return fmt.Errorf("hard link to %s: %w", quote(e.link), err)
	}
	if len(target) == 0 || len(path) == 0 {
		return fmt.Errorf("hard link to %s: %w", quote(e.link), errRoot)
	}
	g := a.linkGroup(target)
	if e.size > 0 {
		f, err := a.file(parent, path, e, h)
		if err != nil {
			return err
		}
		if g.payload == nil {
			g.payload = f
		}
	}
	g.links = append(g.links, hardlink{parent, path[len(path)-1], e.path})
	a.linkAt[strings.Join(path, "/")] = g
	return nil
}

func (a *archive) linkGroup(target []string) *linkGroup {
	key := strings.Join(target, "/")
	g := a.links[key]
	if g == nil {
		g = &linkGroup{target: target}
		a.links[key] = g
		a.order = append(a.order, g)
	}
	return g
}

func (a *archive) resolveLinks() error {
	for _, g := range a.order {
		if err := a.resolve(g); err != nil {
			return err
		}
	}
	return nil
}

// resolve makes all links of g the file that their target is. A target that is a
// link itself is resolved first.
func (a *archive) resolve(g *linkGroup) error {
	if g.begun {
		return nil
	}
	g.begun = true
	if other := a.linkAt[strings.Join(g.target, "/")]; other != nil {
		if err := a.resolve(other); err != nil {
			return err
		}
	}
	f, err := a.targetOf(g)
	if err != nil {
		return fmt.Errorf("archive entry %s: hard link to %s: %w", quote(g.links[0].entry), quote(strings.Join(g.target, "/")), err)
	}
	for _, l := range g.links {
		if err := a.setFile(l.parent, l.name, f); err != nil {
			return fmt.Errorf("archive entry %s: %w", quote(l.entry), err)
		}
	}
	return nil
}

func (a *archive) targetOf(g *linkGroup) (*file, error) {
	parent, missing, err := a.walk(g.target)
	if err != nil {
		return nil, err
	}
	if f := a.lower(parent, missing, g); f != nil {
		return f, nil
	}
	name := g.target[len(g.target)-1]
	if missing == "" && g.payload != nil {
		return g.payload, parent.setFile(name, g.payload)
	}
	switch {
	case missing != "":
		return nil, fmt.Errorf("No such file or directory: %s", missing) //nolint:staticcheck // libostree's text
	case parent.dirs[name] != nil:
		return nil, fmt.Errorf("Expected hardlink file target at \"%s\" but found a directory", name) //nolint:staticcheck // libostree's text
	case parent.files[name] == nil:
		return nil, fmt.Errorf("No such file or directory: %s", name) //nolint:staticcheck // libostree's text
	}
	return parent.files[name], nil
}
