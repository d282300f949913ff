package composefs

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/treenail/treenail/format/object"
)

// image is a file system being put together.
type image struct {
	version  uint32
	inodes   []*inode // breadth first
	attrs    attrs
	links    []link
	earliest *Node // the one with the least time of modification

	inodesEnd uint64 // offset of what follows the inodes
	blocks    uint64 // behind the shared xattrs
}

// inode is a file of the image. It differs from its node where that is a whiteout.
type inode struct {
	*Node
	parent  *inode // of the root itself
	number  uint32
	mode    uint32
	size    uint64
	nlink   uint32
	xattrs  []*attr // sorted by key
	entries []entry // of a directory, sorted by name

	placement
}

// entry is a name in a directory.
type entry struct {
	name string
	*inode
}

// link is an entry whose inode is known when all are.
type link struct {
	dir   *inode
	index int
	to    *Node
}

// newImage finds the inodes of a tree and what is in them.
func newImage(root *Node) (*image, error) {
	if !root.isDir() {
		return nil, errors.New("the root is no directory")
	}
	m := &image{earliest: root, attrs: attrs{known: map[attrKey]*attr{}}}
	top, err := m.add(nil, root)
	if err != nil {
		return nil, fmt.Errorf("path /: %w", err)
	}
	top.parent = top
	for i := 0; i < len(m.inodes); i++ {
		if err := m.expand(m.inodes[i]); err != nil {
			return nil, err
		}
	}
	if err := m.resolveLinks(); err != nil {
		return nil, err
	}
	m.attrs.share()
	return m, nil
}

// add makes the inode of a node.
func (m *image) add(parent *inode, n *Node) (*inode, error) {
	if err := n.check(); err != nil {
		return nil, err
	}
	if uint64(len(m.inodes)) == math.MaxUint32 {
		return nil, errors.New("more files than a file system can have")
	}
	in := &inode{Node: n, parent: parent, number: uint32(len(m.inodes)), mode: n.Mode, size: n.Size, nlink: max(1, n.Nlink)}
	switch {
	case n.kind() == object.ModeSymlink:
		in.size = uint64(len(n.Payload))
	case n.isWhiteout():
		in.mode, in.size, m.version = object.ModeRegular|n.Mode&^object.ModeTypeMask, 0, 1
	}
	if cmp.Or(cmp.Compare(n.Seconds, m.earliest.Seconds), cmp.Compare(n.Nanoseconds, m.earliest.Nanoseconds)) < 0 {
		m.earliest = n
	}
	m.inodes = append(m.inodes, in)
	return in, nil
}

// dot and dotdot stand for the two entries that every directory has.
var dot, dotdot = &Node{Name: "."}, &Node{Name: ".."}

// expand finds the xattrs of an inode and the entries of a directory.
func (m *image) expand(in *inode) (err error) {
	if in.xattrs, err = m.xattrs(in); err != nil {
		return fmt.Errorf("path %s: %w", in.path(), err)
	}
	if in.kind() != object.ModeDir {
		return nil
	}
	in.nlink = 2
	children := in.sorted()
	in.entries = make([]entry, len(children))
	for i, child := range children {
		e := &in.entries[i]
		e.name = child.Name
		switch {
		case child == dot:
			e.inode = in
		case child == dotdot:
			e.inode = in.parent
		default:
			e.inode, err = m.enter(in, i, child)
		}
		if err == nil && i > 0 && child.Name == in.entries[i-1].name {
			err = errors.New("the name is there twice")
		}
		if err != nil {
			return fmt.Errorf("path %s/%s: %w", strings.TrimSuffix(in.path(), "/"), child.Name, err)
		}
	}
	return nil
}

// enter makes what a directory has at index.
func (m *image) enter(dir *inode, index int, child *Node) (*inode, error) {
	if err := checkName(child.Name); err != nil {
		return nil, err
	}
	if child.Link != nil {
		m.links = append(m.links, link{dir, index, child.Link})
		return nil, nil
	}
	if child.isDir() {
		dir.nlink++
	}
	return m.add(dir, child)
}

// sorted are the entries of a directory, by name.
func (in *inode) sorted() []*Node {
	children := append(slices.Clip(in.Children), dot, dotdot)
	if in.parent == in {
		children = append(children, in.hidden()...)
	}
	slices.SortFunc(children, func(a, b *Node) int { return strings.Compare(a.Name, b.Name) })
	return children
}

// hidden are whiteouts for the root. They hide the directories of the objects that
// lie below it, which have the names 00 to ff, and are owned and labelled as it is.
func (in *inode) hidden() []*Node {
	taken := map[string]bool{}
	for _, child := range in.Children {
		taken[child.Name] = true
	}
	var xattrs object.Xattrs
	if label, ok := in.Xattrs.Lookup(object.LabelXattr); ok {
		xattrs = object.Xattrs{{Name: object.LabelXattr, Value: label}}
	}
	var nodes []*Node
	for i := range 256 {
		name := fmt.Sprintf("%02x", i)
		if taken[name] {
			continue
		}
		nodes = append(nodes, &Node{Name: name, Mode: object.ModeChar | 0o644, UID: in.UID, GID: in.GID,
			Seconds: in.Seconds, Nanoseconds: in.Nanoseconds, Xattrs: xattrs, hides: true})
	}
	return nodes
}

// resolveLinks gives entries that are hard links their inodes.
func (m *image) resolveLinks() error {
	if len(m.links) == 0 {
		return nil
	}
	inodes := make(map[*Node]*inode, len(m.inodes))
	for _, in := range m.inodes {
		inodes[in.Node] = in
	}
	for _, l := range m.links {
		e := &l.dir.entries[l.index]
		e.inode = inodes[l.to]
		if e.inode == nil || e.kind() == object.ModeDir {
			return fmt.Errorf("path %s: hard link %s to what is no file of the tree", l.dir.path(), e.name)
		}
	}
	return nil
}

// path names the inode in errors.
func (in *inode) path() string {
	if in.parent == in {
		return "/"
	}
	return strings.TrimSuffix(in.parent.path(), "/") + "/" + in.Name
}
