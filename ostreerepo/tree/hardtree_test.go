package tree_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func isRoot() bool { return os.Geteuid() == 0 }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func random(seed uint64, n int) string {
	r := rand.New(rand.NewPCG(seed, 1))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return string(data)
}

// hardTree makes a directory with what is hard about trees. What takes root is
// left out for others.
func hardTree(t testing.TB) string {
	t.Helper()
	top := filepath.Join(t.TempDir(), "hard")
	must(t, os.Mkdir(top, 0o755))
	hardModes(t, top)
	hardNames(t, top)
	hardBodies(t, top)
	hardXattrs(t, top)
	if isRoot() {
		hardOwners(t, top)
	}
	deep := filepath.Join(top, strings.Repeat("deep/", 40))
	writeFile(t, deep+"/bottom", "here\n", 0o644)
	return top
}

func hardModes(t testing.TB, top string) {
	for _, mode := range []uint32{0o644, 0o664, 0o755, 0o775, 0o4755, 0o2755, 0o1755, 0o6755, 0o666, 0o777, 0o400, 0o600} {
		path := fmt.Sprintf("%s/modes/file-%o", top, mode)
		writeFile(t, path, "body", 0o600)
		must(t, unix.Chmod(path, mode))
	}
	for _, mode := range []uint32{0o700, 0o1777, 0o2775, 0o555, 0o770} {
		path := fmt.Sprintf("%s/modes/dir-%o", top, mode)
		must(t, os.MkdirAll(path, 0o755))
		must(t, unix.Chmod(path, mode))
	}
	if isRoot() { // others could not read them
		writeFile(t, top+"/modes/none", "secret", 0)
		writeFile(t, top+"/modes/execute", "secret", 0o111)
		must(t, os.Mkdir(top+"/modes/nodir", 0))
	}
}

func hardNames(t testing.TB, top string) {
	for i, name := range []string{
		"new\nline", "tab\t", "\x01\x7f", " ", "-n", "..data", "...", "back\\slash", "*?[", "ünï", "日本", "\u200b",
		"'quote\"", "$HOME", strings.Repeat("x", 255), strings.Repeat("é", 127),
	} {
		writeFile(t, filepath.Join(top, "names", name), fmt.Sprint(i), 0o644)
		must(t, os.MkdirAll(filepath.Join(top, "dirnames", name), 0o755))
	}
}

func hardBodies(t testing.TB, top string) {
	writeFile(t, top+"/bodies/empty", "", 0o644)
	for _, size := range []int{1, 4095, 4096, 512<<10 - 1, 512 << 10, 512<<10 + 1, 3<<20 + 7} {
		writeFile(t, fmt.Sprintf("%s/bodies/%d", top, size), random(1, size), 0o644)
	}
	writeFile(t, top+"/bodies/zeros", strings.Repeat("\x00", 1<<20), 0o644)
	writeFile(t, top+"/bodies/sparse", "start", 0o644)
	f, err := os.OpenFile(top+"/bodies/sparse", os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt([]byte("middle"), 2<<20)
	must(t, err)
	must(t, f.Truncate(5<<20))
	must(t, f.Close())
	writeFile(t, top+"/links/one", "shared", 0o4711)
	must(t, os.Mkdir(top+"/links/sub", 0o755))
	must(t, os.Link(top+"/links/one", top+"/links/two"))
	must(t, os.Link(top+"/links/one", top+"/links/sub/three"))
	for name, target := range map[string]string{
		"dangling": "nowhere", "absolute": "/etc/passwd", "up": "../../..", "loop": "loop", "space": " ",
		"long": strings.Repeat("a/", 2000) + "a", "dir": "sub", "utf8": "→",
	} {
		must(t, os.Symlink(target, top+"/links/"+name))
	}
	must(t, os.Link(top+"/links/dir", top+"/links/dir2"))
}

func hardXattrs(t testing.TB, top string) {
	set := func(path, name, value string) {
		t.Helper()
		err := unix.Lsetxattr(path, name, []byte(value), 0)
		if err != nil && !errors.Is(err, unix.ENOTSUP) {
			t.Fatalf("set xattr %s of %s: %v", name, path, err)
		}
	}
	writeFile(t, top+"/xattrs/file", "x", 0o755)
	set(top+"/xattrs/file", "user.zulu", "last")
	set(top+"/xattrs/file", "user.alpha", "")
	set(top+"/xattrs/file", "user.binary", "\x00\xff\x00")
	set(top+"/xattrs/file", "user.big", strings.Repeat("v", 1000))
	set(top+"/xattrs", "user.dir", "d")
	set(top, "user.root", "r")
	must(t, os.Symlink("file", top+"/xattrs/link"))
	if !isRoot() {
		return
	}
	set(top+"/xattrs/link", "trusted.link", "l")
	writeFile(t, top+"/xattrs/cap", "x", 0o755)
	set(top+"/xattrs/cap", "security.capability", "\x01\x00\x00\x02\x00\x20\x00\x00"+strings.Repeat("\x00", 12))
	writeFile(t, top+"/xattrs/label", "x", 0o644)
	set(top+"/xattrs/label", "security.selinux", "system_u:object_r:etc_t:s0\x00")
	writeFile(t, top+"/xattrs/acl", "x", 0o644)
	set(top+"/xattrs/acl", "system.posix_acl_access", posixACL())
}

// posixACL is an ACL that lets user 5 read, as the kernel has it.
func posixACL() string {
	var acl bytes.Buffer
	acl.WriteString("\x02\x00\x00\x00")
	for _, e := range []struct{ tag, perm, id string }{
		{"\x01", "\x06", "\xff\xff\xff\xff"}, {"\x02", "\x04", "\x05\x00\x00\x00"}, {"\x04", "\x04", "\xff\xff\xff\xff"},
		{"\x10", "\x04", "\xff\xff\xff\xff"}, {"\x20", "\x04", "\xff\xff\xff\xff"},
	} {
		acl.WriteString(e.tag + "\x00" + e.perm + "\x00" + e.id)
	}
	return acl.String()
}

func hardOwners(t testing.TB, top string) {
	for i, owner := range [][2]int{{1, 2}, {65534, 65534}, {1<<32 - 2, 1<<32 - 2}, {1 << 31, 0}} {
		path := fmt.Sprintf("%s/owners/%d", top, i)
		writeFile(t, path, "x", 0o644)
		must(t, unix.Lchown(path, owner[0], owner[1]))
		must(t, os.Symlink("x", path+"-link"))
		must(t, unix.Lchown(path+"-link", owner[0], owner[1]))
		must(t, os.Mkdir(path+"-dir", 0o755))
		must(t, unix.Lchown(path+"-dir", owner[0], owner[1]))
	}
}
