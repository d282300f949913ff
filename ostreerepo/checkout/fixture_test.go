package checkout_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/checkout"
	"github.com/treenail/treenail/ostreerepo/tree"
	"golang.org/x/sys/unix"
)

// ostree runs the real program.
func ostree(t testing.TB, args ...string) (stdout string, err error) {
	t.Helper()
	path, err := exec.LookPath("ostree")
	if err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = append(os.Environ(), "OSTREE_EXP_WRITE_BARE_SPLIT_XATTRS=1", "LC_ALL=C")
	if err := cmd.Run(); err != nil {
		text := strings.TrimSpace(errs.String())
		return "", fmt.Errorf("%s", text[strings.LastIndexByte(text, '\n')+1:])
	}
	return strings.TrimSpace(out.String()), nil
}

func mustOstree(t testing.TB, args ...string) string {
	t.Helper()
	out, err := ostree(t, args...)
	if err != nil {
		t.Fatalf("ostree %q: %v", args, err)
	}
	return out
}

// capNetRaw is the capability cap_net_raw+ep as the kernel stores it.
const capNetRaw = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"

// hardTree makes a tree of what is easily lost.
func hardTree(t testing.TB, root string) {
	b := repotest.NewBuilder(t, root)
	b.Dir(".", 0o755)
	for _, mode := range []uint32{0, 0o044, 0o200, 0o400, 0o444, 0o555, 0o600, 0o640, 0o664, 0o666, 0o755, 0o777, 0o1644, 0o2755, 0o4755, 0o6711, 0o7777} {
		name := fmt.Sprintf("mode-%04o", mode)
		b.File(name, name, mode)
		b.Dir(name+".d", mode)
		b.File(name+".d/inside", name, 0o644)
	}
	for _, id := range [][2]int{{0, 1}, {1, 0}, {1000, 100}, {65534, 65534}, {1 << 21, 1<<21 + 1}, {1<<32 - 2, 1<<32 - 2}} {
		name := fmt.Sprintf("owner-%d-%d", id[0], id[1])
		b.File(name, name, 0o4755)
		b.Dir(name+".d", 0o2750)
		b.Symlink(name+".l", "target")
		for _, suffix := range []string{"", ".d", ".l"} {
			b.Chown(name+suffix, id[0], id[1])
		}
	}
	b.File("xattrs", "body", 0o755)
	b.File("xattrs-empty", "", 0o400)
	b.Dir("xattrs.d", 0o755)
	for _, name := range []string{"xattrs", "xattrs-empty", "xattrs.d"} {
		b.Xattr(name, "user.text", "value")
		b.Xattr(name, "user.binary", "a\x00b\xff\n")
		b.Xattr(name, "trusted.secret", "root's")
	}
	for i := range 20 {
		b.Xattr("xattrs", fmt.Sprintf("user.many%02d", i), strings.Repeat("v", 20))
	}
	b.Xattr("xattrs", "security.capability", capNetRaw)
	b.Chown("xattrs.d", 7, 8)
	b.Symlink("xattrs.l", "xattrs")
	b.Xattr("xattrs.l", "trusted.link", "on a symlink")
	b.File("capable", "with an owner", 0o755)
	b.Chown("capable", 5, 6)
	b.Xattr("capable", "security.capability", capNetRaw)
	for i, target := range []string{"mode-0644", "nowhere", "..", "/", "/etc/passwd", "new\nline", "🌲", strings.Repeat("t", 98), strings.Repeat("t", 100), strings.Repeat("long/", 800)} {
		b.Symlink(fmt.Sprintf("link-%d", i), target)
	}
	for _, name := range []string{"-rf", " ", "a\nb", "\x01", `"q"`, "...", "é", "日本語", strings.Repeat("n", 255)} {
		b.Dir("names/"+name+"", 0o755)
		b.File("names/"+name+"/"+name, name, 0o644)
	}
	b.File("first", "one body, two names", 0o644)
	b.Must(os.Link(b.Path("first"), b.Path("second")))
	deep := "deep"
	for i := range 40 {
		deep += fmt.Sprintf("/%d", i)
	}
	b.Dir(deep, 0o755)
	b.File(deep+"/bottom", "40 levels down", 0o644)
	b.Dir("empty.d", 0o755)
	b.File("empty", "", 0o644)
	b.File("empty-user", "", 0o600)
	b.Chown("empty-user", 3, 4)
	b.File("large", strings.Repeat("0123456789abcde\n", 1<<16), 0o644)
}

