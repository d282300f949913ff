package composefs_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/treenail/treenail/format/composefs"
	"github.com/treenail/treenail/format/object"
)

// generator makes trees in which everything occurs that an image treats in a way of
// its own, the same for a seed for ever.
type generator struct {
	*rand.Rand
	root  *composefs.Node
	dirs  []*composefs.Node
	files []*composefs.Node
	taken map[*composefs.Node]map[string]bool
	attrs object.Xattrs
	times int // how many of the times occur
}

func randomTree(seed uint64) *composefs.Node {
	g := &generator{Rand: rand.New(rand.NewPCG(seed, 0)), taken: map[*composefs.Node]map[string]bool{}}
	g.times = 1 + 3*g.IntN(2)
	g.attrs = g.xattrPool()
	g.root = g.stat(&composefs.Node{Mode: 0o40755})
	g.addDir(g.root)
	for range []int{3, 30, 200, 1000}[g.IntN(4)] {
		g.addNode()
	}
	return g.root
}

func (g *generator) addDir(n *composefs.Node) {
	g.dirs = append(g.dirs, n)
	g.taken[n] = map[string]bool{"": true, ".": true, "..": true}
}

// xattrPool has xattrs that several nodes get, among them more than an inode can
// share, and some that mean something to overlayfs or EROFS.
func (g *generator) xattrPool() object.Xattrs {
	pool := object.Xattrs{
		{Name: "security.selinux", Value: []byte("system_u:object_r:etc_t:s0\x00")},
		{Name: "security.selinux", Value: []byte("system_u:object_r:bin_t:s0\x00")},
		{Name: "trusted.overlay.opaque", Value: []byte("y")}, {Name: "trusted.overlay.whiteout"},
		{Name: "user.overlay.whiteouts", Value: []byte("q")}, {Name: "trusted.x", Value: []byte("1")},
		{Name: "system.posix_acl_access", Value: []byte("\x02\x00\x00\x00")},
		{Name: "system.posix_acl_default", Value: []byte("\x02\x00\x00\x00")}, {Name: "other.name", Value: []byte("=")},
	}
	for i := range []int{2, 150}[g.IntN(2)] {
		pool = append(pool, object.Xattr{Name: fmt.Sprintf("user.a%d", i), Value: g.bytes(g.IntN(20))})
	}
	return pool
}

func (g *generator) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	return b
}

func (g *generator) xattrs() (xattrs object.Xattrs) {
	for range []int{0, 0, 0, 1, 2, 5, 140}[g.IntN(7)] {
		xattrs = append(xattrs, g.attrs[g.IntN(len(g.attrs))])
	}
	if g.IntN(20) == 0 {
		xattrs = append(xattrs, object.Xattr{Name: "user.big", Value: g.bytes(g.IntN(6000))})
	}
	return xattrs.Canonical()
}

// stat gives a node owners, a time and xattrs.
func (g *generator) stat(n *composefs.Node) *composefs.Node {
	ids := []uint32{0, 0, 0, 1000, 65535, 65536, 4000000000}
	n.UID, n.GID = ids[g.IntN(len(ids))], ids[g.IntN(len(ids))]
	n.Nlink = []uint32{1, 1, 1, 2, 70000}[g.IntN(5)]
	switch g.IntN(g.times) {
	case 1:
		n.Seconds, n.Nanoseconds = 1700000000, 123456789
	case 2:
		n.Seconds = 5
	case 3:
		n.Nanoseconds = 7
	}
	n.Xattrs = g.xattrs()
	return n
}

// name is one that the directory does not have.
func (g *generator) name(dir *composefs.Node) (name string) {
	for name = ""; g.taken[dir][name]; {
		switch g.IntN(10) {
		case 0:
			name = strings.Repeat(string("!-.+z\xff"[g.IntN(6)]), 1+g.IntN(5))
		case 1:
			name = strings.Repeat("n", 200+g.IntN(50)) + fmt.Sprint(g.IntN(1000))
		case 2:
			name = fmt.Sprintf("%02x", g.IntN(256))
		default:
			name = fmt.Sprintf("f%d", g.IntN(100000))
		}
	}
	g.taken[dir][name] = true
	return name
}

func (g *generator) addNode() {
	dir := g.dirs[len(g.dirs)-1]
	if g.IntN(3) > 0 {
		dir = g.dirs[g.IntN(len(g.dirs))]
	}
	n := g.stat(&composefs.Node{Name: g.name(dir)})
	dir.Children = append(dir.Children, n)
	switch g.IntN(10) {
	case 0, 1:
		n.Mode = 0o40000 | g.Uint32N(0o10000)
		g.addDir(n)
		return
	case 2:
		n.Mode = 0o120777
		n.Payload = strings.Repeat("t", []int{1, 1 + g.IntN(400), 1 + g.IntN(4095), 3900 + g.IntN(196)}[g.IntN(4)])
	case 3:
		n.Mode = 0o100644
		n.Content = g.bytes([]int{0, 64, 1 + g.IntN(2048), 2049 + g.IntN(2048)}[g.IntN(4)])
		n.Size = uint64(len(n.Content))
	case 4:
		g.special(n)
	case 5:
		if len(g.files) > 0 {
			*n = composefs.Node{Name: n.Name, Link: g.files[g.IntN(len(g.files))]}
			return
		}
		fallthrough
	default:
		g.remote(n)
	}
	g.files = append(g.files, n)
}

// special makes a node a device, whiteouts among them, a FIFO or a socket.
func (g *generator) special(n *composefs.Node) {
	n.Mode = 0o644 | []uint32{0o10000, 0o20000, 0o60000, 0o140000}[g.IntN(4)]
	n.Size = []uint64{0, 0, 1 << 33}[g.IntN(3)]
	if n.Mode&0o20000 != 0 {
		n.Rdev = []uint32{0, 1, 259, 1<<32 - 1}[g.IntN(4)]
	}
}

// remote makes a node a file with its contents elsewhere.
func (g *generator) remote(n *composefs.Node) {
	n.Mode = 0o100000 | g.Uint32N(0o10000)
	sizes := []uint64{0, 1, 2, 4095, 4096, 4097, g.Uint64N(1 << 20), 1<<32 - 1, 1 << 32, 1 << 43, 1<<43 + 1, g.Uint64N(1 << 46)}
	n.Size = sizes[g.IntN(len(sizes))]
	if g.IntN(3) > 0 {
		n.Digest = (*[32]byte)(g.bytes(32))
	}
	if g.IntN(3) > 0 {
		n.Payload = fmt.Sprintf("%02x/%x.file", g.IntN(256), g.bytes(g.IntN(31)))
	}
}

func dump(root *composefs.Node) string {
	var b bytes.Buffer
	if err := composefs.WriteDump(&b, root); err != nil {
		panic(err)
	}
	return b.String()
}
