package rootfs_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/rootfs"
	"golang.org/x/sys/unix"
)

// plant makes a tree of files, given as path and content by turns; a path that ends in
// "/" is a directory.
func plant(t *testing.T, pairs ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(pairs); i += 2 {
		at := filepath.Join(dir, pairs[i])
		if strings.HasSuffix(pairs[i], "/") {
			at += "/x"
		}
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(pairs[i], "/") {
			continue
		}
		if err := os.WriteFile(at, []byte(pairs[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func newRepo(t *testing.T, mode ostreerepo.Mode) *ostreerepo.Repo {
	t.Helper()
	path := filepath.Join(t.TempDir(), "repo")
	if err := ostreerepo.Create(path, mode, ostreerepo.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	r, err := ostreerepo.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func commit(t *testing.T, r *ostreerepo.Repo, dir string, o rootfs.Options) (sum object.Checksum, err error) {
	t.Helper()
	err = r.Update(t.Context(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) (err error) {
		sum, err = rootfs.Commit(t.Context(), tx, dir, o)
		return err
	})
	return sum, err
}

// labels lists the paths in a commit with their labels.
func labels(t *testing.T, r *ostreerepo.Repo, sum object.Checksum) map[string]string {
	t.Helper()
	c, err := r.Commit(sum)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for e, err := range r.Walk(c.Tree, c.Meta) {
		if err != nil {
			t.Fatal(err)
		}
		var x object.Xattrs
		if e.Dir {
			m, err := r.DirMeta(e.Meta)
			if err != nil {
				t.Fatal(err)
			}
			x = m.Xattrs
		} else {
			h, _, err := r.Stat(e.Checksum)
			if err != nil {
				t.Fatal(err)
			}
			x = h.Xattrs
		}
		label, _ := x.Lookup("security.selinux")
		all[e.Path] = strings.TrimRight(string(label), "\x00")
	}
	return all
}

func TestLabels(t *testing.T) {
	dir := plant(t,
		"etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=my\n",
		"etc/selinux/my/contexts/files/file_contexts", "/\t-d\troot_t\n/etc(/.*)?\tetc_t\n/usr(/.*)?\tusr_t\n/run\t-d\trun_t\n",
		"etc/selinux/my/policy/policy.33", "compiled", "usr/bin/a", "a", "run/gone/x", "x", "sysroot/gone", "x")
	if err := unix.Mkfifo(filepath.Join(dir, "run/fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	r := newRepo(t, ostreerepo.ModeBareUser)
	sum, err := commit(t, r, dir, rootfs.Options{Timestamp: 7})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"/": "root_t", "/run": "run_t", "/sysroot": "", "/usr": "usr_t", "/usr/bin": "usr_t", "/usr/bin/a": "usr_t",
		"/usr/etc": "etc_t", "/usr/etc/selinux": "etc_t", "/usr/etc/selinux/config": "etc_t", "/usr/etc/selinux/my": "etc_t",
		"/usr/etc/selinux/my/contexts": "etc_t", "/usr/etc/selinux/my/contexts/files": "etc_t",
		"/usr/etc/selinux/my/contexts/files/file_contexts": "etc_t",
		"/usr/etc/selinux/my/policy":                       "etc_t", "/usr/etc/selinux/my/policy/policy.33": "etc_t",
	}
	if diff := cmp.Diff(want, labels(t, r, sum)); diff != "" {
		t.Error(diff)
	}
	c, err := r.Commit(sum)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := r.DirMeta(c.Meta); err != nil || m.Mode != object.ModeDir|0o755 || m.UID != 0 || c.Timestamp != 7 {
		t.Errorf("%+v %v, time %d", m, err, c.Timestamp)
	}
}

// TestForeignLabels: labels of the machine that the tree was made on do not count.
func TestForeignLabels(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("labels are root's to set")
	}
	dir := plant(t, "usr/bin/a", "a")
	for _, path := range []string{"usr", "usr/bin/a"} {
		if err := unix.Setxattr(filepath.Join(dir, path), "security.selinux", []byte("host_t\x00"), 0); err != nil {
			t.Fatal(err)
		}
	}
	r := newRepo(t, ostreerepo.ModeArchive)
	sum, err := commit(t, r, dir, rootfs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for path, label := range labels(t, r, sum) {
		if label != "" {
			t.Errorf("%s: %s", path, label)
		}
	}
}

func TestKernel(t *testing.T) {
	r := newRepo(t, ostreerepo.ModeArchive)
	for _, c := range []struct {
		kernels []string
		want    string
	}{{nil, ""}, {[]string{"6.1"}, "6.1"}, {[]string{"6.1", "6.2"}, "error"}} {
		dir := plant(t, "usr/lib/modules/", "")
		for _, k := range c.kernels {
			os.Mkdir(filepath.Join(dir, "usr/lib/modules", k), 0o755)
			os.WriteFile(filepath.Join(dir, "usr/lib/modules", k, "vmlinuz"), nil, 0o644)
		}
		sum, err := commit(t, r, dir, rootfs.Options{Bootable: true})
		got := "error"
		if err == nil {
			commit, err := r.Commit(sum)
			if err != nil {
				t.Fatal(err)
			}
			got = ""
			if v, ok := commit.Metadata.Lookup("ostree.linux"); ok {
				got = v.Str()
			}
		}
		if got != c.want {
			t.Errorf("%q: %q %v, want %q", c.kernels, got, err, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	r := newRepo(t, ostreerepo.ModeArchive)
	for want, dir := range map[string]string{
		"both /etc and /usr/etc exist":    plant(t, "etc/", "", "usr/etc/", ""),
		"there is no directory for it":    plant(t, "etc/", ""),
		"nope: no such file or directory": filepath.Join(t.TempDir(), "nope"),
		"SELinux policy: ":                plant(t, "usr/etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=gone\n"),
	} {
		if _, err := commit(t, r, dir, rootfs.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestLend: a tree that is lent is as it was when the transaction comes to nothing.
func TestLend(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("objects of a bare repository are root's")
	}
	dir := plant(t, "usr/bin/a", "a", "etc/conf", "conf")
	links := func() uint64 {
		var st syscall.Stat_t
		if err := syscall.Stat(filepath.Join(dir, "usr/bin/a"), &st); err != nil {
			t.Fatal(err)
		}
		return uint64(st.Nlink)
	}
	done := errors.New("done")
	r := newRepo(t, ostreerepo.ModeBare)
	err := r.Update(t.Context(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		if _, err := rootfs.Commit(t.Context(), tx, dir, rootfs.Options{Lend: true}); err != nil {
			return err
		}
		if n := links(); n != 2 {
			t.Errorf("%d links: the file was copied", n)
		}
		return done
	})
	if n := links(); !errors.Is(err, done) || n != 1 {
		t.Errorf("%v, %d links", err, n)
	}
}
