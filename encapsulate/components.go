package encapsulate

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/treenail/treenail/format/object"
)

// Package is a package that is installed in a tree.
type Package struct {
	ID     string // name, version and architecture
	Name   string // without a comma
	Source string // the source package it is built from; empty: Name
	// Version is the version alone, for comparing trees; it does not count for layers.
	Version string
	Paths   []string // absolute; what the tree doesn't have and directories are passed over
}

// components sorts the tree's content objects into components. An object belongs
// to one: that of a user.component xattr, else the initramfs of a kernel, else
// the package that owns one of its paths, the lexically first if there are
// several. The others are in none.
func (t *Tree) components(ctx context.Context, packages []Package) ([]Component, error) {
	s := sorter{tree: t, owner: make([]int32, len(t.contents)), byXattr: make(map[string]int32)}
	s.takeXattrs()
	s.takeInitramfs()
	packages = slices.SortedStableFunc(slices.Values(packages), func(a, b Package) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	for _, p := range packages {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.takePackage(p)
	}
	return s.result(), nil
}

// sorter gives each content object its component.
type sorter struct {
	tree    *Tree
	list    []Component
	owner   []int32 // by content: 1 + index in list, 0 for none yet
	byXattr map[string]int32
}

// add returns the owner number of a new component.
func (s *sorter) add(c Component) int32 {
	s.list = append(s.list, c)
	return int32(len(s.list))
}

func (s *sorter) take(content, owner int32) {
	if s.owner[content] == 0 {
		s.owner[content] = owner
	}
}

func (s *sorter) takeXattrs() {
	for i, c := range s.tree.contents {
		if c.component == "" {
			continue
		}
		owner, ok := s.byXattr[c.component]
		if !ok {
			owner = s.add(Component{ID: c.component, Name: c.component, Exclusive: true})
			s.byXattr[c.component] = owner
		}
		s.take(int32(i), owner)
	}
}

// takeInitramfs makes a component of each kernel's initramfs: it is large, and
// made anew in every build.
func (s *sorter) takeInitramfs() {
	modules := s.tree.resolveDir("usr/lib/modules")
	if modules == nil {
		return
	}
	for _, kernel := range modules.entries.Dirs {
		if i, ok := s.tree.find("usr/lib/modules/" + kernel.Name + "/initramfs.img"); ok {
			s.take(i, s.add(Component{ID: "initramfs (kernel " + kernel.Name + ")", Name: "initramfs", Exclusive: true}))
		}
	}
}

func (s *sorter) takePackage(p Package) {
	owner := s.add(Component{ID: p.ID, Name: p.Name, Source: p.Source})
	for _, path := range p.Paths {
		if i, ok := s.tree.find(path); ok {
			s.take(i, owner)
		}
	}
}

// result fills the components with their objects and drops those without any.
func (s *sorter) result() []Component {
	for i, owner := range s.owner {
		if owner > 0 {
			c := &s.list[owner-1]
			c.Size += s.tree.contents[i].size
			c.Objects = append(c.Objects, s.tree.contents[i].sum)
		}
	}
	for i := range s.list {
		slices.SortFunc(s.list[i].Objects, object.Checksum.Compare)
	}
	return slices.DeleteFunc(s.list, func(c Component) bool { return len(c.Objects) == 0 })
}
