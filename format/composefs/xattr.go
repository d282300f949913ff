package composefs

import (
	"cmp"
	"slices"
	"strings"
)

const (
	overlayPrefix = "trusted.overlay."
	escapedPrefix = "trusted.overlay.overlay."
	userPrefix    = "user.overlay." // of an overlayfs that an unprivileged user mounts
)

// attr is an xattr with its value, as one or several inodes have it.
type attr struct {
	attrKey
	index  uint8  // stands for the beginning of the name
	suffix string // the rest of the name
	uses   int
	offset uint64 // among the shared ones
}

type attrKey struct{ name, value string }

// size is that of the entry in bytes.
func (a *attr) size() uint64 { return alignUp(4+uint64(len(a.suffix)+len(a.value)), 4) }

// attrs are all xattrs of an image, each once.
type attrs struct {
	known  map[attrKey]*attr
	shared []*attr // those with several uses, in the order of the image
	size   uint64  // of the shared ones in bytes
}

// attrPrefixes are the beginnings of names that EROFS has numbers for.
var attrPrefixes = []struct {
	prefix string
	index  uint8
}{
	{"user.", 1}, {"system.posix_acl_access", 2}, {"system.posix_acl_default", 3}, {"trusted.", 4}, {"security.", 6},
}

// use returns the one attr of this name and value, and counts.
func (t *attrs) use(name string, value []byte) *attr {
	a := t.known[attrKey{name, string(value)}]
	if a == nil {
		a = &attr{attrKey: attrKey{name, string(value)}, suffix: name}
		for _, p := range attrPrefixes {
			if suffix, ok := strings.CutPrefix(name, p.prefix); ok {
				a.index, a.suffix = p.index, suffix
				break
			}
		}
		t.known[a.attrKey] = a
	}
	a.uses++
	return a
}

// share decides which xattrs are stored once for all inodes, and where.
func (t *attrs) share() {
	for _, a := range t.known {
		if a.uses > 1 {
			t.shared = append(t.shared, a)
		}
	}
	slices.SortFunc(t.shared, func(a, b *attr) int {
		return cmp.Or(strings.Compare(b.name, a.name), cmp.Compare(len(b.value), len(a.value)), strings.Compare(b.value, a.value))
	})
	for _, a := range t.shared {
		a.offset = t.size
		t.size += a.size()
	}
}

// hasACL reports whether any inode has an access control list.
func (t *attrs) hasACL() bool {
	for key := range t.known {
		if key.name == "system.posix_acl_access" || key.name == "system.posix_acl_default" {
			return true
		}
	}
	return false
}

// xattrs are those of an inode: the node's own, escaped where overlayfs would take
// them for its own, and those that tell overlayfs what the node is.
func (m *image) xattrs(in *inode) ([]*attr, error) {
	values := make(map[string][]byte, len(in.Xattrs)+2)
	for _, x := range in.Xattrs {
		name := x.Name
		if rest, ok := strings.CutPrefix(name, overlayPrefix); ok {
			name = escapedPrefix + rest
		}
		values[name] = x.Value
	}
	m.addOverlay(in, values)
	var list []*attr
	size := 0
	for name, value := range values {
		size += xattrCost(len(name), len(value))
		list = append(list, m.attrs.use(name, value))
	}
	slices.SortFunc(list, func(a, b *attr) int { return strings.Compare(a.name, b.name) })
	return list, checkCost(size)
}

// addOverlay adds what overlayfs has to know.
func (m *image) addOverlay(in *inode, values map[string][]byte) {
	if in.isRemote() {
		values[overlayPrefix+"metacopy"] = in.metacopy()
		if in.Payload != "" {
			values[overlayPrefix+"redirect"] = []byte("/" + in.Payload)
		}
	}
	if in.isWhiteout() {
		values[escapedPrefix+"whiteout"] = nil
		values[userPrefix+"whiteout"] = nil
	}
	if slices.ContainsFunc(in.Children, (*Node).isWhiteout) {
		values[escapedPrefix+"whiteouts"] = nil
		values[userPrefix+"whiteouts"] = nil
		values[escapedPrefix+"opaque"] = []byte("x")
		values[userPrefix+"opaque"] = []byte("x")
	}
	if in.parent == in {
		values[overlayPrefix+"opaque"] = []byte("y")
	}
}

// metacopy is the value of the xattr by which overlayfs knows the fs-verity digest
// of a file: version, size, flags, algorithm (SHA-256), digest.
func (n *Node) metacopy() []byte {
	if n.Digest == nil {
		return nil
	}
	return append([]byte{0, 4 + byte(len(n.Digest)), 0, 1}, n.Digest[:]...)
}

// maxShared is how many shared xattrs an inode can refer to.
const maxShared = 128

// split returns the xattrs of an inode that lie with the shared ones, and those in it.
func (in *inode) split() (shared, own []*attr) {
	for _, a := range in.xattrs {
		if a.uses > 1 && len(shared) < maxShared {
			shared = append(shared, a)
		} else {
			own = append(own, a)
		}
	}
	return shared, own
}

// filter is a Bloom filter of the names: a bit that is set says that none of them
// hashes to it.
func (in *inode) filter() uint32 {
	const seed = 0x25bbe08f
	var bits uint32
	for _, a := range in.xattrs {
		bits |= 1 << (xxh32(a.suffix, seed+uint32(a.index)) % 32)
	}
	return ^bits
}
