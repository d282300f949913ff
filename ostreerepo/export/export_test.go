package export_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/export"
	"github.com/treenail/treenail/ostreerepo/tree"
	"golang.org/x/sys/unix"
)

const timestamp = 1700000000

// The tests compare with the real ostree and read with GNU tar; both have to be
// installed.

// commit commits the tree that add assembles.
func commit(t *testing.T, r *ostreerepo.Repo, timestamp uint64, add func(*tree.Tree) error) (c object.Checksum) {
	t.Helper()
	ctx := context.Background()
	err := r.Update(ctx, ostreerepo.UpdateOptions{DisableFsync: true}, func(tx *ostreerepo.Tx) error {
		tr := tree.New(tx, tree.Options{})
		if err := add(tr); err != nil {
			return err
		}
		contents, meta, err := tr.Write(ctx)
		if err != nil {
			return err
		}
		c, err = tx.PutCommit(&object.Commit{Timestamp: timestamp, Tree: contents, Meta: meta})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func commitDir(t *testing.T, r *ostreerepo.Repo, path string) object.Checksum {
	t.Helper()
	return commit(t, r, timestamp, func(tr *tree.Tree) error { return tr.AddDir(context.Background(), path) })
}

func write(t *testing.T, r *ostreerepo.Repo, c object.Checksum, o export.Options) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := export.Write(context.Background(), &out, r, c, o); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// run runs a program that has to succeed and to warn of nothing.
func run(t *testing.T, stdin []byte, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC")
	cmd.Stdin = bytes.NewReader(stdin)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, &stderr)
	}
	return out
}

// A maker makes a tree in a directory; what it can't do ends the test.
type maker struct {
	t   *testing.T
	top string
}

func (m maker) check(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

func (m maker) path(name string) string {
	path := filepath.Join(m.top, name)
	m.check(os.MkdirAll(filepath.Dir(path), 0o755))
	return path
}

func (m maker) file(name, body string, mode uint32) {
	m.check(os.WriteFile(m.path(name), []byte(body), 0o600))
	m.check(unix.Chmod(m.path(name), mode))
}

func (m maker) link(name, target string) { m.check(os.Symlink(target, m.path(name))) }
func (m maker) dir(name string, mode uint32) {
	m.check(os.MkdirAll(m.path(name), 0o755))
	m.check(unix.Chmod(m.path(name), mode))
}

func (m maker) xattr(name, key, value string) {
	m.check(unix.Lsetxattr(m.path(name), key, []byte(value), 0))
}

// plainTree has everything that is hard to write, but no two equal files.
func plainTree(t *testing.T) string {
	m := maker{t, t.TempDir()}
	m.check(os.Chmod(m.top, 0o755))
	m.file("usr/bin/su", "su", 0o4755)
	m.file("usr/bin/sg", "sg", 0o2711)
	m.file("empty", "", 0o644)
	m.file("big", strings.Repeat("0123456789abcdef", 50_000), 0o400)
	m.file("block", strings.Repeat("x", 512), 0o644)
	m.file("ünï/日本", "unicode", 0o644)
	m.file("sp ace\n=*\\", "odd name", 0o644)
	m.dir("sticky", 0o1777)
	m.link("usr/bin/l", "su")
	m.link("ünï/l", "日本")
	m.link("dangling", "/no/where")
	for _, n := range []int{98, 99, 100, 101, 102, 155, 200, 255} {
		m.file(strings.Repeat("f", n), fmt.Sprint("file", n), 0o644)
		m.dir(strings.Repeat("d", n), 0o755)
		m.link(fmt.Sprint("link", n), strings.Repeat("t", n))
		m.link(strings.Repeat("l", n), "short")
		m.link(strings.Repeat("m", n), strings.Repeat("t", n))
	}
	deep := strings.Repeat("deep/", 120)
	m.file(deep+"file", "deep", 0o644)
	m.link(deep+"link", strings.Repeat("../", 120))
	if os.Getuid() == 0 {
		for i, id := range []int{1<<21 - 1, 1 << 21, 1<<32 - 2} {
			name := fmt.Sprint("owner", i)
			m.file(name, name, 0o644)
			m.check(unix.Chown(m.path(name), id, id-1))
		}
	}
	return m.top
}

var modes = []ostreerepo.Mode{ostreerepo.ModeArchive, ostreerepo.ModeBare, ostreerepo.ModeBareUser, ostreerepo.ModeBareUserOnly}

func TestGNULikeOstree(t *testing.T) {
	top := plainTree(t)
	for _, mode := range modes {
		t.Run(mode.String(), func(t *testing.T) {
			if mode == ostreerepo.ModeBareUserOnly {
				top = t.TempDir() // it takes no setuid files
				(maker{t, top}).file("usr/bin/a", "a", 0o755)
			}
			r := repotest.New(t, mode)
			c := commitDir(t, r, top)
			for _, o := range []export.Options{{}, {NoXattrs: true}, {Prefix: "top"}, {Prefix: "/a/b/"}, {Subpath: "usr"}, {Subpath: "usr/bin", Prefix: "./x/"}} {
				args := []string{"--repo=" + r.Path(), "export", c.String(), "--subpath=/" + o.Subpath, "--prefix=" + o.Prefix}
				want := run(t, nil, "ostree", args...)
				got := write(t, r, c, o)
				if len(want)-len(got) >= 10240 || !bytes.Equal(got, want[:min(len(got), len(want))]) || len(bytes.Trim(want[len(got):], "\x00")) > 0 {
					t.Errorf("%v: %d bytes, differ from ostree's %d at %d", args, len(got), len(want), firstDifference(got, want))
				}
			}
		})
	}
}

func firstDifference(a, b []byte) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

func TestTimesLikeOstree(t *testing.T) {
	top := t.TempDir()
	r := repotest.New(t, ostreerepo.ModeArchive)
	for _, ts := range []uint64{0, 1, 1<<33 - 1, 1 << 33, 1 << 40, 1<<63 - 1, 1 << 63, 1<<64 - 1} {
		c := commit(t, r, ts, func(tr *tree.Tree) error { return tr.AddDir(context.Background(), top) })
		want := run(t, nil, "ostree", "--repo="+r.Path(), "export", c.String())
		if got := write(t, r, c, export.Options{}); !bytes.Equal(got, want[:len(got)]) {
			t.Errorf("%d: %q, want %q", ts, got[136:148], want[136:148])
		}
		h, err := tar.NewReader(bytes.NewReader(write(t, r, c, export.Options{Format: export.FormatPAX}))).Next()
		if err != nil || h.ModTime.Unix() != max(0, int64(ts)) {
			t.Errorf("%d in pax: %v, %v", ts, h, err)
		}
	}
}

// twinTree has equal files, which become hard links, and equal symlinks, which
// do not.
func twinTree(t *testing.T) string {
	m := maker{t, t.TempDir()}
	m.file("a", "twin", 0o4755)
	m.file("b", "twin", 0o755) // another mode, another object
	m.file("sub/c", "twin", 0o4755)
	m.file("sub/"+strings.Repeat("long", 40), "twin", 0o4755)
	m.file("empty1", "", 0o644)
	m.file("empty2", "", 0o644)
	m.file("big1", strings.Repeat("big", 200_000), 0o644)
	m.file("big2", strings.Repeat("big", 200_000), 0o644)
	m.link("l1", "a")
	m.link("l2", "a")
	return m.top
}

func TestHardLinks(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	c := commitDir(t, r, twinTree(t))
	want := []string{"top/big2 -> top/big1", "top/empty2 -> top/empty1", "top/sub/c -> top/a", "top/sub/" + strings.Repeat("long", 40) + " -> top/a"}
	for _, format := range []export.Format{export.FormatGNU, export.FormatPAX} {
		archive := write(t, r, c, export.Options{Prefix: "top/", Format: format})
		var got []string
		in := tar.NewReader(bytes.NewReader(archive))
		for {
			h, err := in.Next()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if h.Typeflag == tar.TypeLink {
				got = append(got, h.Name+" -> "+h.Linkname)
				if mode := int64(0o4755); strings.HasPrefix(h.Name, "top/sub") && h.Mode != mode {
					t.Errorf("%s: mode %o, want %o", h.Name, h.Mode, mode)
				}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("format %d: %s", format, diff)
		}
		listing := string(run(t, archive, "tar", "tvf", "-"))
		if !strings.Contains(listing, "top/sub/c link to top/a\n") || strings.Count(listing, "link to") != len(want) {
			t.Errorf("format %d:\n%s", format, listing)
		}
	}
}

// TestUnpacked compares what GNU tar unpacks with a checkout.
func TestUnpacked(t *testing.T) {
	for _, top := range []string{plainTree(t), twinTree(t)} {
		r := repotest.New(t, ostreerepo.ModeBare)
		c := commitDir(t, r, top)
		for _, format := range []export.Format{export.FormatGNU, export.FormatPAX} {
			dest := t.TempDir()
			run(t, write(t, r, c, export.Options{Format: format}), "tar", "xpf", "-", "-C", dest)
			if out := run(t, nil, "ostree", "--repo="+r.Path(), "diff", "--no-xattrs", c.String(), dest); len(out) > 0 {
				t.Errorf("format %d: %s", format, out)
			}
		}
	}
}

// xattrTree is a twinTree with xattrs, also on directories and the root.
func xattrTree(t *testing.T) string {
	m := maker{t, twinTree(t)}
	m.file("caps", "caps", 0o755)
	m.xattr("caps", "security.capability", "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	m.xattr("a", "user.text", "value")
	m.xattr("sub/c", "user.text", "value")
	m.xattr("sub", "user.binary", "\x00\x01=\n\xff\x00")
	m.xattr("sub", "user.a=b c%3D", "an equals sign in the name")
	m.xattr("sub", "user.ünï", strings.Repeat("x", 1000))
	m.xattr("l1", "trusted.of-a-symlink", "1")
	m.xattr(".", "user.root", "root")
	m.check(unix.Chmod(m.top, 0o711))
	return m.top
}

func roots(t *testing.T, r *ostreerepo.Repo, c object.Checksum) [2]object.Checksum {
	t.Helper()
	commit, err := r.Commit(c)
	if err != nil {
		t.Fatal(err)
	}
	return [2]object.Checksum{commit.Tree, commit.Meta}
}

func TestPAXReturns(t *testing.T) {
	for name, top := range map[string]string{"plain": plainTree(t), "twins": twinTree(t), "xattrs": xattrTree(t)} {
		t.Run(name, func(t *testing.T) {
			r := repotest.New(t, ostreerepo.ModeArchive)
			c := commitDir(t, r, top)
			archive := write(t, r, c, export.Options{Format: export.FormatPAX})

			back := repotest.New(t, ostreerepo.ModeArchive)
			again := commit(t, back, timestamp, func(tr *tree.Tree) error { return tr.AddTar(context.Background(), bytes.NewReader(archive)) })
			if got, want := roots(t, back, again), roots(t, r, c); got != want {
				t.Errorf("ours: %v, want %v", got, want)
			}
			theirs := repotest.New(t, ostreerepo.ModeArchive)
			out := run(t, archive, "ostree", "--repo="+theirs.Path(), "commit", "--orphan", "--tree=tar=/dev/stdin")
			again, err := object.ParseChecksum(strings.TrimSpace(string(out)))
			if err != nil {
				t.Fatal(err)
			}
			if got, want := roots(t, theirs, again), roots(t, r, c); got != want {
				t.Errorf("ostree's: %v, want %v", got, want)
			}
		})
	}
}

// TestPAXOddObjects returns what no file system has.
func TestPAXOddObjects(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	var c object.Checksum
	err := r.Update(t.Context(), ostreerepo.UpdateOptions{DisableFsync: true}, func(tx *ostreerepo.Tx) error {
		odd := object.FileHeader{Mode: object.ModeRegular | 0o644, UID: 1<<32 - 1, GID: 1 << 31, Xattrs: object.Xattrs{{Name: "user.empty"}, {Name: "x=", Value: []byte("1")}}}
		link := object.FileHeader{Mode: object.ModeSymlink | 0o640, Target: "a//./b/", Xattrs: object.Xattrs{{Name: "user.link", Value: []byte("1")}}}
		var files []object.FileEntry
		for name, h := range map[string]object.FileHeader{"a": odd, "b": link, "c": odd, "d": link} {
			sum, err := tx.PutFile(h, 0, strings.NewReader(""))
			if err != nil {
				return err
			}
			files = append(files, object.FileEntry{Name: name, Checksum: sum})
		}
		slices.SortFunc(files, func(a, b object.FileEntry) int { return strings.Compare(a.Name, b.Name) })
		contents, err := tx.PutMetadata(object.TypeDirTree, (&object.DirTree{Files: files}).Encode())
		if err != nil {
			return err
		}
		meta, err := tx.PutMetadata(object.TypeDirMeta, object.DirMeta{Mode: object.ModeDir | 0o755}.Encode())
		if err != nil {
			return err
		}
		c, err = tx.PutCommit(&object.Commit{Tree: contents, Meta: meta})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	archive := write(t, r, c, export.Options{Format: export.FormatPAX})
	again := commit(t, r, 0, func(tr *tree.Tree) error { return tr.AddTar(context.Background(), bytes.NewReader(archive)) })
	if got, want := roots(t, r, again), roots(t, r, c); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestNoXattrs(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	c := commitDir(t, r, xattrTree(t))
	for _, o := range []export.Options{{Format: export.FormatPAX, NoXattrs: true}, {}} {
		if archive := write(t, r, c, o); bytes.Contains(archive, []byte("xattr.")) {
			t.Errorf("%+v: xattrs in the archive", o)
		}
	}
}

type fullDisk struct{ room int }

func (f *fullDisk) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, unix.ENOSPC
	}
	return len(p), nil
}

func TestErrors(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeBare)
	c := commitDir(t, r, plainTree(t))
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, e := range []struct {
		name string
		err  error
		want error
	}{
		{"no commit", export.Write(t.Context(), io.Discard, r, object.Checksum{1}, export.Options{}), ostreerepo.ErrNotFound},
		{"no subpath", export.Write(t.Context(), io.Discard, r, c, export.Options{Subpath: "usr/nope"}), fs.ErrNotExist},
		{"a file", export.Write(t.Context(), io.Discard, r, c, export.Options{Subpath: "empty"}), unix.ENOTDIR},
		{"cancelled", export.Write(cancelled, io.Discard, r, c, export.Options{}), context.Canceled},
		{"full", export.Write(t.Context(), &fullDisk{300_000}, r, c, export.Options{}), unix.ENOSPC},
		{"full at the end", export.Write(t.Context(), &fullDisk{}, r, c, export.Options{}), unix.ENOSPC},
	} {
		if !errors.Is(e.err, e.want) {
			t.Errorf("%s: %v, want %v", e.name, e.err, e.want)
		}
	}
}

// TestDamage expects an error for each file that is not what it was.
func TestDamage(t *testing.T) {
	for _, size := range []int{100, 1 << 20} {
		m := maker{t, t.TempDir()}
		m.file("f", strings.Repeat("x", size), 0o644)
		r := repotest.New(t, ostreerepo.ModeBare)
		c := commitDir(t, r, m.top)
		f, err := r.Lookup(roots(t, r, c)[0], roots(t, r, c)[1], "f")
		m.check(err)
		_, path, err := r.Loose(object.Name{Checksum: f.Checksum, Type: object.TypeFile})
		m.check(err)
		m.check(os.WriteFile(r.Path()+"/objects/"+path, []byte(strings.Repeat("y", size)), 0o644))
		var damage *object.ChecksumError
		if err := export.Write(t.Context(), io.Discard, r, c, export.Options{}); !errors.As(err, &damage) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}
