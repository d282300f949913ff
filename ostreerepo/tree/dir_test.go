package tree_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/tree"
	"golang.org/x/sys/unix"
)

func number(n uint32) *uint32 { return &n }

// variants are options and what they are called on ostree's command line.
var variants = []struct {
	name string
	args []string
	o    tree.Options
}{
	{"plain", nil, tree.Options{}},
	{"owner", []string{"--owner-uid=7", "--owner-gid=9"}, tree.Options{UID: number(7), GID: number(9)}},
	{"owner root", []string{"--owner-uid=0"}, tree.Options{UID: number(0)}},
	{"canonical", []string{"--canonical-permissions"}, tree.Options{CanonicalPermissions: true}},
	{"no xattrs", []string{"--no-xattrs"}, tree.Options{NoXattrs: true}},
	{"read-only executables", []string{"--mode-ro-executables"}, tree.Options{ReadOnlyExecutables: true}},
	{"all", []string{"--canonical-permissions", "--no-xattrs", "--mode-ro-executables"},
		tree.Options{CanonicalPermissions: true, NoXattrs: true, ReadOnlyExecutables: true}},
}

func TestHardTree(t *testing.T) {
	top := hardTree(t)
	oracle := newOracle(t, "archive")
	r := repotest.New(t, ostreerepo.ModeArchive)
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			got := mustBuild(t, r, v.o, dirs(top))
			compare(t, r, got, oracle, theirs(t, oracle, append(v.args, top)...))
		})
	}
}

func TestManyFiles(t *testing.T) {
	top := t.TempDir()
	for i := range 5000 {
		writeFile(t, fmt.Sprintf("%s/%d", top, i), fmt.Sprint(i%10), 0o644)
	}
	oracle, r := newOracle(t, "bare-user"), repotest.New(t, ostreerepo.ModeBareUser)
	compare(t, r, mustBuild(t, r, tree.Options{}, dirs(top)), oracle, theirs(t, oracle, top))
}

// TestModes shows that the checksums do not depend on how objects are stored.
func TestModes(t *testing.T) {
	top := filepath.Join(t.TempDir(), "top")
	hardModes(t, top)
	hardBodies(t, top)
	want := theirs(t, newOracle(t, "archive"), top)
	for _, mode := range []ostreerepo.Mode{ostreerepo.ModeArchive, ostreerepo.ModeBareUser, ostreerepo.ModeBare} {
		if mode == ostreerepo.ModeBare && !isRoot() {
			continue // only root can give files away
		}
		if got := mustBuild(t, repotest.New(t, mode), tree.Options{}, dirs(top)); got != want {
			t.Errorf("%v: %v, want %v", mode, got, want)
		}
	}
}

func TestBareUserOnlyIsCanonical(t *testing.T) {
	top := hardTree(t)
	oracle := newOracle(t, "bare-user-only")
	r := repotest.New(t, ostreerepo.ModeBareUserOnly)
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			got := mustBuild(t, r, v.o, dirs(top))
			compare(t, r, got, oracle, theirs(t, oracle, append(v.args, top)...))
		})
	}
}

func TestDisableXattrs(t *testing.T) {
	top := t.TempDir()
	hardXattrs(t, top)
	oracle := newOracle(t, "archive")
	want := theirs(t, oracle, "--no-xattrs", top)
	r := repotest.New(t, ostreerepo.ModeArchive)
	c := r.Config()
	c.Set("core", "disable-xattrs", "true")
	must(t, r.WriteConfig(c))
	r, err := ostreerepo.Open(r.Path())
	must(t, err)
	defer r.Close()
	if got := mustBuild(t, r, tree.Options{}, dirs(top)); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestUnion(t *testing.T) {
	top := t.TempDir()
	writeFile(t, top+"/a/etc/keep", "1", 0o644)
	writeFile(t, top+"/a/etc/both", "1", 0o644)
	must(t, os.Symlink("old", top+"/a/etc/link"))
	writeFile(t, top+"/b/etc/both", "2", 0o755)
	writeFile(t, top+"/b/etc/link", "no link any more", 0o644)
	writeFile(t, top+"/b/var/new", "2", 0o644)
	must(t, os.Chmod(top+"/b/etc", 0o700))
	must(t, os.Chmod(top+"/b", 0o711))
	oracle, r := newOracle(t, "archive"), repotest.New(t, ostreerepo.ModeArchive)
	got := mustBuild(t, r, tree.Options{}, dirs(top+"/a", top+"/b"))
	compare(t, r, got, oracle, theirs(t, oracle, "--tree=dir="+top+"/a", "--tree=dir="+top+"/b"))

	writeFile(t, top+"/c/etc", "a file", 0o644)
	for _, c := range []struct{ first, second, want string }{
		{"a", "c", "Can't replace directory with file: etc"},
		{"c", "a", "Can't replace file with directory: etc"},
	} {
		_, err := build(r, tree.Options{}, dirs(top+"/"+c.first, top+"/"+c.second))
		_, oracleErr := tryTheirs(oracle, "--tree=dir="+top+"/"+c.first, "--tree=dir="+top+"/"+c.second)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(oracleErr.Error(), c.want) {
			t.Errorf("%s over %s: %v; ostree: %v; want %q in both", c.second, c.first, err, oracleErr, c.want)
		}
	}
}

func TestSpecialFiles(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	oracle := newOracle(t, "archive")
	for _, name := range []string{"socket", "fifo", "device"} {
		top := t.TempDir()
		path := top + "/sub/" + name
		must(t, os.Mkdir(top+"/sub", 0o755))
		switch name {
		case "socket":
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
			must(t, err)
			defer l.Close()
		case "fifo":
			must(t, unix.Mkfifo(path, 0o644))
		case "device":
			if !isRoot() {
				continue
			}
			must(t, unix.Mknod(path, unix.S_IFCHR|0o644, int(unix.Mkdev(1, 3))))
		}
		want := "Not a regular file or symlink: " + name
		_, err := build(r, tree.Options{}, dirs(top))
		_, oracleErr := tryTheirs(oracle, top)
		if err == nil || err.Error() != want || !strings.Contains(oracleErr.Error(), want) {
			t.Errorf("%v; ostree: %v; want %q", err, oracleErr, want)
		}
	}
}

func TestUnwritableNames(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	for name, make := range map[string]func(top string) error{
		`Invalid UTF-8 in filename`:             func(top string) error { return os.WriteFile(top+"/a\xff", nil, 0o644) },
		`symlink target "\xff" is not UTF-8`:    func(top string) error { return os.Symlink("\xff", top+"/link") },
		`Invalid UTF-8 in filename "dir\xfe"`:   func(top string) error { return os.Mkdir(top+"/dir\xfe", 0o755) },
		`/link: symlink target "a\xffb" is not`: func(top string) error { return os.Symlink("a\xffb", top+"/link") },
	} {
		top := t.TempDir()
		must(t, make(top))
		if _, err := build(r, tree.Options{}, dirs(top)); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want %q", err, name)
		}
	}
}

