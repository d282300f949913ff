package checkout_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/checkout"
	"golang.org/x/sys/unix"
)

// A comparison is one command line of the real program and the Options that
// stand for it.
type comparison struct {
	args    []string
	options checkout.Options
	before  func(b repotest.Builder) // makes what the destination is to hold already
}

// compare runs both and reports what differs.
func compare(t *testing.T, r *ostreerepo.Repo, branch string, c comparison) {
	t.Helper()
	work := t.TempDir()
	theirs, ours := filepath.Join(work, "theirs"), filepath.Join(work, "ours")
	for _, dest := range []string{theirs, ours} {
		if c.before != nil {
			c.before(repotest.NewBuilder(t, dest))
		}
	}
	_, theirErr := ostree(t, append(append([]string{"--repo=" + r.Path(), "checkout"}, c.args...), branch, theirs)...)
	ourErr := check(t, r, branch, ours, c.options)
	if got, want := message(ourErr, ours), message(theirErr, theirs); got != want {
		t.Fatalf("%s, checkout %q: error\n got %q\nwant %q", r.Mode(), c.args, got, want)
	}
	if theirErr != nil {
		return
	}
	repos := []string{r.Path()}
	for p := r.Parent(); p != nil; p = p.Parent() {
		repos = append(repos, p.Path())
	}
	links := objectInodes(t, repos...)
	if diff := cmp.Diff(snapshot(t, theirs, links), snapshot(t, ours, links)); diff != "" {
		t.Errorf("%s, checkout %q: -ostree +ours\n%s", r.Mode(), c.args, diff)
	}
}

// options are the choices that need nothing but a commit.
var options = []comparison{
	{},
	{args: []string{"-U"}, options: checkout.Options{UserMode: true}},
	{args: []string{"-H"}, options: checkout.Options{RequireHardlinks: true}},
	{args: []string{"-U", "-H"}, options: checkout.Options{UserMode: true, RequireHardlinks: true}},
	{args: []string{"-C"}, options: checkout.Options{ForceCopy: true}},
	{args: []string{"-U", "-C"}, options: checkout.Options{UserMode: true, ForceCopy: true}},
	{args: []string{"-z"}, options: checkout.Options{ForceCopyZerosized: true}},
	{args: []string{"-U", "-z"}, options: checkout.Options{UserMode: true, ForceCopyZerosized: true}},
	{args: []string{"-M"}, options: checkout.Options{BareUserOnlyDirs: true}},
	{args: []string{"-U", "-M"}, options: checkout.Options{UserMode: true, BareUserOnlyDirs: true}},
	{args: []string{"-U", "--disable-cache"}, options: checkout.Options{UserMode: true, DisableCache: true}},
	{args: []string{"-U", "--union"}, options: checkout.Options{UserMode: true, Overwrite: checkout.UnionFiles}},
	{args: []string{"-U", "--union-add"}, options: checkout.Options{UserMode: true, Overwrite: checkout.AddFiles}},
	{args: []string{"--whiteouts"}, options: checkout.Options{Whiteouts: true}},
	{args: []string{"-U", "--fsync=false"}, options: checkout.Options{UserMode: true, CacheNoSync: true}},
}

func TestLikeOstree(t *testing.T) {
	for _, mode := range repotest.Modes {
		r := newRepo(t, mode, "hard", "small", "link")
		for _, c := range options {
			for _, branch := range []string{"hard", "small", "link"} {
				t.Run(fmt.Sprint(mode, c.args, branch), func(t *testing.T) { compare(t, r, branch, c) })
			}
		}
	}
}

func TestWideLikeOstree(t *testing.T) {
	for _, mode := range []ostreerepo.Mode{ostreerepo.ModeBare, ostreerepo.ModeArchive} {
		r := newRepo(t, mode, "wide")
		for _, c := range []comparison{options[0], options[len(options)-1]} { // the last does not sync
			t.Run(fmt.Sprint(mode, c.args), func(t *testing.T) { compare(t, r, "wide", c) })
		}
	}
}

// Repositories that this module wrote.
func TestLikeOstreeFromOwnRepo(t *testing.T) {
	for _, mode := range repotest.Modes {
		r := ownRepo(t, mode, "hard")
		for _, c := range options[:2] {
			t.Run(fmt.Sprint(mode, c.args), func(t *testing.T) { compare(t, r, "hard", c) })
		}
	}
}