// wideTree has directories that are more than one job.
func wideTree(t testing.TB, root string) {
	b := repotest.NewBuilder(t, root)
	b.Dir(".", 0o755)
	b.Dir("wide", 0o755)
	for i := range 2000 {
		b.File(fmt.Sprintf("wide/%d", i), fmt.Sprint(i%700), 0o644)
	}
	b.Dir("wide/deeper", 0o700)
	for i := range 300 {
		b.File(fmt.Sprintf("wide/deeper/%d", i), fmt.Sprint(i), 0o644)
	}
}

// smallTree is enough for what depends on names and on what exists already.
func smallTree(t testing.TB, root string) {
	b := repotest.NewBuilder(t, root)
	b.Dir(".", 0o755)
	b.Dir("d/sub", 0o755)
	b.File("d/f", "f", 0o644)
	b.File("d/sub/g", "g", 0o600)
	b.File("empty", "", 0o644)
	b.File("reg", "reg", 0o644)
	b.Symlink("sym", "reg")
	b.Dir("sticky", 0o1777)
	b.Dir("shared", 0o2775)
}

// linkTree has only what a checkout that requires links copies anyway.
func linkTree(t testing.TB, root string) {
	b := repotest.NewBuilder(t, root)
	b.Dir(".", 0o755)
	b.Dir("d", 0o755)
	b.File("d/empty", "", 0o644)
	b.Symlink("sym", "reg")
}

// layerTree is a container layer.
func layerTree(t testing.TB, root string) {
	b := repotest.NewBuilder(t, root)
	b.Dir(".", 0o755)
	for _, name := range []string{".wh.gone", ".wh.never", ".wh.full", ".wh.-early", "-early", "plain", ".whx", "wh.", ".wh.dir"} {
		b.File(name, name, 0o644)
	}
	b.Dir("dir", 0o755)
	b.File("dir/new", "new", 0o644)
	b.Dir("opaque", 0o750)
	b.File("opaque/.wh..wh..opq", "", 0o644)
	b.File("opaque/.wh.x", "", 0o644)
	b.File("opaque/x", "x", 0o644)
	b.Dir(".wh.directory", 0o755)
	b.Symlink(".wh.symlink", "x")
}

// overlayTree has the whiteouts that are passed through.
func overlayTree(t testing.TB, root string) {
	b := repotest.NewBuilder(t, root)
	b.Dir(".", 0o755)
	b.File(".ostree-wh.a", "ignored", 0o640)
	b.Chown(".ostree-wh.a", 5, 6)
	b.Xattr(".ostree-wh.a", "trusted.k", "v")
	b.Dir("d", 0o755)
	b.File("d/.ostree-wh.b", "", 0o604)
	b.Symlink(".ostree-wh.sym", "x")
	b.Dir(".ostree-wh.dir", 0o755)
	b.File("z", "z", 0o644)
}

var trees = map[string]func(testing.TB, string){
	"hard": hardTree, "wide": wideTree, "small": smallTree, "link": linkTree, "layer": layerTree, "overlay": overlayTree,
	"modes": modesTree,
}

// modesTree has files whose modes and owners are others in a bare-user repository.
func modesTree(t testing.TB, root string) {
	b := repotest.NewBuilder(t, root)
	b.Dir(".", 0o755)
	for _, mode := range []uint32{0o666, 0o1755, 0o2644, 0o644} {
		b.File(fmt.Sprintf("%04o", mode), fmt.Sprint(mode), mode)
	}
	b.File("user", "u", 0o644)
	b.Chown("user", 5, 0)
	b.File("group", "g", 0o644)
	b.Chown("group", 0, 6)
}

// newRepo makes a repository with a branch for each named tree, written by the
// real ostree; but not in the mode bare-split-xattrs, which that can read only.
func newRepo(t testing.TB, mode ostreerepo.Mode, branches ...string) *ostreerepo.Repo {
	t.Helper()
	if mode == ostreerepo.ModeBareSplitXattrs {
		return ownRepo(t, mode, branches...)
	}
	r := emptyRepo(t, mode)
	for _, branch := range branches {
		src := filepath.Join(t.TempDir(), branch)
		trees[branch](t, src)
		args := []string{"--repo=" + r.Path(), "commit", "-b", branch, "--tree=dir=" + src}
		if mode == ostreerepo.ModeBareUserOnly && branch != "small" {
			args = append(args, "--canonical-permissions")
		}
		mustOstree(t, args...)
	}
	return r
}

