package pull_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/pull"
	"golang.org/x/sys/unix"
)

// removeAll deletes the objects of a type.
func removeAll(t *testing.T, r *ostreerepo.Repo, suffix string) {
	t.Helper()
	for _, path := range objects(t, r, suffix) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDeepen pulls more of a history than was pulled before.
func TestDeepen(t *testing.T) {
	src, dst := newHistory(t, ostreerepo.ModeBare), emptyRepo(t, ostreerepo.ModeArchive)
	for _, step := range []struct{ depth, commits, metadata, content int }{
		{0, 1, 11, 20}, {0, 1, 0, 0}, {1, 2, 4, 1}, {-1, 3, 4, 1}, {-1, 3, 0, 0},
	} {
		got := local(t, dst, src.Repo, pull.Options{Depth: step.depth})
		if got.Metadata != step.metadata || got.Content != step.content {
			t.Errorf("depth %d: result %+v, want %d and %d", step.depth, *got, step.metadata, step.content)
		}
		sound(t, dst, step.commits, 0)
	}
}

// TestDepthOfRefs pulls refs whose histories meet: the greater depth counts.
func TestDepthOfRefs(t *testing.T) {
	src, dst := newHistory(t, ostreerepo.ModeArchive), emptyRepo(t, ostreerepo.ModeArchive)
	oldest, newest := src.commits[1].String(), src.commits[2].String()
	for _, refs := range [][]string{{newest, oldest}, {oldest, newest}} {
		local(t, dst, src.Repo, pull.Options{Refs: refs, Depth: 1})
	}
	sound(t, dst, 3, 0)
}

// TestNothingNew pulls what is there: the trees of the source are not looked at.
func TestNothingNew(t *testing.T) {
	src, dst := newHistory(t, ostreerepo.ModeBare), emptyRepo(t, ostreerepo.ModeBare)
	local(t, dst, src.Repo, pull.Options{Depth: -1})
	removeAll(t, src.Repo, "dirtree")
	before := snapshot(t, dst, dst)
	if got := local(t, dst, src.Repo, pull.Options{Depth: -1}); *got != (pull.Result{}) {
		t.Errorf("result %+v, want nothing", *got)
	}
	if diff := cmp.Diff(before, snapshot(t, dst, dst)); diff != "" {
		t.Error(diff)
	}
}

// TestSharedTrees pulls a commit that differs little from one that is there: what
// the two share is not looked at.
func TestSharedTrees(t *testing.T) {
	src, dst := newHistory(t, ostreerepo.ModeBare), emptyRepo(t, ostreerepo.ModeBare)
	local(t, dst, src.Repo, pull.Options{})
	shared := objects(t, src.Repo, "dirtree")
	repotest.NewBuilder(t, src.dir).File("usr/share/word", "fourth", 0o644)
	commit(t, src.Repo, "main", 4, src.dir)
	for _, path := range shared {
		os.Remove(path)
	}
	got := local(t, dst, src.Repo, pull.Options{})
	if want := (pull.Result{Metadata: 4, Content: 1}); *got != want { // commit, /, usr, usr/share
		t.Errorf("result %+v, want %+v", *got, want)
	}
	sound(t, dst, 2, 0)
}

// TestAbbreviated pulls by the beginning of a checksum, which like in ostree is the
// name of a ref afterwards.
func TestAbbreviated(t *testing.T) {
	src := newHistory(t, ostreerepo.ModeArchive)
	for _, n := range []int{63, 12} {
		ref := src.commits[1].String()[:n]
		ours, theirs := emptyRepo(t, ostreerepo.ModeArchive), emptyRepo(t, ostreerepo.ModeArchive)
		local(t, ours, src.Repo, pull.Options{Refs: []string{ref}, DisableVerifyBindings: true})
		if _, err := ostree(t, "--repo="+theirs.Path(), "pull-local", "--disable-verify-bindings", src.Path(), ref); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(snapshot(t, theirs, src.Repo), snapshot(t, ours, src.Repo)); diff != "" {
			t.Errorf("-ostree +ours\n%s", diff)
		}
	}
}

// TestPartial completes a commit of which an interrupted pull left directories,
// but not what is in them.
func TestPartial(t *testing.T) {
	src := newHistory(t, ostreerepo.ModeBare)
	for _, withParent := range []bool{false, true} {
		dst := emptyRepo(t, ostreerepo.ModeBare)
		local(t, dst, src.Repo, pull.Options{CommitMetadataOnly: true, Depth: -1})
		sound(t, dst, 0, 3)
		for _, suffix := range []string{"dirtree", "dirmeta"} {
			for _, path := range objects(t, src.Repo, suffix) {
				rel, _ := filepath.Rel(src.Path(), path)
				target := filepath.Join(dst.Path(), rel)
				os.Mkdir(filepath.Dir(target), 0o755)
				if err := os.Link(path, target); err != nil {
					t.Fatal(err)
				}
			}
		}
		if withParent { // a repository between, whose parent has the mark
			dst = emptyRepo(t, ostreerepo.ModeBare, "parent="+dst.Path())
		}
		local(t, dst, src.Repo, pull.Options{CommitMetadataOnly: true})
		if got := local(t, dst, src.Repo, pull.Options{}); got.Content == 0 {
			t.Errorf("with parent %v: result %+v, want content", withParent, *got)
		}
		if withParent {
			continue
		}
		sound(t, dst, 1, 2)
		local(t, dst, src.Repo, pull.Options{Depth: -1})
		sound(t, dst, 3, 0)
	}
}

// TestFailure pulls from a source that lacks a file: nothing stays behind, and the
// next pull begins anew.
func TestFailure(t *testing.T) {
	src, dst := newHistory(t, ostreerepo.ModeBare), emptyRepo(t, ostreerepo.ModeArchive)
	path := objects(t, src.Repo, "file")[9]
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	_, err := pull.Local(context.Background(), dst, src.Repo, pull.Options{Depth: -1})
	var missing *ostreerepo.NotFoundError
	if !errors.As(err, &missing) {
		t.Errorf("error %v, want that of a missing object", err)
	}
	clean(t, dst)
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	local(t, dst, src.Repo, pull.Options{Depth: -1})
	sound(t, dst, 3, 0)
}

func TestCancel(t *testing.T) {
	src, dst := newHistory(t, ostreerepo.ModeBare), emptyRepo(t, ostreerepo.ModeArchive)
	ctx, cancel := context.WithCancel(context.Background())
	_, err := pull.Local(ctx, dst, src.Repo, pull.Options{Progress: func(done, _ int64) {
		if done == 10 {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
	clean(t, dst)
}

// TestOtherOwner pulls from a repository that belongs to somebody else, who could
// change a shared object: each is copied.
func TestOtherOwner(t *testing.T) {
	for _, mode := range repotest.Modes {
		t.Run(mode.String(), func(t *testing.T) {
			src, dst := newHistory(t, mode), emptyRepo(t, mode)
			if err := os.Chown(filepath.Join(src.Path(), "objects"), 1234, 1234); err != nil {
				t.Fatal(err)
			}
			for _, o := range []pull.Options{{}, {Untrusted: true, Depth: -1}} {
				local(t, dst, src.Repo, o)
			}
			sound(t, dst, 3, 0)
			for path, line := range snapshot(t, dst, src.Repo) {
				if strings.Contains(line, " link") {
					t.Errorf("%s is a link", path)
				}
			}
		})
	}
}

// TestDetached pulls detached metadata that changed since the commit was pulled.
func TestDetached(t *testing.T) {
	src, dst := newHistory(t, ostreerepo.ModeArchive), emptyRepo(t, ostreerepo.ModeArchive)
	head := src.commits[2]
	attach := func(word string) {
		t.Helper()
		err := src.Update(context.Background(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
			return tx.PutDetached(head, gvariant.NewVardict(gvariant.Entry{Key: "word", Value: gvariant.NewString(word)}))
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	local(t, dst, src.Repo, pull.Options{})
	for _, word := range []string{"one", "other"} {
		attach(word)
		result := local(t, dst, src.Repo, pull.Options{})
		got, _, err := dst.DetachedMetadata(head)
		if err != nil {
			t.Fatal(err)
		}
		if v, _ := got.Lookup("word"); v.Str() != word || result.DetachedBytes == 0 {
			t.Errorf("metadata %s, want word %s; %+v", got.Print(false), word, *result)
		}
	}
	removeAll(t, src.Repo, "commitmeta")
	local(t, dst, src.Repo, pull.Options{})
	if _, ok, err := dst.DetachedMetadata(head); !ok || err != nil {
		t.Errorf("metadata that the source does not have any more is gone, %v", err)
	}
}

// TestVerifyCommit shows what is verified, and that nothing comes when it fails.
func TestVerifyCommit(t *testing.T) {
	src, dst := newHistory(t, ostreerepo.ModeArchive), emptyRepo(t, ostreerepo.ModeArchive)
	refused := errors.New("refused")
	var seen []object.Checksum
	verify := func(c object.Checksum, data []byte, _ gvariant.Value) error {
		if object.Sum(data) != c {
			t.Errorf("commit %s: other data", c)
		}
		if seen = append(seen, c); c == src.commits[0] {
			return refused
		}
		return nil
	}
	_, err := pull.Local(context.Background(), dst, src.Repo, pull.Options{Depth: -1, VerifyCommit: verify})
	if !errors.Is(err, refused) {
		t.Errorf("error %v, want that of VerifyCommit", err)
	}
	want := []object.Checksum{src.commits[2], src.commits[1], src.commits[0]}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Error(diff)
	}
	clean(t, dst)
	local(t, dst, src.Repo, pull.Options{Depth: 1, VerifyCommit: verify})
	seen = nil
	local(t, dst, src.Repo, pull.Options{Depth: 1, VerifyCommit: verify}) // what is there is verified again
	if len(seen) != 2 {
		t.Errorf("%d commits verified, want 2", len(seen))
	}
}

// TestSummary pulls from a source with a summary, which decides about refs.
func TestSummary(t *testing.T) {
	src, dst := newHistory(t, ostreerepo.ModeArchive), emptyRepo(t, ostreerepo.ModeArchive)
	ctx := context.Background()
	var verified []byte
	o := pull.Options{VerifySummary: func(data []byte, _ gvariant.Value) error { verified = data; return nil }}
	if _, err := pull.Local(ctx, dst, src.Repo, o); err == nil {
		t.Error("no error without a summary")
	}
	if err := src.UpdateSummary(ctx, ostreerepo.SummaryOptions{}); err != nil {
		t.Fatal(err)
	}
	commit(t, src.Repo, "main", 4, src.dir)
	commit(t, src.Repo, "later", 5, src.dir)
	o.Refs = []string{"main"}
	local(t, dst, src.Repo, o)
	if c, _, err := dst.Ref("main"); c != src.commits[2] || err != nil {
		t.Errorf("main is %s, want that of the summary, %s; %v", c, src.commits[2], err)
	}
	if want, _ := src.Summary(); string(verified) != string(want) {
		t.Error("other data was verified")
	}
	var rev *ostreerepo.RevError
	if _, err := pull.Local(ctx, dst, src.Repo, pull.Options{}); !errors.As(err, &rev) || rev.Rev != "later" {
		t.Errorf("error %v, want that of a missing ref", err)
	}
	refused := errors.New("refused")
	o.VerifySummary = func([]byte, gvariant.Value) error { return refused }
	if _, err := pull.Local(ctx, dst, src.Repo, o); !errors.Is(err, refused) {
		t.Errorf("error %v, want that of VerifySummary", err)
	}
}

// TestTombstone pulls a history whose end was deleted in the source.
func TestTombstone(t *testing.T) {
	src, dst := newHistory(t, ostreerepo.ModeArchive, "tombstone-commits=true"), emptyRepo(t, ostreerepo.ModeBare)
	ctx := context.Background()
	if _, err := src.Prune(ctx, ostreerepo.PruneOptions{RefsOnly: true}); err != nil {
		t.Fatal(err)
	}
	local(t, dst, src.Repo, pull.Options{Depth: -1})
	if found := objects(t, dst, "tombstone-commit"); len(found) != 0 {
		t.Errorf("tombstones %v without a summary that tells of them", found)
	}
	if err := src.UpdateSummary(ctx, ostreerepo.SummaryOptions{}); err != nil {
		t.Fatal(err)
	}
	local(t, dst, src.Repo, pull.Options{Depth: -1, Untrusted: true})
	n := object.Name{Checksum: src.commits[1], Type: object.TypeTombstoneCommit}
	if ok, err := dst.Has(n); !ok || err != nil {
		t.Errorf("no tombstone; %v", err)
	}
}

// TestParents pulls from and into repositories that have parents.
func TestParents(t *testing.T) {
	old := newHistory(t, ostreerepo.ModeBare)
	src := emptyRepo(t, ostreerepo.ModeArchive, "parent="+old.Path())
	dst := emptyRepo(t, ostreerepo.ModeBare)
	local(t, dst, src, pull.Options{Refs: []string{"main"}}) // from the source's parent, by links
	sound(t, dst, 1, 0)
	child := emptyRepo(t, ostreerepo.ModeArchive, "parent="+dst.Path())
	if got := local(t, child, old.Repo, pull.Options{}); *got != (pull.Result{}) {
		t.Errorf("result %+v, want nothing beside the parent", *got)
	}
	if c, ok, _ := child.Ref("main"); ok { // its parent has it, which is enough for libostree too
		t.Errorf("ref %s", c)
	}
}

// TestBindings pulls commits under names that they were not made for.
func TestBindings(t *testing.T) {
	src := newHistory(t, ostreerepo.ModeArchive)
	ctx := context.Background()
	err := src.Update(ctx, ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		return errors.Join(tx.SetRef("copy", src.commits[2]), tx.SetRef("old", src.commits[0]), tx.SetRef("origin:theirs", src.commits[0]))
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		refs []string
		o    pull.Options
		ok   bool
	}{
		{[]string{"main"}, pull.Options{}, true},
		{[]string{"copy"}, pull.Options{}, false},
		{[]string{"copy"}, pull.Options{DisableVerifyBindings: true}, true},
		{[]string{"copy", "main"}, pull.Options{}, true},
		{[]string{"main", "old"}, pull.Options{}, false},
		{[]string{"theirs"}, pull.Options{DisableVerifyBindings: true}, false}, // a remote's ref
		{nil, pull.Options{DisableVerifyBindings: true, Remote: "r"}, true},
	} {
		c.o.Refs = c.refs
		dst := emptyRepo(t, ostreerepo.ModeArchive)
		if _, err := pull.Local(ctx, dst, src.Repo, c.o); (err == nil) != c.ok {
			t.Errorf("refs %q: error %v, want success %v", c.refs, err, c.ok)
		} else if err != nil {
			clean(t, dst)
		}
	}
}

// TestSame pulls a repository from itself.
func TestSame(t *testing.T) {
	src := newHistory(t, ostreerepo.ModeBareUser)
	if got := local(t, reopen(t, src.Path()), src.Repo, pull.Options{Depth: -1}); *got != (pull.Result{}) {
		t.Errorf("result %+v, want nothing", *got)
	}
}

// TestUnlinkable pulls a file that can't get one more name. It is marked immutable,
// where the file system can; one with as many names as there may be is the same.
func TestUnlinkable(t *testing.T) {
	src, dst := newHistory(t, ostreerepo.ModeBare), emptyRepo(t, ostreerepo.ModeBare)
	f, err := os.Open(objects(t, src.Repo, "file")[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const immutable = 0x10
	if err := unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, immutable); err == nil {
		defer unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, 0)
	}
	local(t, dst, src.Repo, pull.Options{})
	sound(t, dst, 1, 0)
}
