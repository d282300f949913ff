package composefs

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/treenail/treenail/format/object"
)

// Node is a file or directory of a tree. Write does not change it, so nodes may
// share what they point to.
type Node struct {
	Name     string // in its directory; that of the root does not matter
	Mode     uint32 // with the type bits
	UID, GID uint32
	Nlink    uint32 // 0 means 1; of directories it is counted
	Rdev     uint32 // of a device
	Size     uint64 // of a regular file, in bytes

	// The time of modification: seconds since 1970, and nanoseconds.
	Seconds     int64
	Nanoseconds uint32

	// Payload is the target of a symlink. Of a regular file it is the path of the
	// contents below the directory of objects, without a slash before it.
	Payload string
	// Digest is the fs-verity digest of a file's contents, or nil.
	Digest *[32]byte
	// Content is what a regular file holds if that is to be in the image: at most
	// 5000 bytes, Size of them.
	Content []byte

	Xattrs   object.Xattrs // in any order
	Children []*Node       // of a directory, in any order
	// Link makes the node another name of a file that is elsewhere in the tree and
	// not such a link itself. Of the node only the name counts then.
	Link *Node

	hides bool // it is a whiteout of the image itself, not one of the tree
}

const (
	maxName    = 255
	maxPath    = 4095
	maxContent = 5000               // bytes
	maxXattrs  = math.MaxUint16 / 2 // bytes of all xattrs of a node
	maxChunks  = 1024               // of a file
)

func (n *Node) kind() uint32 { return n.Mode & object.ModeTypeMask }

func (n *Node) isDir() bool { return n.Link == nil && n.kind() == object.ModeDir }

// isWhiteout reports whether the node is what overlayfs takes for a deleted file.
func (n *Node) isWhiteout() bool {
	return n.Link == nil && n.kind() == object.ModeChar && n.Rdev == 0 && !n.hides
}

// isRemote reports whether the contents of a regular file lie elsewhere.
func (n *Node) isRemote() bool {
	return n.kind() == object.ModeRegular && n.Size > 0 && len(n.Content) == 0
}

// checkName refuses what no directory can hold.
func checkName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return fmt.Errorf("invalid name %q", name)
	case len(name) > maxName:
		return fmt.Errorf("name %.20q… is longer than %d bytes", name, maxName)
	case strings.ContainsAny(name, "/\x00"):
		return fmt.Errorf("name %q has a slash or NUL", name)
	}
	return nil
}

// check refuses what no image can hold.
func (n *Node) check() error {
	switch n.kind() {
	case object.ModeDir:
	case object.ModeSymlink:
		if n.Payload == "" {
			return errors.New("symlink without a target")
		}
	case object.ModeRegular:
		if err := n.checkContents(); err != nil {
			return err
		}
	case object.ModeFIFO, object.ModeChar, object.ModeBlock, object.ModeSocket:
	default:
		return fmt.Errorf("invalid mode %o", n.Mode)
	}
	switch {
	case n.Mode > math.MaxUint16:
		return fmt.Errorf("invalid mode %o", n.Mode)
	case n.kind() != object.ModeDir && len(n.Children) > 0:
		return errors.New("not a directory, but there are files in it")
	case len(n.Payload) > maxPath:
		return fmt.Errorf("path of %d bytes exceeds the limit of %d", len(n.Payload), maxPath)
	case strings.Contains(n.Payload, "\x00"):
		return fmt.Errorf("path %q has a NUL", n.Payload)
	}
	return n.checkXattrs()
}

func (n *Node) checkContents() error {
	switch {
	case len(n.Content) > maxContent:
		return fmt.Errorf("content of %d bytes exceeds the limit of %d", len(n.Content), maxContent)
	case len(n.Content) > 0 && uint64(len(n.Content)) != n.Size:
		return fmt.Errorf("content of %d bytes for a file of %d", len(n.Content), n.Size)
	case n.isRemote() && chunks(n.Size) > maxChunks:
		return fmt.Errorf("file of %d bytes is too large", n.Size)
	}
	return nil
}

func (n *Node) checkXattrs() error {
	size := 0
	for _, x := range n.Xattrs {
		size += xattrCost(len(x.Name), len(x.Value))
		if x.Name == "" || len(x.Name) > maxName || strings.Contains(x.Name, "\x00") {
			return fmt.Errorf("invalid xattr name %.300q", x.Name)
		}
	}
	return checkCost(size)
}

// xattrCost is what an xattr counts for the limit: what it takes at most.
func xattrCost(name, value int) int { return 7 + name + value }

func checkCost(size int) error {
	if size += 12; size > maxXattrs {
		return fmt.Errorf("xattrs of %d bytes exceed the limit of %d", size, maxXattrs)
	}
	return nil
}