func emptyRepo(t testing.TB, mode ostreerepo.Mode) *ostreerepo.Repo {
	t.Helper()
	path := filepath.Join(t.TempDir(), "repo")
	mustOstree(t, "init", "--repo="+path, "--mode="+mode.String())
	r, err := ostreerepo.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// ownRepo is newRepo with this module's writer.
func ownRepo(t testing.TB, mode ostreerepo.Mode, branches ...string) *ostreerepo.Repo {
	t.Helper()
	r := emptyRepo(t, mode)
	ctx := context.Background()
	for _, branch := range branches {
		src := filepath.Join(t.TempDir(), branch)
		trees[branch](t, src)
		err := r.Update(ctx, ostreerepo.UpdateOptions{DisableFsync: true}, func(tx *ostreerepo.Tx) error {
			tr := tree.New(tx, tree.Options{})
			if err := tr.AddDir(ctx, src); err != nil {
				return err
			}
			contents, meta, err := tr.Write(ctx)
			if err != nil {
				return err
			}
			c, err := tx.PutCommit(&object.Commit{Tree: contents, Meta: meta})
			if err != nil {
				return err
			}
			return tx.SetRef(branch, c)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// check runs our checkout of a branch.
func check(t testing.TB, r *ostreerepo.Repo, branch, dest string, o checkout.Options) error {
	t.Helper()
	c, err := r.Resolve(branch)
	if err != nil {
		t.Fatal(err)
	}
	return checkout.Checkout(context.Background(), r, c, dest, o)
}

// entry is all of a file that a checkout decides.
type entry struct {
	Type     string
	Mode     uint32
	UID, GID uint32
	Xattrs   string
	Target   string
	Body     string // or its checksum
	Link     string // the object whose inode it is
	Epoch    bool   // whether the modification time is the epoch's
}

type inode struct{ dev, ino uint64 }

// objectInodes names the inodes of a repository's files, cached ones too.
func objectInodes(t testing.TB, repos ...string) map[inode]string {
	t.Helper()
	found := map[inode]string{}
	for _, repo := range repos {
		for _, dir := range []string{"objects", "uncompressed-objects-cache"} {
			filepath.WalkDir(filepath.Join(repo, dir), func(path string, e fs.DirEntry, err error) error {
				var st unix.Stat_t
				if err == nil && !e.IsDir() && unix.Lstat(path, &st) == nil {
					name, _ := filepath.Rel(repo, path)
					found[inode{uint64(st.Dev), st.Ino}] = name
				}
				return nil
			})
		}
	}
	return found
}

// snapshot describes everything at and below root.
func snapshot(t testing.TB, root string, links map[inode]string) map[string]entry {
	t.Helper()
	all := map[string]entry{}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		all[rel] = describe(t, path, links)
		return nil
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return all
}

func describe(t testing.TB, path string, links map[inode]string) entry {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		t.Fatal(err)
	}
	e := entry{Mode: uint32(st.Mode) & 0o7777, UID: st.Uid, GID: st.Gid, Link: links[inode{uint64(st.Dev), st.Ino}]}
	e.Epoch = time.Unix(st.Mtim.Unix()).Equal(time.Unix(0, 0))
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	xattrs, err := linuxfs.LXattrs(int(dir.Fd()), filepath.Base(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range xattrs {
		e.Xattrs += fmt.Sprintf("%s=%q ", x.Name, x.Value)
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		e.Type = "directory"
	case unix.S_IFLNK:
		e.Type = "symlink"
		e.Target, _ = os.Readlink(path)
	case unix.S_IFREG:
		e.Type = "file"
		body, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if e.Body = string(body); len(body) > 100 {
			e.Body = object.Sum(body).String()
		}
	default:
		e.Type = fmt.Sprintf("%o %x", st.Mode&unix.S_IFMT, st.Rdev)
	}
	return e
}

// masked are the parts of messages that differ from run to run: temporary names.
var masked = regexp.MustCompile(`(\./tmp\.|checkout-union-|\.checkout-)[0-9A-Za-z]+`)

func message(err error, dest string) string {
	if err == nil {
		return ""
	}
	text := strings.ReplaceAll(strings.TrimPrefix(err.Error(), "error: "), dest, "DEST")
	return masked.ReplaceAllString(text, "TEMP")
}
