package pull_test

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/pull"
	"github.com/treenail/treenail/ostreerepo/tree"
	"golang.org/x/sys/unix"
)

// ostree runs the real program. The error has the text after "error: ".
func ostree(t testing.TB, args ...string) (stdout string, err error) {
	t.Helper()
	path, err := exec.LookPath("ostree")
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = append(os.Environ(), "OSTREE_EXP_WRITE_BARE_SPLIT_XATTRS=1", "LC_ALL=C.UTF-8")
	if err := cmd.Run(); err != nil {
		_, text, _ := strings.Cut(strings.TrimSpace(errs.String()), "error: ")
		return "", fmt.Errorf("%s", text)
	}
	return strings.TrimSpace(out.String()), nil
}

// plainTree has only what every mode can hold.
func plainTree(b repotest.Builder) {
	b.Dir("usr/bin", 0o755)
	b.File("usr/bin/a", "a", 0o755)
	b.File("usr/bin/b", "b", 0o775)
	b.File("usr/zero", "", 0o644)
	b.File("usr/private", "p", 0o600)
	b.File("usr/big", strings.Repeat("0123456789abcde\n", 1<<16), 0o644) // more than is read into memory at once
	b.Symlink("usr/link", "bin/a")
	b.Symlink("usr/away", "/etc/passwd")
	b.Dir("usr/empty", 0o755)
	for i := range 12 {
		b.File(fmt.Sprintf("usr/share/%d/%d", i%4, i), fmt.Sprint(i), 0o644)
	}
}

