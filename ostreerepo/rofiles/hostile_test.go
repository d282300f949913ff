package rofiles_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/treenail/treenail/ostreerepo/rofiles"
	"golang.org/x/sys/unix"
)

// asked are mount options with which the kernel asks for each name each time.
var asked = []string{"entry_timeout=0", "attr_timeout=0"}

// capability is the xattr of a program with CAP_NET_RAW: revision 2, effective.
var capability = []byte{1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

// A copy is as the file was, but for what is changed.
func TestCopyKeepsMetadata(t *testing.T) {
	v := show(t, rofiles.Options{CopyUp: true})
	p := v.base + "/shared"
	v.ok(os.Chown(p, 12, 34))
	v.ok(os.Chmod(p, 0o750|os.ModeSetuid))
	v.ok(unix.Setxattr(p, "security.capability", capability, 0))
	v.ok(os.Chtimes(p, time.Unix(5, 6), time.Unix(7, 8)))
	v.ok(unix.Setxattr(v.mnt+"/shared", "user.a", nil, 0))
	var st unix.Stat_t
	v.ok(unix.Stat(p, &st))
	if st.Nlink != 1 || st.Uid != 12 || st.Gid != 34 || st.Mode&0o7777 != 0o4750 || st.Mtim != (unix.Timespec{Sec: 7, Nsec: 8}) {
		t.Errorf("the copy: %+v", st)
	}
	got := make([]byte, 64)
	n, err := unix.Getxattr(p, "security.capability", got)
	v.ok(err)
	if !bytes.Equal(got[:n], capability) {
		t.Errorf("capability %x", got[:n])
	}
}

func TestCopySymlink(t *testing.T) {
	v := show(t, rofiles.Options{CopyUp: true})
	v.ok(os.Link(v.base+"/link", v.base+"/../linkobject"))
	v.ok(os.Lchown(v.mnt+"/link", 5, 6))
	var st unix.Stat_t
	v.ok(unix.Lstat(v.base+"/link", &st))
	if target, err := os.Readlink(v.base + "/link"); target != "shared" || err != nil || st.Uid != 5 || st.Nlink != 1 {
		t.Errorf("%q, %v, %+v", target, err, st)
	}
	v.ok(unix.Lstat(v.base+"/../linkobject", &st))
	if st.Uid == 5 {
		t.Error("the object was changed")
	}
}

// Who writes gets a copy, too, while somebody reads the shared file.
func TestCopyWhileRead(t *testing.T) {
	v := show(t, rofiles.Options{CopyUp: true, Mount: asked})
	reader, err := os.Open(v.mnt + "/shared")
	v.ok(err)
	defer reader.Close()
	v.ok(os.WriteFile(v.mnt+"/shared", []byte("other"), 0))
	if got := v.read(v.base + "/shared"); got != "other" {
		t.Errorf("content %q", got)
	}
}

// All who write at once write to the same copy.
func TestCopyOnce(t *testing.T) {
	v := show(t, rofiles.Options{CopyUp: true})
	var all sync.WaitGroup
	const writers = 16
	for i := range writers {
		all.Go(func() {
			f, err := os.OpenFile(v.mnt+"/shared", os.O_WRONLY, 0)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte{byte('a' + i)}, int64(i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := v.read(v.base + "/shared"); got != "abcdefghijklmnop" {
		t.Errorf("content %q", got)
	}
}

// An open file without a name is still that file, and not the directory.
func TestUnlinkedFile(t *testing.T) {
	v := show(t, rofiles.Options{Mount: asked})
	f, err := os.OpenFile(v.mnt+"/own", os.O_RDWR, 0)
	v.ok(err)
	defer f.Close()
	v.ok(os.Remove(v.mnt + "/own"))
	v.ok(f.Truncate(1))
	_, err = f.WriteAt([]byte("O"), 0)
	v.ok(err)
	if st, err := f.Stat(); err != nil || st.Size() != 1 || st.IsDir() {
		t.Errorf("%+v, %v", st, err)
	}
	v.unlinkedShared()
	if st, err := os.Stat(v.base); err != nil || st.Mode().Perm() != 0o755 {
		t.Errorf("the directory: %v, %v", st.Mode(), err)
	}
}

// unlinkedShared changes an open file whose only name left is the object's.
func (v *view) unlinkedShared() {
	f, err := os.Open(v.mnt + "/shared")
	v.ok(err)
	defer f.Close()
	v.ok(os.Remove(v.mnt + "/shared"))
	if err := f.Chmod(0o600); err == nil {
		v.t.Error("the mode was changed")
	}
	if st, err := os.Stat(v.base + "/../object"); err != nil || st.Mode().Perm() != 0o640 {
		v.t.Errorf("the object: %v, %v", st.Mode(), err)
	}
}

// A shared file cannot be truncated by opening it for reading.
func TestTruncateByRead(t *testing.T) {
	v := show(t, rofiles.Options{})
	_, err := unix.Open(v.mnt+"/shared", unix.O_RDONLY|unix.O_TRUNC, 0)
	if err != unix.EROFS {
		t.Errorf("error %v", err)
	}
}

// Flags of a file are not changed through a descriptor for reading.
func TestIoctl(t *testing.T) {
	v := show(t, rofiles.Options{})
	f, err := os.Open(v.mnt + "/shared")
	v.ok(err)
	defer f.Close()
	if err := unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, 0x20); err == nil {
		t.Error("no error")
	}
}

// A directory in which somebody works stays the same one.
func TestDirectoryStays(t *testing.T) {
	v := show(t, rofiles.Options{Mount: asked})
	dir, err := os.Open(v.mnt + "/sub")
	v.ok(err)
	defer dir.Close()
	for range 2 {
		_, err = os.Stat(v.mnt + "/sub")
		v.ok(err)
		path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", dir.Fd()))
		v.ok(err)
		if path != v.mnt+"/sub" {
			t.Errorf("the directory is %s now", path)
		}
	}
}

// New files have the group that the directory gives them.
func TestSetgid(t *testing.T) {
	v := show(t, rofiles.Options{})
	v.ok(os.Chown(v.base+"/sub", 0, 34))
	v.ok(os.Chmod(v.base+"/sub", 0o755|os.ModeSetgid))
	v.ok(os.WriteFile(v.mnt+"/sub/new", nil, 0o644))
	var st unix.Stat_t
	v.ok(unix.Stat(v.base+"/sub/new", &st))
	if st.Gid != 34 {
		t.Errorf("group %d", st.Gid)
	}
}

// A file that is replaced by a symlink meanwhile is not followed, though the kernel
// thinks that it knows it.
func TestReplacedBySymlink(t *testing.T) {
	v := show(t, rofiles.Options{CopyUp: true, Mount: []string{"entry_timeout=60", "attr_timeout=60"}})
	_, err := os.Stat(v.mnt + "/own")
	v.ok(err)
	secret := v.base + "/../secret"
	v.ok(os.Remove(v.base + "/own"))
	v.ok(os.Symlink("../secret", v.base+"/own"))
	for _, change := range changes {
		change(v.mnt + "/own") // the kernel may follow the symlink, to ../secret from there
	}
	if data, err := os.ReadFile(v.mnt + "/own"); err == nil && string(data) == "secret" {
		t.Error("the file outside was read")
	}
	var st unix.Stat_t
	v.ok(unix.Stat(secret, &st))
	if n, _ := unix.Listxattr(secret, nil); st.Mode&0o777 != 0o644 || n != 0 || v.read(secret) != "secret" {
		t.Errorf("the file outside was changed: %+v", st)
	}
}

// A fifo that takes a file's place keeps the server waiting for nobody.
func TestReplacedByFifo(t *testing.T) {
	v := show(t, rofiles.Options{Single: true, Mount: []string{"entry_timeout=60", "attr_timeout=60"}})
	_, err := os.Stat(v.mnt + "/own")
	v.ok(err)
	v.ok(os.Remove(v.base + "/own"))
	v.ok(unix.Mkfifo(v.base+"/own", 0o644))
	if fd, err := unix.Open(v.mnt+"/own", unix.O_RDONLY|unix.O_NONBLOCK, 0); err == nil { // the fifo itself
		unix.Close(fd)
	}
	if got := v.read(v.mnt + "/shared"); got != "shared" {
		t.Errorf("content %q", got)
	}
}

func TestReadOnly(t *testing.T) {
	v := show(t, rofiles.Options{Mount: []string{"ro"}})
	if err := os.WriteFile(v.mnt+"/new", nil, 0o644); !errors.Is(err, syscall.EROFS) {
		t.Errorf("error %v", err)
	}
}

func TestUnknownOption(t *testing.T) {
	dir := t.TempDir()
	for _, option := range []string{"nosuch", "fd=3", "max_read=x", "umask=0", "fsname="} {
		var unknown *rofiles.OptionError
		_, err := rofiles.Mount(dir, dir, rofiles.Options{Mount: []string{"ro", option}})
		if !errors.As(err, &unknown) || unknown.Option != option {
			t.Errorf("%s: %v", option, err)
		}
	}
}

// What is in use is taken away all the same.
func TestUnmountBusy(t *testing.T) {
	dir := t.TempDir()
	base, mnt := dir+"/base", dir+"/mnt"
	for _, d := range []string{base, mnt} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	server, err := rofiles.Mount(base, mnt, rofiles.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(mnt + "/f")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Unmount(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(mnt + "/f"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("still there: %v", err)
	}
	if _, err := f.WriteString("x"); err != nil {
		t.Error(err)
	}
	f.Close()
	server.Wait()
}
