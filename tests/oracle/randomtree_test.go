package oracle_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// randomTree is a directory that a random sequence of commands commits.
type randomTree struct {
	*builder
	t     *testing.T
	rng   *rand.Rand
	plain bool // only what a bare-user-only repository can hold
	names []string
	dirs  []string
}

func newRandomTree(t *testing.T, rng *rand.Rand, root, mode string) *randomTree {
	r := &randomTree{builder: &builder{root: root}, t: t, rng: rng, plain: mode == "bare-user-only", dirs: []string{"."}}
	r.dir(".", 0o755)
	if rng.IntN(12) == 0 {
		r.dir("wide", 0o755)
		for i := range 10000 {
			r.file(fmt.Sprintf("wide/%d", i), "", 0o644)
		}
	}
	for range 10 + rng.IntN(30) {
		r.add()
	}
	r.check()
	return r
}

func (r *randomTree) check() {
	r.t.Helper()
	if r.err != nil {
		r.t.Fatal(r.err)
	}
}

// change changes some files of the tree.
func (r *randomTree) change() {
	for range 1 + r.rng.IntN(5) {
		switch r.rng.IntN(4) {
		case 0:
			r.remove()
		case 1:
			r.rewrite()
		default:
			r.add()
		}
	}
	r.check()
}

// name is that of a file in the tree, or nearly.
func (r *randomTree) name() string {
	if len(r.names) == 0 || r.rng.IntN(10) == 0 {
		return "no/such/file"
	}
	return r.names[r.rng.IntN(len(r.names))]
}

// regular is the name of a regular file, or nearly: in a bare repository a symlink
// cannot have the mode that an option gives it.
func (r *randomTree) regular() string {
	for range 20 {
		name := r.name()
		if st, err := os.Lstat(r.path(name)); err == nil && st.Mode().IsRegular() {
			return name
		}
	}
	return "no/such/file"
}

func (r *randomTree) remove() {
	if len(r.names) == 0 {
		return
	}
	r.do(func() error { return os.RemoveAll(r.path(r.name())) })
	r.forget()
}

// forget drops the names that are gone.
func (r *randomTree) forget() {
	there := func(names []string) (left []string) {
		for _, name := range names {
			if _, err := os.Lstat(r.path(name)); err == nil {
				left = append(left, name)
			}
		}
		return left
	}
	r.names, r.dirs = there(r.names), there(r.dirs)
}

func (r *randomTree) rewrite() {
	name := r.name()
	if st, err := os.Lstat(r.path(name)); err == nil && st.Mode().IsRegular() {
		r.do(func() error { return os.Remove(r.path(name)) })
		r.file(name, r.body(), r.mode())
		r.decorate(name)
	}
}

// add adds one file of any kind.
func (r *randomTree) add() {
	name := filepath.Join(r.dirs[r.rng.IntN(len(r.dirs))], r.newName())
	if _, err := os.Lstat(r.path(name)); err == nil || len(name) > 1000 {
		return
	}
	switch r.rng.IntN(12) {
	case 0, 1, 2:
		r.dir(name, []uint32{0o755, 0o700, 0o1777, 0o2755, 0o555, 0}[r.rng.IntN(6)])
		r.dirs = append(r.dirs, name)
	case 3, 4:
		r.symlink(name, []string{"a", "..", "/abs/olute", "b/c\n", "ü", strings.Repeat("t/", 200)}[r.rng.IntN(6)])
	case 5:
		r.link(name)
	case 6:
		r.file(name, "s", 0o644)
		r.do(func() error { return os.Truncate(r.path(name), int64(r.rng.IntN(300000))) })
	default:
		r.file(name, r.body(), r.mode())
	}
	r.decorate(name)
	r.names = append(r.names, name)
	r.forget()
}

// link makes another name of a file that is there.
func (r *randomTree) link(name string) {
	old := r.name()
	if st, err := os.Lstat(r.path(old)); err == nil && st.Mode().IsRegular() {
		r.do(func() error { return os.Link(r.path(old), r.path(name)) })
		return
	}
	r.file(name, "", 0o644)
}

func (r *randomTree) newName() string {
	alphabet := []string{"a", "b", "c", "d", ".", "-", " ", "é", "日", "\n", "'", "\\", "%", "\x01", "~", "0", "A", "🌲"}
	if r.rng.IntN(3) > 0 {
		alphabet = alphabet[:4]
	}
	var name strings.Builder
	for range 1 + r.rng.IntN(6) {
		name.WriteString(alphabet[r.rng.IntN(len(alphabet))])
	}
	if s := name.String(); s != "." && s != ".." {
		return s
	}
	return "dots"
}

func (r *randomTree) body() string {
	sizes := []int{0, 0, 1, 10, 100, 4096, 65536, 200000}
	n := sizes[r.rng.IntN(len(sizes))]
	if n > 10 {
		n += r.rng.IntN(50)
	}
	return noise(n)
}

func (r *randomTree) mode() uint32 {
	modes := []uint32{0o644, 0o755, 0o600, 0o444, 0o555, 0o664, 0o4755, 0o2711, 0o1644, 0, 0o111, 0o7777}
	if r.plain {
		modes = modes[:6]
	}
	return modes[r.rng.IntN(len(modes))]
}

// decorate gives a file an owner and extended attributes, mostly none.
func (r *randomTree) decorate(name string) {
	if r.plain {
		return
	}
	var st unix.Stat_t
	r.do(func() error { return unix.Lstat(r.path(name), &st) })
	if r.err != nil {
		return
	}
	if r.rng.IntN(4) == 0 {
		r.chown(name, r.rng.IntN(3), r.rng.IntN(70000))
		if st.Mode&unix.S_IFMT != unix.S_IFLNK {
			r.do(func() error { return unix.Chmod(r.path(name), st.Mode&0o7777) })
		}
	}
	if r.rng.IntN(5) == 0 {
		r.xattr(name, "security.selinux", "system_u:object_r:etc_t:s0\x00")
	}
	if r.rng.IntN(5) == 0 && st.Mode&unix.S_IFMT != unix.S_IFLNK {
		r.xattr(name, fmt.Sprintf("user.%c", 'a'+r.rng.IntN(5)), noise(r.rng.IntN(40)+1))
	}
}