// states are what a destination may hold.
var states = map[string]func(b repotest.Builder){
	"nothing":     func(b repotest.Builder) {},
	"empty":       func(b repotest.Builder) { b.Dir(".", 0o711) },
	"other file":  func(b repotest.Builder) { b.Dir(".", 0o755); b.File("reg", "other", 0o644) },
	"equal file":  func(b repotest.Builder) { b.Dir(".", 0o755); b.File("reg", "reg", 0o644) },
	"other mode":  func(b repotest.Builder) { b.Dir(".", 0o755); b.File("reg", "reg", 0o646) },
	"other owner": func(b repotest.Builder) { b.Dir(".", 0o755); b.File("reg", "reg", 0o644); b.Chown("reg", 5, 5) },
	"other xattrs": func(b repotest.Builder) {
		b.Dir(".", 0o755)
		b.File("reg", "reg", 0o644)
		b.Xattr("reg", "user.x", "y")
	},
	"other empty":   func(b repotest.Builder) { b.Dir(".", 0o755); b.File("empty", "not", 0o644) },
	"equal empty":   func(b repotest.Builder) { b.Dir(".", 0o755); b.File("empty", "", 0o644) },
	"owned empty":   func(b repotest.Builder) { b.Dir(".", 0o755); b.File("empty", "", 0o644); b.Chown("empty", 5, 5) },
	"mode empty":    func(b repotest.Builder) { b.Dir(".", 0o755); b.File("empty", "", 0o600) },
	"other symlink": func(b repotest.Builder) { b.Dir(".", 0o755); b.Symlink("sym", "other") },
	"equal symlink": func(b repotest.Builder) { b.Dir(".", 0o755); b.Symlink("sym", "reg") },
	"owned symlink": func(b repotest.Builder) { b.Dir(".", 0o755); b.Symlink("sym", "reg"); b.Chown("sym", 5, 5) },
	"dir as file":   func(b repotest.Builder) { b.Dir("reg", 0o755) },
	"dir as empty":  func(b repotest.Builder) { b.Dir("empty", 0o755) },
	"file as link":  func(b repotest.Builder) { b.Dir(".", 0o755); b.File("sym", "reg", 0o644) },
	"link as file":  func(b repotest.Builder) { b.Dir(".", 0o755); b.Symlink("reg", "empty") },
	"file as dir":   func(b repotest.Builder) { b.Dir(".", 0o755); b.File("d", "file", 0o644) },
	"subdirectory":  func(b repotest.Builder) { b.Dir("d/sub", 0o700); b.File("d/sub/kept", "kept", 0o600) },
	"a file":        func(b repotest.Builder) { b.File(".", "file", 0o644) },
}

func TestOverwriteLikeOstree(t *testing.T) {
	for _, mode := range repotest.Modes[:4] {
		r := newRepo(t, mode, "small")
		for name, state := range states {
			for _, c := range []comparison{
				{},
				{args: []string{"--union"}, options: checkout.Options{Overwrite: checkout.UnionFiles}},
				{args: []string{"-U", "--union"}, options: checkout.Options{Overwrite: checkout.UnionFiles, UserMode: true}},
				{args: []string{"--union-add"}, options: checkout.Options{Overwrite: checkout.AddFiles}},
				{args: []string{"-U", "-C", "--union-add"}, options: checkout.Options{Overwrite: checkout.AddFiles, UserMode: true, ForceCopy: true}},
				{args: []string{"-H", "--union-identical"}, options: checkout.Options{Overwrite: checkout.UnionIdentical, RequireHardlinks: true}},
				{args: []string{"-U", "-H", "--union-identical"}, options: checkout.Options{Overwrite: checkout.UnionIdentical, RequireHardlinks: true, UserMode: true}},
			} {
				c.before = state
				t.Run(fmt.Sprint(mode, c.args, name), func(t *testing.T) { compare(t, r, "small", c) })
			}
		}
	}
}

