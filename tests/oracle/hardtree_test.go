package oracle_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// builder makes a tree of hard cases; the first error stays.
type builder struct {
	root string
	err  error
}

func (b *builder) do(f func() error) {
	if b.err == nil {
		b.err = f()
	}
}

func (b *builder) path(name string) string { return filepath.Join(b.root, name) }

func (b *builder) dir(name string, mode uint32) {
	b.do(func() error { return os.MkdirAll(b.path(name), 0o755) })
	b.do(func() error { return unix.Chmod(b.path(name), mode) })
}

func (b *builder) file(name, body string, mode uint32) {
	b.do(func() error { return os.WriteFile(b.path(name), []byte(body), 0o600) })
	b.do(func() error { return unix.Chmod(b.path(name), mode) })
}

func (b *builder) symlink(name, target string) {
	b.do(func() error { return os.Symlink(target, b.path(name)) })
}

// chown comes before the mode's set-id bits, which it clears.
func (b *builder) chown(name string, uid, gid int) {
	b.do(func() error { return os.Lchown(b.path(name), uid, gid) })
}

func (b *builder) xattr(name, attr, value string) {
	b.do(func() error {
		if err := unix.Lsetxattr(b.path(name), attr, []byte(value), 0); err != nil {
			return fmt.Errorf("setxattr %s %s: %w", name, attr, err)
		}
		return nil
	})
}

// hardTree makes a tree of everything that a repository can hold and that is
// easily lost on the way.
func hardTree(t *testing.T, root string) string {
	t.Helper()
	b := &builder{root: root}
	b.dir(".", 0o755)
	for _, part := range []func(*builder){hardNames, hardModes, hardOwners, hardXattrs, hardLinks, hardShapes} {
		part(b)
	}
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.root
}

// hardNames covers every byte that valid UTF-8 can have in a name.
func hardNames(b *builder) {
	b.dir("names", 0o755)
	for c := rune(1); c < 0x180; c++ {
		if c != '/' {
			b.file(fmt.Sprintf("names/%03x%c", c, c), string(c), 0o644)
		}
	}
	for i, name := range []string{
		"-rf", "--help", " ", " lead", "trail ", "a\nb", "a\tb", `a\b`, `"quoted"`, "'", "*", "?", "$HOME", "...", "..x", ".hidden", "%s%n",
		"\u00e9", "e\u0301", "日本語", "🌲", "\u202egnp", "\ufeffbom", "\U0010ffff", "Straße", "straße", "a", "A", "a.", "a0", "a-", "~",
		strings.Repeat("n", 255), strings.Repeat("ü", 127), "x" + strings.Repeat("日", 84),
	} {
		b.file("names/"+name, fmt.Sprint(i), 0o644)
	}
	b.dir("names/"+strings.Repeat("d", 255), 0o755)
}

func hardModes(b *builder) {
	b.dir("modes", 0o755)
	for _, mode := range []uint32{0, 0o1, 0o4, 0o100, 0o111, 0o200, 0o400, 0o444, 0o555, 0o600, 0o640, 0o666, 0o777,
		0o1644, 0o2755, 0o4755, 0o6755, 0o7777, 0o4000} {
		name := fmt.Sprintf("modes/%04o", mode)
		b.file(name, name, mode)
		b.dir(name+".d", mode)
		b.file(name+".d/inside", "unreadable directories have content too", 0o644)
	}
}

func hardOwners(b *builder) {
	b.dir("owners", 0o755)
	for _, id := range [][2]int{{0, 1}, {1, 0}, {1000, 100}, {65534, 65534}, {65535, 65536}, {1 << 21, 1<<21 + 1}, {1<<31 - 1, 1 << 31}, {1<<32 - 2, 1<<32 - 2}} {
		name := fmt.Sprintf("owners/%d-%d", id[0], id[1])
		b.file(name, "", 0o640)
		b.chown(name, id[0], id[1])
		b.dir(name+".d", 0o750)
		b.chown(name+".d", id[0], id[1])
		b.symlink(name+".l", "target")
		b.chown(name+".l", id[0], id[1])
	}
}

// capNetRaw is a file capability as the kernel stores it: cap_net_raw+ep.
const capNetRaw = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

func hardXattrs(b *builder) {
	b.dir("xattrs", 0o755)
	for _, name := range []string{"xattrs/file", "xattrs/dir", "xattrs/many"} {
		if name == "xattrs/dir" {
			b.dir(name, 0o755)
		} else {
			b.file(name, "body", 0o755)
		}
		b.xattr(name, "user.empty", "")
		b.xattr(name, "user.text", "value")
		b.xattr(name, "user.binary", "a\x00b\xff\n")
		b.xattr(name, "trusted.secret", "root's")
		b.xattr(name, "security.selinux", "system_u:object_r:bin_t:s0\x00")
	}
	b.xattr("xattrs/file", "security.capability", capNetRaw)
	for i := range 30 {
		b.xattr("xattrs/many", fmt.Sprintf("user.%c%02d", 'z'-rune(i%26), i), strings.Repeat("v", i))
	}
	b.file("xattrs/readonly", "labelled and read-only", 0o400)
	b.xattr("xattrs/readonly", "user.label", "x")
	b.symlink("xattrs/link", "file")
	b.xattr("xattrs/link", "trusted.link", "on a symlink")
	b.xattr("xattrs/link", "security.selinux", "system_u:object_r:lib_t:s0\x00")
}

func hardLinks(b *builder) {
	b.dir("links", 0o755)
	for i, target := range []string{"a", ".", "..", "/", "//", "a//b", "./a/./b/", "a/.", "../../../etc/passwd", "/absolute",
		" ", "new\nline", "🌲", strings.Repeat("t", 99), strings.Repeat("t", 100), strings.Repeat("t", 101), strings.Repeat("long/", 800)} {
		b.symlink(fmt.Sprintf("links/%02d", i), target)
	}
	b.file("links/first", "one body, three names", 0o644)
	for _, name := range []string{"links/second", "third"} {
		b.do(func() error { return os.Link(b.path("links/first"), b.path(name)) })
	}
}

// hardShapes covers what is big in one way or another.
func hardShapes(b *builder) {
	deep := "deep"
	for i := range 40 {
		deep += fmt.Sprintf("/%d", i)
	}
	b.dir(deep, 0o755)
	b.file(deep+"/bottom", "40 levels down", 0o644)
	b.dir("wide", 0o755)
	for i := range 4000 {
		b.file(fmt.Sprintf("wide/%d", i), fmt.Sprint(i%1000), 0o644)
	}
	b.dir("empty", 0o755)
	b.file("zero", "", 0o644)
	b.file("sparse", "begin", 0o644)
	b.do(func() error { return os.Truncate(b.path("sparse"), 48<<20) })
	for _, size := range []int{1, 511, 512, 513, 4095, 4096, 65535, 65536, 65537, 1 << 20, 1<<20 + 1} {
		b.file(fmt.Sprintf("size-%d", size), noise(size), 0o644)
	}
}

// noise is bytes that hardly compress, the same on every call.
func noise(n int) string {
	out := make([]byte, n)
	x := uint32(n) + 1
	for i := range out {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		out[i] = byte(x)
	}
	return string(out)
}