// hardTree has what is easily lost too.
func hardTree(b repotest.Builder) {
	plainTree(b)
	for _, mode := range []uint32{0, 0o044, 0o200, 0o666, 0o1644, 0o2755, 0o4755, 0o7777} {
		b.File(fmt.Sprintf("mode/%04o", mode), fmt.Sprint(mode), mode)
	}
	b.File("mode/big", strings.Repeat("unreadable\n", 1<<16), 0)
	b.File("zero", "", 0)
	b.Dir("sticky", 0o1777)
	b.File("owned", "owned", 0o644)
	b.Must(os.Lchown(b.Path("owned"), 5, 6))
	b.Must(unix.Chmod(b.Path("owned"), 0o4711))
	b.Symlink("ownlink", "owned")
	b.Must(os.Lchown(b.Path("ownlink"), 7, 8))
	b.File("xattrs", "x", 0o644)
	b.Xattr("xattrs", "user.text", "value")
	b.Xattr("xattrs", "security.capability", "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	b.Xattr("sticky", "trusted.dir", "d")
	b.Xattr("ownlink", "trusted.link", "l")
}

// emptyRepo makes a repository, with more lines in its config's group core. It is
// written by hand and never synced: the tests' time is the disk's.
func emptyRepo(t testing.TB, mode ostreerepo.Mode, core ...string) *ostreerepo.Repo {
	t.Helper()
	b := repotest.NewBuilder(t, filepath.Join(t.TempDir(), "repo"))
	for _, dir := range []string{"extensions", "objects", "refs/heads", "refs/mirrors", "refs/remotes", "state", "tmp/cache"} {
		b.Dir(dir, 0o755)
	}
	core = append([]string{"[core]", "repo_version=1", "mode=" + mode.String(), "fsync=false"}, core...)
	b.File("config", strings.Join(core, "\n")+"\n", 0o644)
	return reopen(t, b.Path(""))
}

func reopen(t testing.TB, path string) *ostreerepo.Repo {
	t.Helper()
	r, err := ostreerepo.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// commit adds a commit of a directory to a ref, bound to it, with a time that
// makes it the same in all repositories.
func commit(t testing.TB, r *ostreerepo.Repo, ref string, number uint64, dir string) object.Checksum {
	t.Helper()
	var sum object.Checksum
	err := r.Update(context.Background(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		tr := tree.New(tx, tree.Options{CanonicalPermissions: r.Mode() == ostreerepo.ModeBareUserOnly})
		if err := tr.AddDir(context.Background(), dir); err != nil {
			return err
		}
		contents, meta, err := tr.Write(context.Background())
		if err != nil {
			return err
		}
		c := &object.Commit{Tree: contents, Meta: meta, Timestamp: number}
		c.Metadata = gvariant.NewVardict(gvariant.Entry{Key: ostreerepo.RefBindingKey, Value: gvariant.NewStrings([]string{ref})})
		if c.Parent, _, err = r.Ref(ref); err != nil {
			return err
		}
		if sum, err = tx.PutCommit(c); err != nil {
			return err
		}
		return tx.SetRef(ref, sum)
	})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// history is a repository with three commits of main: first, second and third.
type history struct {
	*ostreerepo.Repo
	dir     string // the tree of the third, to be changed
	commits []object.Checksum
}

func newHistory(t testing.TB, mode ostreerepo.Mode, config ...string) history {
	t.Helper()
	h := history{Repo: emptyRepo(t, mode, config...), dir: t.TempDir()}
	b := repotest.NewBuilder(t, h.dir)
	plainTree(b)
	for i, word := range []string{"first", "second", "third"} {
		b.File("usr/share/word", word, 0o644)
		h.commits = append(h.commits, commit(t, h.Repo, "main", uint64(i+1), h.dir))
	}
	return h
}

// objects lists the objects of a type by their paths.
func objects(t testing.TB, r *ostreerepo.Repo, suffix string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(r.Path(), "objects/*/*."+suffix))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func local(t testing.TB, dst, src *ostreerepo.Repo, o pull.Options) *pull.Result {
	t.Helper()
	result, err := pull.Local(context.Background(), dst, src, o)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// sound fails the test unless fsck finds commits many whole commits, and partial
// many that are marked partial.
func sound(t testing.TB, r *ostreerepo.Repo, commits, partial int) {
	t.Helper()
	report, err := r.Fsck(context.Background(), ostreerepo.FsckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Problems) > 0 || len(report.Commits) != commits || len(report.Partial) != partial {
		t.Errorf("fsck: %d commits, %d partial ones, want %d and %d; %v", len(report.Commits), len(report.Partial), commits, partial, report.Problems)
	}
}

// snapshot describes what lasts in a repository: each file in a line, by its
// path. A file that is also one of the repository from is said to be a link.
func snapshot(t testing.TB, r, from *ostreerepo.Repo) map[string]string {
	t.Helper()
	links := map[uint64]bool{}
	walk(t, from.Path(), func(_ string, st *unix.Stat_t) { links[st.Ino] = true })
	all := map[string]string{}
	walk(t, r.Path(), func(path string, st *unix.Stat_t) {
		rel, _ := filepath.Rel(r.Path(), path)
		if rel == "." || rel == ".lock" || rel == "tmp/cache" {
			return
		}
		line := fmt.Sprintf("%o %d:%d %s", st.Mode, st.Uid, st.Gid, body(t, path, st))
		if strings.HasSuffix(path, ".file") && st.Mode&unix.S_IFMT == unix.S_IFREG {
			line += fmt.Sprint(" ", st.Mtim.Sec)
		}
		if links[st.Ino] && st.Mode&unix.S_IFMT != unix.S_IFDIR {
			line += " link"
		}
		all[rel] = line + xattrs(t, path)
	})
	return all
}

func walk(t testing.TB, root string, fn func(path string, st *unix.Stat_t)) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		var st unix.Stat_t
		if err == nil {
			err = unix.Lstat(path, &st)
		}
		if err == nil {
			fn(path, &st)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// body identifies what is in a file. The body of an archive object is inflated:
// two programs may deflate the same into other bytes.
func body(t testing.TB, path string, st *unix.Stat_t) string {
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFLNK:
		target, _ := os.Readlink(path)
		return "-> " + target
	case unix.S_IFREG:
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, ".filez") {
			header := 8 + binary.BigEndian.Uint32(data)
			rest, err := io.ReadAll(flate.NewReader(bytes.NewReader(data[header:])))
			if err != nil && len(data) > int(header) {
				t.Fatalf("%s: %v", path, err)
			}
			data = append(data[:header:header], rest...)
		}
		return object.Sum(data).String()[:16]
	}
	return ""
}

func xattrs(t testing.TB, path string) string {
	buf := make([]byte, 4096)
	n, err := unix.Llistxattr(path, buf)
	if err != nil {
		t.Fatal(err)
	}
	names := strings.FieldsFunc(string(buf[:n]), func(r rune) bool { return r == 0 })
	slices.Sort(names)
	text := ""
	for _, name := range names {
		n, err := unix.Lgetxattr(path, name, buf)
		if err != nil {
			t.Fatal(err)
		}
		text += fmt.Sprintf(" %s=%q", name, buf[:n])
	}
	return text
}