func TestAddDirOfNoDirectory(t *testing.T) {
	top := t.TempDir()
	writeFile(t, top+"/file", "x", 0o644)
	must(t, os.Symlink(".", top+"/link"))
	r := repotest.New(t, ostreerepo.ModeArchive)
	for _, name := range []string{"file", "link", "missing"} {
		_, err := build(r, tree.Options{}, dirs(top+"/"+name))
		var pathError *fs.PathError
		if !errors.As(err, &pathError) || pathError.Path != top+"/"+name {
			t.Errorf("%s: %v, want an error that names it", name, err)
		}
	}
}

// TestFirstError shows that of several errors the first in the order of the walk
// is reported, whichever worker comes to it first.
func TestFirstError(t *testing.T) {
	top := t.TempDir()
	writeFile(t, top+"/0", random(1, 2<<20), 0o644)
	for _, name := range []string{"1", "2", "3", "4", "5"} {
		must(t, os.Symlink("\xff", top+"/"+name))
	}
	must(t, unix.Mkfifo(top+"/6", 0o644))
	r := repotest.New(t, ostreerepo.ModeArchive)
	for range 20 {
		if _, err := build(r, tree.Options{}, dirs(top)); err == nil || !strings.Contains(err.Error(), top+"/1:") {
			t.Fatalf("%v, want the error of %s/1", err, top)
		}
	}
}

func TestCancel(t *testing.T) {
	top := t.TempDir()
	writeFile(t, top+"/sub/file", "x", 0o644)
	err := repotest.New(t, ostreerepo.ModeArchive).Update(context.Background(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		return tree.New(tx, tree.Options{}).AddDir(ctx, top)
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
}

// TestUnreadable needs a process without root's powers: the test program runs
// itself as another user, through /proc since that user need not reach its path.
func TestUnreadable(t *testing.T) {
	if top := os.Getenv("TREE_TEST_UNREADABLE"); top != "" {
		unreadable(t, top)
		return
	}
	top, err := os.MkdirTemp("", "tree-unreadable")
	must(t, err)
	defer os.RemoveAll(top)
	must(t, os.Chmod(top, 0o777))
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestUnreadable$")
	cmd.Dir = top
	cmd.Env = append(os.Environ(), "TREE_TEST_UNREADABLE="+top, "TMPDIR="+top)
	if isRoot() {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func unreadable(t *testing.T, top string) {
	r := repotest.New(t, ostreerepo.ModeBareUser)
	for _, name := range []string{"file", "dir"} {
		src := filepath.Join(top, name)
		if name == "file" {
			writeFile(t, src+"/a/secret", "x", 0)
		} else {
			must(t, os.MkdirAll(src+"/a", 0o755))
			must(t, os.Mkdir(src+"/a/secret", 0))
		}
		_, err := build(r, tree.Options{}, dirs(src))
		if !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), src+"/a/secret") {
			t.Errorf("%v, want a permission error that names %s/a/secret", err, src)
		}
	}
}

func TestProgress(t *testing.T) {
	top := t.TempDir()
	writeFile(t, top+"/a", "12345", 0o644)
	writeFile(t, top+"/b", "1234567", 0o644)
	must(t, os.Link(top+"/b", top+"/c"))
	var last int64
	o := tree.Options{Progress: func(done, total int64) {
		if done < last || total >= 0 {
			t.Errorf("progress %d of %d after %d", done, total, last)
		}
		last = done
	}}
	mustBuild(t, repotest.New(t, ostreerepo.ModeArchive), o, dirs(top))
	if last != 5+7+7 {
		t.Errorf("progress ended at %d bytes, want 19", last)
	}
}

func TestEmptyTree(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	if _, err := build(r, tree.Options{}, dirs()); err != tree.ErrEmpty {
		t.Errorf("%v, want ErrEmpty", err)
	}
}