// A second checkout over the first finds its own files, linked ones too.
func TestAgainLikeOstree(t *testing.T) {
	for _, mode := range repotest.Modes {
		r := newRepo(t, mode, "small")
		user := mode != ostreerepo.ModeBare
		first := func(b repotest.Builder) {
			if err := check(t, r, "small", b.Path(""), checkout.Options{UserMode: user}); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []comparison{
			{args: []string{"--union"}, options: checkout.Options{Overwrite: checkout.UnionFiles}},
			{args: []string{"--union-add"}, options: checkout.Options{Overwrite: checkout.AddFiles}},
			{args: []string{"-H", "--union-identical"}, options: checkout.Options{Overwrite: checkout.UnionIdentical, RequireHardlinks: true}},
		} {
			c.before = first
			if user {
				c.args = append(c.args, "-U")
				c.options.UserMode = true
			}
			t.Run(fmt.Sprint(mode, c.args), func(t *testing.T) { compare(t, r, "small", c) })
		}
	}
}

func TestSubpathLikeOstree(t *testing.T) {
	for _, mode := range []ostreerepo.Mode{ostreerepo.ModeBare, ostreerepo.ModeArchive} {
		r := newRepo(t, mode, "small")
		for _, path := range []string{"/", "d", "/d", "/d/sub", "reg", "/reg", "/d/f", "sym", "empty", "d/", "nope", "d/nope/x", "reg/x", "sym/x", "d/..", ".", "d/./sub", "d//sub"} {
			for _, c := range []comparison{
				{},
				{args: []string{"-U"}, options: checkout.Options{UserMode: true}},
				{args: []string{"-C", "--union-add"}, options: checkout.Options{ForceCopy: true, Overwrite: checkout.AddFiles}},
				{args: []string{"--allow-noent"}, options: checkout.Options{AllowNoent: true}},
				{before: states["empty"]},
				{before: states["a file"]},
			} {
				if path == "d//sub" || path == "d/" && c.options.AllowNoent {
					continue // libostree takes an empty name for the root
				}
				c.args = append(c.args, "--subpath="+path)
				c.options.Subpath = path
				t.Run(fmt.Sprint(mode, c.args, c.before != nil), func(t *testing.T) { compare(t, r, "small", c) })
			}
		}
	}
}

func TestSkipLikeOstree(t *testing.T) {
	r := newRepo(t, ostreerepo.ModeBareUser, "small")
	for _, list := range [][]string{{}, {"/"}, {"/reg"}, {"/d"}, {"/d/"}, {"/d/sub/"}, {"/d/f", "/sym", "/empty"}, {"reg"}, {"/f"}, {"/sub/"}} {
		for _, subpath := range []string{"", "d", "reg"} {
			skipped := map[string]bool{}
			text := ""
			for _, line := range list {
				skipped[line] = true
				text += line + "\n"
			}
			file := filepath.Join(t.TempDir(), "list")
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			c := comparison{args: []string{"-U", "--skip-list=" + file}}
			c.options = checkout.Options{UserMode: true, Subpath: subpath, Skip: func(path string) bool { return skipped[path] }}
			if subpath != "" {
				c.args = append(c.args, "--subpath="+subpath)
			}
			t.Run(fmt.Sprint(list, subpath), func(t *testing.T) { compare(t, r, "small", c) })
		}
	}
}

func TestWhiteoutsLikeOstree(t *testing.T) {
	before := func(b repotest.Builder) {
		b.Dir("full/of/things", 0o755)
		b.File("full/of/things/f", "f", 0o000)
		b.Dir("opaque/old", 0o755)
		b.Dir("dir", 0o700)
		for _, name := range []string{"gone", "dir/old", "opaque/f", "directory", "symlink", "kept"} {
			b.File(name, "old", 0o644)
		}
	}
	for _, mode := range []ostreerepo.Mode{ostreerepo.ModeBare, ostreerepo.ModeBareUser, ostreerepo.ModeArchive} {
		r := newRepo(t, mode, "layer")
		for _, c := range []comparison{
			{args: []string{"--whiteouts"}, options: checkout.Options{Whiteouts: true}},
			{args: []string{"--whiteouts", "--union"}, options: checkout.Options{Whiteouts: true, Overwrite: checkout.UnionFiles}, before: before},
			{args: []string{"--whiteouts", "--union-add"}, options: checkout.Options{Whiteouts: true, Overwrite: checkout.AddFiles}, before: before},
			{args: []string{"--whiteouts", "--union-identical", "-H"}, options: checkout.Options{Whiteouts: true, Overwrite: checkout.UnionIdentical, RequireHardlinks: true}, before: before},
			{args: []string{"--union"}, options: checkout.Options{Overwrite: checkout.UnionFiles}, before: before},
		} {
			t.Run(fmt.Sprint(mode, c.args), func(t *testing.T) { compare(t, r, "layer", c) })
		}
	}
}

func TestPassthroughWhiteoutsLikeOstree(t *testing.T) {
	device := func(mode uint32, uid int, xattr string) func(b repotest.Builder) {
		return func(b repotest.Builder) {
			b.Dir(".", 0o755)
			b.Must(unix.Mknod(b.Path("a"), unix.S_IFCHR, 0))
			b.Chown("a", uid, 6)
			b.Must(unix.Chmod(b.Path("a"), mode))
			b.Xattr("a", "trusted.k", xattr)
		}
	}
	states := map[string]func(b repotest.Builder){
		"new": nil, "same": device(0o640, 5, "v"), "mode": device(0o600, 5, "v"), "owner": device(0o640, 4, "v"), "xattr": device(0o640, 5, "w"),
		"file": func(b repotest.Builder) { b.Dir(".", 0o755); b.File("a", "", 0o640) },
		"dir":  func(b repotest.Builder) { b.Dir("a", 0o755) },
	}
	for _, mode := range []ostreerepo.Mode{ostreerepo.ModeBare, ostreerepo.ModeBareUser, ostreerepo.ModeArchive} {
		r := newRepo(t, mode, "overlay")
		for name, state := range states {
			for _, c := range []comparison{
				{},
				{args: []string{"-U"}, options: checkout.Options{UserMode: true}},
				{args: []string{"--union"}, options: checkout.Options{Overwrite: checkout.UnionFiles}},
				{args: []string{"--union-add"}, options: checkout.Options{Overwrite: checkout.AddFiles}},
				{args: []string{"--union-identical", "-H"}, options: checkout.Options{Overwrite: checkout.UnionIdentical, RequireHardlinks: true}},
			} {
				if name == "dir" && c.options.Overwrite == checkout.UnionFiles {
					continue // libostree's words are those of its unlink
				}
				c.args = append(c.args, "--process-passthrough-whiteouts")
				c.options.PassthroughWhiteouts = true
				c.before = state
				t.Run(fmt.Sprint(mode, c.args, name), func(t *testing.T) { compare(t, r, "overlay", c) })
			}
		}
	}
}

func TestParentLikeOstree(t *testing.T) {
	for _, parentMode := range repotest.Modes[:4] {
		parent := newRepo(t, parentMode, "small", "link")
		for _, mode := range repotest.Modes[:4] {
			if parentMode == ostreerepo.ModeArchive && mode != ostreerepo.ModeArchive {
				continue // libostree aborts
			}
			child := emptyRepo(t, mode)
			mustOstree(t, "--repo="+child.Path(), "config", "set", "core.parent", parent.Path())
			r, err := ostreerepo.Open(child.Path())
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			for _, branch := range []string{"small", "link"} {
				c, err := parent.Resolve(branch)
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range options[:4] {
					t.Run(fmt.Sprint(parentMode, mode, branch, o.args), func(t *testing.T) { compare(t, r, c.String(), o) })
				}
			}
		}
	}
}

// A file with the object's contents and metadata is left only where it is such a file
// as the object's: one of a bare-user repository has another mode.
func TestIdenticalByMetadataLikeOstree(t *testing.T) {
	r := newRepo(t, ostreerepo.ModeBareUser, "modes")
	for _, c := range []comparison{
		{args: []string{"-U", "-H", "--union"}, options: checkout.Options{Overwrite: checkout.UnionFiles, UserMode: true, RequireHardlinks: true}},
		{args: []string{"-U", "-H", "--union-identical"}, options: checkout.Options{Overwrite: checkout.UnionIdentical, UserMode: true, RequireHardlinks: true}},
	} {
		c.before = func(b repotest.Builder) { modesTree(t, b.Path(".")) }
		t.Run(fmt.Sprint(c.args), func(t *testing.T) { compare(t, r, "modes", c) })
	}
}
