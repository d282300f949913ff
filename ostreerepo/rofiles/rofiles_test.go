package rofiles_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/treenail/treenail/ostreerepo/rofiles"
	"golang.org/x/sys/unix"
)

// view is a directory with some files, and the place where it is shown.
type view struct {
	t         *testing.T
	base, mnt string
}

// show shows a directory that has a file with two names, one with one, a symlink to
// the former, and one out of the directory.
func show(t *testing.T, o rofiles.Options) *view {
	t.Helper()
	dir := t.TempDir()
	v := &view{t, dir + "/base", dir + "/view/mnt"} // not beside each other: ".." differs
	for _, d := range []string{v.base, dir + "/view", v.mnt, v.base + "/sub"} {
		v.ok(os.Mkdir(d, 0o755))
	}
	v.ok(os.WriteFile(v.base+"/shared", []byte("shared"), 0o640))
	v.ok(unix.Setxattr(v.base+"/shared", "user.x", []byte("y"), 0))
	v.ok(os.Link(v.base+"/shared", dir+"/object"))
	v.ok(os.WriteFile(v.base+"/own", []byte("own"), 0o644))
	v.ok(os.Symlink("shared", v.base+"/link"))
	v.ok(os.WriteFile(dir+"/secret", []byte("secret"), 0o644))
	v.ok(os.Symlink("..", v.base+"/sub/out"))
	server, err := rofiles.Mount(v.base, v.mnt, o)
	v.ok(err)
	t.Cleanup(func() {
		v.ok(server.Unmount())
		server.Wait()
		if got := v.read(dir + "/object"); got != "shared" {
			t.Errorf("the object was changed to %q", got)
		}
	})
	return v
}

func (v *view) ok(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

func (v *view) read(path string) string {
	v.t.Helper()
	data, err := os.ReadFile(path)
	v.ok(err)
	return string(data)
}

// changes are all ways to change a file.
var changes = map[string]func(path string) error{
	"write":       func(p string) error { return os.WriteFile(p, []byte("new"), 0o644) },
	"append":      func(p string) error { return appendTo(p) },
	"truncate":    func(p string) error { return os.Truncate(p, 1) },
	"chmod":       func(p string) error { return os.Chmod(p, 0o600) },
	"setxattr":    func(p string) error { return unix.Setxattr(p, "user.a", []byte("b"), 0) },
	"removexattr": func(p string) error { return unix.Removexattr(p, "user.x") },
}

func appendTo(path string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString("+")
	return err
}

func TestShared(t *testing.T) {
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			v := show(t, rofiles.Options{})
			for _, path := range []string{"/shared", "/link"} {
				if err := change(v.mnt + path); !errors.Is(err, syscall.EROFS) {
					t.Errorf("%s: %v", path, err)
				}
			}
			if name != "removexattr" {
				v.ok(change(v.mnt + "/own"))
			}
		})
	}
}

func TestCopyUp(t *testing.T) {
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			v := show(t, rofiles.Options{CopyUp: true})
			v.ok(change(v.mnt + "/link"))
			var st unix.Stat_t
			v.ok(unix.Stat(v.base+"/shared", &st))
			if st.Nlink != 1 {
				t.Error("the file is still shared")
			}
			if _, err := os.Readlink(v.base + "/link"); err != nil {
				t.Error("the symlink was replaced")
			}
			if name == "append" && v.read(v.base+"/shared") != "shared+" {
				t.Errorf("content %q", v.read(v.base+"/shared"))
			}
			if n, err := unix.Getxattr(v.base+"/shared", "user.x", nil); name != "removexattr" && (n != 1 || err != nil) {
				t.Error("the xattr was lost")
			}
			entries, err := os.ReadDir(v.base)
			v.ok(err)
			if len(entries) != 4 {
				t.Errorf("%d entries in the directory: something was left", len(entries))
			}
			if got := v.read(v.mnt + "/link"); got != v.read(v.base+"/shared") {
				t.Errorf("the view shows %q", got)
			}
		})
	}
}

// What changes names only is always allowed.
func TestNames(t *testing.T) {
	v := show(t, rofiles.Options{})
	v.ok(os.WriteFile(v.mnt+"/new", []byte("new"), 0o600))
	v.ok(os.Mkdir(v.mnt+"/dir", 0o700))
	v.ok(os.Rename(v.mnt+"/new", v.mnt+"/dir/moved"))
	v.ok(os.Symlink("target", v.mnt+"/dir/link"))
	v.ok(os.Link(v.mnt+"/dir/moved", v.mnt+"/dir/twin"))
	if err := os.WriteFile(v.mnt+"/dir/twin", nil, 0o644); !errors.Is(err, syscall.EROFS) {
		t.Errorf("a file that got a second name: %v", err)
	}
	v.ok(os.Remove(v.mnt + "/dir/twin"))
	v.ok(os.WriteFile(v.mnt+"/dir/moved", []byte("again"), 0o644))
	v.ok(os.Chtimes(v.mnt+"/shared", time.Unix(1, 0), time.Unix(1, 0)))
	v.ok(os.Rename(v.mnt+"/shared", v.mnt+"/renamed"))
	v.ok(os.Remove(v.mnt + "/renamed"))
	if err := unix.Mkfifo(v.mnt+"/fifo", 0o644); !errors.Is(err, syscall.EROFS) {
		t.Errorf("a fifo: %v", err)
	}
	if got := v.read(v.base + "/dir/moved"); got != "again" {
		t.Errorf("content %q", got)
	}
	if st, err := os.Stat(v.base + "/dir/moved"); err != nil || st.Mode() != 0o600 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
}

// A directory that is replaced by a symlink meanwhile leads nowhere, though somebody
// has it open.
func TestStaysBelow(t *testing.T) {
	v := show(t, rofiles.Options{})
	v.ok(os.Mkdir(v.mnt+"/d", 0o755))
	dir, err := os.Open(v.mnt + "/d")
	v.ok(err)
	defer dir.Close()
	v.ok(os.Rename(v.base+"/d", v.base+"/e"))
	v.ok(os.Symlink("..", v.base+"/d"))
	fd, err := unix.Openat(int(dir.Fd()), "secret", unix.O_RDWR, 0)
	if err == nil {
		unix.Close(fd)
		t.Error("a file outside of the directory was opened")
	}
}

func TestManyAtOnce(t *testing.T) {
	v := show(t, rofiles.Options{CopyUp: true})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			dir := v.mnt + "/" + strings.Repeat("d", i+1)
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Error(err)
			}
			for range 50 {
				if err := os.WriteFile(dir+"/f", []byte(dir), 0o644); err != nil {
					t.Error(err)
				}
				if data, err := os.ReadFile(dir + "/f"); err != nil || string(data) != dir {
					t.Errorf("%q, %v", data, err)
				}
				if err := os.Remove(dir + "/f"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func TestMountErrors(t *testing.T) {
	dir := t.TempDir()
	if _, err := rofiles.Mount(dir+"/nosuch", dir, rofiles.Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no base: %v", err)
	}
	if _, err := rofiles.Mount(dir, dir+"/nosuch", rofiles.Options{}); err == nil || !strings.Contains(err.Error(), dir+"/nosuch") {
		t.Errorf("no mountpoint: %v", err)
	}
}
