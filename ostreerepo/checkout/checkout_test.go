package checkout_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/checkout"
	"golang.org/x/sys/unix"
)

// helperEnv makes the test program a checkout in user mode: repository, branch
// and destination, separated by newlines.
const helperEnv = "TREENAIL_TEST_CHECKOUT"

func TestMain(m *testing.M) {
	args := strings.Split(os.Getenv(helperEnv), "\n")
	if len(args) == 3 {
		if err := plainCheckout(args[0], args[1], args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func plainCheckout(repo, branch, dest string) error {
	r, err := ostreerepo.Open(repo)
	if err != nil {
		return err
	}
	defer r.Close()
	c, err := r.Resolve(branch)
	if err != nil {
		return err
	}
	return checkout.Checkout(context.Background(), r, c, dest, checkout.Options{UserMode: true})
}

// Somebody who may only read the repository: the kernel may refuse hard links.
func TestOtherUserLikeOstree(t *testing.T) {
	work := t.TempDir()
	for dir := work; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(work, "program")
	self, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(program, self, 0o755)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, mode := range repotest.Modes[:3] {
		src, repo := filepath.Join(work, "src-"+mode.String()), filepath.Join(work, mode.String())
		smallTree(t, src)
		if err := os.Chmod(src+"/d/sub/g", 0o644); err != nil { // the other user has to read it
			t.Fatal(err)
		}
		mustOstree(t, "init", "--repo="+repo, "--mode="+mode.String())
		mustOstree(t, "--repo="+repo, "commit", "-b", "small", "--tree=dir="+src)
		theirs, ours := repo+"-theirs", repo+"-ours"
		for _, cmd := range []*exec.Cmd{exec.Command("ostree", "--repo="+repo, "checkout", "-U", "small", theirs), exec.Command(program)} {
			cmd.Dir = work
			cmd.Env = append(os.Environ(), helperEnv+"="+repo+"\nsmall\n"+ours)
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s as another user: %v\n%s", cmd, err, out)
			}
		}
		links := objectInodes(t, repo)
		if diff := cmp.Diff(snapshot(t, theirs, links), snapshot(t, ours, links)); diff != "" {
			t.Errorf("%s: -ostree +ours\n%s", mode, diff)
		}
	}
}

// otherDevice is a directory on another file system than the repository.
func otherDevice(t *testing.T, r *ostreerepo.Repo) string {
	t.Helper()
	var repo, st unix.Stat_t
	if err := unix.Stat(r.Path(), &repo); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"/dev/shm", "/run", "/var/tmp"} {
		if unix.Stat(dir, &st) != nil || st.Dev == repo.Dev {
			continue
		}
		if path, err := os.MkdirTemp(dir, "checkout-test-"); err == nil {
			t.Cleanup(func() { os.RemoveAll(path) })
			return path
		}
	}
	t.Fatal("no second file system")
	return ""
}

func TestOtherDevice(t *testing.T) {
	r := newRepo(t, ostreerepo.ModeBare, "small")
	work := otherDevice(t, r)
	theirs, ours := filepath.Join(work, "theirs"), filepath.Join(work, "ours")
	_, theirErr := ostree(t, "--repo="+r.Path(), "checkout", "-H", "small", theirs)
	ourErr := check(t, r, "small", ours, checkout.Options{RequireHardlinks: true})
	if got, want := message(ourErr, ours), message(theirErr, theirs); got != want || want == "" {
		t.Errorf("with hard links required: %q, want %q", got, want)
	}
	mustOstree(t, "--repo="+r.Path(), "checkout", "--union", "small", theirs)
	if err := check(t, r, "small", ours, checkout.Options{Overwrite: checkout.UnionFiles}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(snapshot(t, theirs, nil), snapshot(t, ours, nil)); diff != "" {
		t.Errorf("-ostree +ours\n%s", diff)
	}
}

// openFiles counts this process's descriptors.
func openFiles(t *testing.T) int {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(fds)
}

func TestSymlinkInDestinationIsNotFollowed(t *testing.T) {
	r := newRepo(t, ostreerepo.ModeBare, "small")
	for _, o := range []checkout.Options{
		{Overwrite: checkout.UnionFiles}, {Overwrite: checkout.AddFiles}, {Overwrite: checkout.UnionIdentical, RequireHardlinks: true},
	} {
		outside := t.TempDir()
		b := repotest.NewBuilder(t, filepath.Join(t.TempDir(), "dest"))
		b.Dir(".", 0o755)
		b.Symlink("d", outside)
		before := openFiles(t)
		if err := check(t, r, "small", b.Path(""), o); !errors.Is(err, unix.ENOTDIR) {
			t.Errorf("%+v: error %v, want ENOTDIR", o, err)
		}
		if left, _ := os.ReadDir(outside); len(left) > 0 {
			t.Errorf("%+v: wrote %v through a symlink", o, left)
		}
		if after := openFiles(t); after != before {
			t.Errorf("%+v: %d descriptors, before %d", o, after, before)
		}
	}
}

// The destination itself is the caller's word.
func TestDestinationMayBeASymlink(t *testing.T) {
	r := newRepo(t, ostreerepo.ModeBare, "small")
	target := t.TempDir()
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if err := check(t, r, "small", link, checkout.Options{Overwrite: checkout.UnionFiles}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(target + "/d/sub/g"); err != nil {
		t.Error(err)
	}
}

// treeCommit makes a commit of empty files with any names.
func treeCommit(t *testing.T, r *ostreerepo.Repo, names ...string) object.Checksum {
	t.Helper()
	var commit object.Checksum
	err := r.Update(context.Background(), ostreerepo.UpdateOptions{DisableFsync: true}, func(tx *ostreerepo.Tx) error {
		file, err := tx.PutFile(object.FileHeader{Mode: object.ModeRegular | 0o644}, 0, strings.NewReader(""))
		if err != nil {
			return err
		}
		var tree object.DirTree
		for _, name := range names {
			tree.Files = append(tree.Files, object.FileEntry{Name: name, Checksum: file})
		}
		contents, err := tx.PutMetadata(object.TypeDirTree, tree.Encode())
		if err != nil {
			return err
		}
		meta, err := tx.PutMetadata(object.TypeDirMeta, object.DirMeta{Mode: object.ModeDir | 0o755}.Encode())
		if err != nil {
			return err
		}
		commit, err = tx.PutCommit(&object.Commit{Tree: contents, Meta: meta})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return commit
}

func TestWhiteoutsStayInside(t *testing.T) {
	r := emptyRepo(t, ostreerepo.ModeArchive)
	for _, name := range []string{".wh..", ".wh...", ".wh.", ".ostree-wh..", ".ostree-wh...", ".ostree-wh."} {
		commit := treeCommit(t, r, name)
		work := repotest.NewBuilder(t, filepath.Join(t.TempDir(), "work"))
		work.Dir(".", 0o755)
		work.File("beside", "kept", 0o644)
		work.Dir("dest/inside", 0o755)
		err := checkout.Checkout(context.Background(), r, commit, work.Path("dest"), checkout.Options{
			Overwrite: checkout.UnionFiles, Whiteouts: true, PassthroughWhiteouts: true,
		})
		if err == nil || !strings.Contains(err.Error(), "Invalid") {
			t.Errorf("%s: error %v", name, err)
		}
		for _, kept := range []string{"beside", "dest/inside"} {
			if _, err := os.Lstat(work.Path(kept)); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// An opaque whiteout at the top does not empty a directory that was not to exist.
func TestOpaqueDestination(t *testing.T) {
	r := emptyRepo(t, ostreerepo.ModeArchive)
	commit := treeCommit(t, r, ".wh..wh..opq", "new")
	dest := repotest.NewBuilder(t, filepath.Join(t.TempDir(), "dest"))
	dest.Dir(".", 0o755)
	dest.Dir("old/older", 0o755)
	ctx := context.Background()
	if err := checkout.Checkout(ctx, r, commit, dest.Path(""), checkout.Options{Whiteouts: true}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("error %v, want fs.ErrExist", err)
	}
	if _, err := os.Stat(dest.Path("old/older")); err != nil {
		t.Error(err)
	}
	if err := checkout.Checkout(ctx, r, commit, dest.Path(""), checkout.Options{Whiteouts: true, Overwrite: checkout.AddFiles}); err != nil {
		t.Error(err)
	}
	left, _ := os.ReadDir(dest.Path(""))
	if len(left) != 1 || left[0].Name() != "new" {
		t.Errorf("left %v, want new", left)
	}
}

func TestCancel(t *testing.T) {
	r := newRepo(t, ostreerepo.ModeArchive, "hard")
	c, err := r.Resolve("hard")
	if err != nil {
		t.Fatal(err)
	}
	before := openFiles(t)
	ctx, cancel := context.WithCancel(context.Background())
	dest := filepath.Join(t.TempDir(), "dest")
	err = checkout.Checkout(ctx, r, c, dest, checkout.Options{Progress: func(done, _ int64) {
		if done > 10 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if info, err := os.Stat(dest); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("destination after an unfinished checkout: %v, %v", info, err)
	}
	if after := openFiles(t); after != before {
		t.Errorf("%d descriptors, before %d", after, before)
	}
	if err := checkout.Checkout(ctx, r, c, dest+"2", checkout.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
	if _, err := os.Stat(dest + "2"); err == nil {
		t.Error("a checkout that was cancelled before it began made its destination")
	}
}

// looseFiles lists the content objects of a repository.
func looseFiles(t *testing.T, r *ostreerepo.Repo) []object.Checksum {
	t.Helper()
	var all []object.Checksum
	for n, err := range r.Objects() {
		if err != nil {
			t.Fatal(err)
		}
		if n.Type == object.TypeFile {
			all = append(all, n.Checksum)
		}
	}
	return all
}

func TestDamagedObjectLeavesNoFile(t *testing.T) {
	for _, user := range []bool{false, true} {
		r := newRepo(t, ostreerepo.ModeArchive, "small")
		for _, c := range looseFiles(t, r) {
			path := filepath.Join(r.Path(), "objects", object.Name{Checksum: c, Type: object.TypeFile}.LoosePath(true))
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, size, err := r.Stat(c); err != nil || size == 0 {
				continue
			}
			if err := os.WriteFile(path, data[:len(data)-3], 0o644); err != nil {
				t.Fatal(err)
			}
		}
		dest := filepath.Join(t.TempDir(), "dest")
		if err := check(t, r, "small", dest, checkout.Options{UserMode: user}); err == nil {
			t.Fatal("a damaged object was checked out")
		}
		for path, e := range snapshot(t, dest, nil) {
			if e.Type == "file" && filepath.Base(path) != "empty" {
				t.Errorf("user mode %v: %s is there", user, path)
			}
		}
		filepath.WalkDir(filepath.Join(r.Path(), "uncompressed-objects-cache"), func(path string, e fs.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				t.Errorf("%s is in the cache", path)
			}
			return nil
		})
	}
}

// Missing objects are an error in every mode.
func TestMissingObject(t *testing.T) {
	for _, mode := range repotest.Modes {
		r := newRepo(t, mode, "small")
		for _, c := range looseFiles(t, r) {
			path := object.Name{Checksum: c, Type: object.TypeFile}.LoosePath(mode == ostreerepo.ModeArchive)
			if err := os.Remove(filepath.Join(r.Path(), "objects", path)); err != nil {
				t.Fatal(err)
			}
		}
		for _, o := range []checkout.Options{{}, {UserMode: true}, {ForceCopy: true}} {
			err := check(t, r, "small", filepath.Join(t.TempDir(), "dest"), o)
			if !errors.Is(err, ostreerepo.ErrNotFound) {
				t.Errorf("%s %+v: error %v, want ErrNotFound", mode, o, err)
			}
		}
	}
}

// Of several errors it is the first in the commit's order that is returned,
// however the work was shared out.
func TestFirstErrorWins(t *testing.T) {
	r := newRepo(t, ostreerepo.ModeBare, "wide")
	for range 5 {
		dest := repotest.NewBuilder(t, filepath.Join(t.TempDir(), "dest"))
		dest.Dir(".", 0o755)
		dest.Dir("wide/deeper", 0o755)
		for _, name := range []string{"wide/1500", "wide/9", "wide/25", "wide/deeper/0", "wide/deeper/99"} {
			dest.File(name, "other", 0o600)
		}
		err := check(t, r, "wide", dest.Path(""), checkout.Options{Overwrite: checkout.UnionIdentical, RequireHardlinks: true})
		if err == nil || !strings.HasSuffix(err.Error(), "to 1500: File exists") {
			t.Fatalf("error %v, want that of 1500", err)
		}
	}
}

func TestDevIno(t *testing.T) {
	for _, mode := range repotest.Modes[:4] {
		r := newRepo(t, mode, "small")
		cache := ostreerepo.NewDevInoCache()
		dest := filepath.Join(t.TempDir(), "dest")
		if err := check(t, r, "small", dest, checkout.Options{UserMode: mode != ostreerepo.ModeBare, DevIno: cache}); err != nil {
			t.Fatal(err)
		}
		links := objectInodes(t, r.Path())
		found := 0
		filepath.WalkDir(dest, func(path string, _ fs.DirEntry, err error) error {
			var st unix.Stat_t
			if err := errors.Join(err, unix.Lstat(path, &st)); err != nil {
				t.Fatal(err)
			}
			dir, name := filepath.Split(links[inode{uint64(st.Dev), st.Ino}])
			c, ok := cache.Lookup(uint64(st.Dev), st.Ino)
			if ok != (name != "") || ok && filepath.Base(dir)+name != c.String()+".file" {
				t.Errorf("%s: %s: cache has %v %s, link is %s%s", mode, path, ok, c, dir, name)
			}
			if ok {
				found++
			}
			return nil
		})
		if found < 3 {
			t.Errorf("%s: %d links in the cache", mode, found)
		}
	}
}

func TestProgress(t *testing.T) {
	r := newRepo(t, ostreerepo.ModeBare, "wide")
	for subpath, want := range map[string]int64{"": 2300, "/wide/deeper": 300, "/wide/7": 1} {
		var busy atomic.Bool
		var done, total int64
		err := check(t, r, "wide", filepath.Join(t.TempDir(), "dest"), checkout.Options{Subpath: subpath, Progress: func(d, all int64) {
			if !busy.CompareAndSwap(false, true) {
				t.Error("two calls at once")
			}
			if d < done || all < total || d > all {
				t.Errorf("%d of %d after %d of %d", d, all, done, total)
			}
			done, total = d, all
			busy.Store(false)
		}})
		if err != nil {
			t.Fatal(err)
		}
		if done != want || total != want {
			t.Errorf("subpath %q: %d of %d at the end, want %d", subpath, done, total, want)
		}
	}
}

func TestFsync(t *testing.T) {
	r := newRepo(t, ostreerepo.ModeBareUser, "small")
	plain, synced := filepath.Join(t.TempDir(), "dest"), filepath.Join(t.TempDir(), "dest")
	for dest, o := range map[string]checkout.Options{plain: {}, synced: {Fsync: true}} {
		if err := check(t, r, "small", dest, o); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(snapshot(t, plain, nil), snapshot(t, synced, nil)); diff != "" {
		t.Error(diff)
	}
}

func TestOptionsThatExcludeEachOther(t *testing.T) {
	r := newRepo(t, ostreerepo.ModeBare, "link")
	for _, o := range []checkout.Options{
		{RequireHardlinks: true, ForceCopy: true}, {Overwrite: checkout.UnionIdentical}, {Overwrite: 9},
	} {
		dest := filepath.Join(t.TempDir(), "dest")
		if err := check(t, r, "link", dest, o); err == nil {
			t.Errorf("%+v: no error", o)
		}
		if _, err := os.Lstat(dest); err == nil {
			t.Errorf("%+v: the destination was made", o)
		}
	}
}

// What is in the cache is used again, and a setting keeps it out.
func TestCache(t *testing.T) {
	r := newRepo(t, ostreerepo.ModeArchive, "hard")
	work := t.TempDir()
	var st [2]unix.Stat_t
	for i, dest := range []string{filepath.Join(work, "1"), filepath.Join(work, "2")} {
		if err := check(t, r, "hard", dest, checkout.Options{UserMode: true}); err != nil {
			t.Fatal(err)
		}
		if err := unix.Stat(dest+"/large", &st[i]); err != nil {
			t.Fatal(err)
		}
	}
	if st[0].Ino != st[1].Ino {
		t.Error("a second checkout did not link to the cached object")
	}
	mustOstree(t, "--repo="+r.Path(), "config", "set", "core.enable-uncompressed-cache", "false")
	off, err := ostreerepo.Open(r.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer off.Close()
	if err := check(t, off, "hard", filepath.Join(work, "3"), checkout.Options{UserMode: true}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Stat(work+"/3/large", &st[0]); err != nil || st[0].Nlink != 1 {
		t.Errorf("without a cache: %d links, %v", st[0].Nlink, err)
	}
}
