package ostreerepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/keyfile"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/durable"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// FsckOptions are the choices of Fsck.
type FsckOptions struct {
	KeepGoing      bool // report every damaged object, not only the first
	Delete         bool // remove damaged objects; implies KeepGoing
	AddTombstones  bool // for commits whose parent is missing
	VerifyBindings bool // refs must be among the bindings of their commits
	VerifyBackRefs bool // bindings must be refs; implies VerifyBindings

	// Stage is called before each part of the work, with the number of commits
	// for the stages that speak of some.
	Stage func(stage FsckStage, commits int)
	// Progress is called with the objects verified so far and their total, from
	// one goroutine at a time.
	Progress func(done, total int64)
}

// FsckStage is a part of Fsck's work.
type FsckStage uint8

// The stages, in their order. FsckPartial comes only when there are partial commits.
const (
	FsckRefs FsckStage = iota
	FsckCollectionRefs
	FsckCommits
	FsckPartial
	FsckObjects
)

// FsckReport is what Fsck found.
type FsckReport struct {
	Commits     []object.Checksum // verified, sorted
	Partial     int               // commits not verified because objects may be missing
	FsckPartial int               // those of them that an earlier Fsck marked
	Objects     int               // verified
	Problems    []FsckProblem
	Marked      []object.Checksum // commits that this Fsck marked partial
	Tombstones  []object.Checksum // missing parents that were given a tombstone
}

// FsckProblem is an object that is missing or damaged.
type FsckProblem struct {
	Object  object.Name
	Commits []object.Checksum // the verified commits that consist of it, sorted
	Err     error             // a *NotFoundError for a missing one
}

// Missing reports whether the object is not there at all.
func (p *FsckProblem) Missing() bool { return errors.Is(p.Err, ErrNotFound) }

// Fsck verifies every object that the repository's complete commits consist of,
// on all cores. A missing object marks its commits partial. The report is valid
// also with an error, which says that the work could not be done; problems in
// the repository are no error.
func (r *Repo) Fsck(ctx context.Context, o FsckOptions) (*FsckReport, error) {
	o.KeepGoing = o.KeepGoing || o.Delete
	o.VerifyBindings = o.VerifyBindings || o.VerifyBackRefs
	if o.Stage == nil {
		o.Stage = func(FsckStage, int) {}
	}
	c := &fscker{repo: r, o: o, report: &FsckReport{}, seen: map[object.Name]struct{}{}}
	for _, step := range []func(context.Context) error{c.checkRefs, c.listCommits, c.traverse, c.verify, c.settle} {
		if err := step(ctx); err != nil {
			return c.report, err
		}
	}
	return c.report, nil
}

type fscker struct {
	repo   *Repo
	o      FsckOptions
	report *FsckReport
	seen   map[object.Name]struct{}
	todo   []object.Name // reachable objects that traverse did not read
	mu     sync.Mutex    // guards report.Problems in verify
}

func (c *fscker) checkRefs(context.Context) error {
	if c.o.AddTombstones {
		if err := c.repo.enableTombstones(); err != nil {
			return err
		}
	}
	c.o.Stage(FsckRefs, 0)
	refs, err := c.repo.Refs()
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if err := c.checkRef(ref.Name, "", ref); err != nil {
			return err
		}
	}
	c.o.Stage(FsckCollectionRefs, 0)
	collectionRefs, err := c.repo.CollectionRefs()
	if err != nil {
		return err
	}
	for _, ref := range collectionRefs {
		label := fmt.Sprintf("(%s, %s)", ref.Collection, ref.Name)
		if err := c.checkRef(label, ref.Collection, Ref{Name: ref.Name, Commit: ref.Commit}); err != nil {
			return err
		}
	}
	return nil
}

func (c *fscker) checkRef(label, collection string, ref Ref) error {
	kind := "ref"
	if collection != "" {
		kind = "collection–ref"
	}
	commit, err := c.repo.Commit(ref.Commit)
	if errors.Is(err, ErrNotFound) {
		return fmt.Errorf("Loading commit for %s %s: %w", kind, label, err) //nolint:staticcheck // libostree's text
	}
	if err != nil || !c.o.VerifyBindings {
		return nil // damage is found and reported with the objects
	}
	_, name, err := ParseRefspec(ref.Name)
	if err != nil {
		return err
	}
	if err := VerifyBindings(commit, collection, name); err != nil {
		return fmt.Errorf("Commit %s: %w", ref.Commit, err) //nolint:staticcheck // libostree's text
	}
	return nil
}

func (c *fscker) listCommits(ctx context.Context) error {
	c.o.Stage(FsckCommits, 0)
	for n, err := range c.repo.Objects() {
		if err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if n.Type == object.TypeCommit {
			if err := c.addCommit(n); err != nil {
				return err
			}
		}
	}
	if c.report.Partial > 0 {
		c.o.Stage(FsckPartial, c.report.Partial)
	}
	return nil
}

func (c *fscker) addCommit(n object.Name) error {
	partial, byFsck, err := c.repo.partialReason(n.Checksum)
	if err != nil {
		return err
	}
	if partial {
		c.report.Partial++
		if byFsck {
			c.report.FsckPartial++
		}
		return nil
	}
	c.report.Commits = append(c.report.Commits, n.Checksum)
	commit, err := c.repo.Commit(n.Checksum)
	if err != nil {
		return nil // traverse reports it
	}
	if c.o.VerifyBackRefs {
		if err := c.repo.verifyBackRefs(n.Checksum, commit); err != nil {
			return err
		}
	}
	if c.o.AddTombstones && !commit.Parent.IsZero() {
		return c.addTombstone(commit.Parent)
	}
	return nil
}

// partialReason reads a commit's marker; one that Fsck made holds the letter f.
func (r *Repo) partialReason(commit object.Checksum) (partial, byFsck bool, err error) {
	data, err := readFileAt(r.fd(), partialPath(commit), 16)
	if errors.Is(err, fs.ErrNotExist) {
		return false, false, nil
	}
	if err != nil {
		return false, false, fmt.Errorf("repo %s: %s: %w", r.path, partialPath(commit), err)
	}
	return true, len(data) > 0 && data[0] == 'f', nil
}

// enableTombstones makes later deletions of commits leave tombstones too.
func (r *Repo) enableTombstones() error {
	if r.tombstones {
		return nil
	}
	return r.editConfig(func(c *keyfile.File) error { return c.SetString("core", "tombstone-commits", "true") })
}

func (c *fscker) addTombstone(parent object.Checksum) error {
	for _, t := range []object.Type{object.TypeCommit, object.TypeTombstoneCommit} {
		if ok, err := c.repo.Has(object.Name{Checksum: parent, Type: t}); ok || err != nil {
			return err
		}
	}
	if err := c.repo.writeTombstone(parent); err != nil {
		return err
	}
	c.report.Tombstones = append(c.report.Tombstones, parent)
	return nil
}

// writeTombstone notes that a commit was deleted on purpose: a{sv} with the
// checksum under the key "commit".
func (r *Repo) writeTombstone(c object.Checksum) error {
	n := object.Name{Checksum: c, Type: object.TypeTombstoneCommit}
	data := gvariant.NewVardict(gvariant.Entry{Key: "commit", Value: gvariant.NewByteString(c.String())}).Bytes()
	path := r.loosePath(n)
	if err := unix.Mkdirat(r.objectsFD(), path[:2], 0o775); err != nil && !errors.Is(err, fs.ErrExist) {
		return r.objectError(n, err)
	}
	dir, err := openDir(r.objectsFD(), path[:2])
	if err != nil {
		return r.objectError(n, err)
	}
	defer dir.Close()
	if err := durable.WriteFileAt(dir, path[3:], data, 0o644, r.fsync); err != nil {
		return r.objectError(n, err)
	}
	return nil
}

// traverse lists all objects that the commits consist of. Metadata is verified
// on the way; what it can't read is a problem, and what lies below stays unknown.
func (c *fscker) traverse(ctx context.Context) error {
	sort.Slice(c.report.Commits, func(i, j int) bool { return c.report.Commits[i].Compare(c.report.Commits[j]) < 0 })
	c.o.Stage(FsckObjects, len(c.report.Commits))
	for _, commit := range c.report.Commits {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := object.Name{Checksum: commit, Type: object.TypeCommit}
		if !c.first(n) {
			continue
		}
		loaded, err := c.repo.Commit(commit)
		if c.problem(n, err) {
			continue
		}
		c.addDir(loaded.Tree, loaded.Meta)
	}
	return nil
}

func (c *fscker) first(n object.Name) bool {
	if _, ok := c.seen[n]; ok {
		return false
	}
	c.seen[n] = struct{}{}
	return true
}

// problem notes that reading n went wrong and reports whether it did.
func (c *fscker) problem(n object.Name, err error) bool {
	if err == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.report.Problems = append(c.report.Problems, FsckProblem{Object: n, Err: err})
	return true
}

func (c *fscker) addDir(tree, meta object.Checksum) {
	if n := (object.Name{Checksum: meta, Type: object.TypeDirMeta}); c.first(n) {
		_, err := c.repo.DirMeta(meta)
		c.problem(n, err)
	}
	n := object.Name{Checksum: tree, Type: object.TypeDirTree}
	if !c.first(n) {
		return
	}
	t, err := c.repo.DirTree(tree)
	if c.problem(n, err) {
		return
	}
	for _, f := range t.Files {
		if n := (object.Name{Checksum: f.Checksum, Type: object.TypeFile}); c.first(n) {
			c.todo = append(c.todo, n)
		}
	}
	for _, d := range t.Dirs {
		c.addDir(d.Tree, d.Meta)
	}
}

// verify reads the content objects on all cores, in the order of their names,
// which is that of the directories they lie in.
func (c *fscker) verify(ctx context.Context) error {
	sort.Slice(c.todo, func(i, j int) bool { return c.todo[i].Checksum.Compare(c.todo[j].Checksum) < 0 })
	c.report.Objects = len(c.seen)
	progress := newCounter(c.o.Progress, int64(len(c.seen)-len(c.todo)), int64(len(c.seen)))
	g, ctx := errgroup.WithContext(ctx)
	var next atomic.Int64
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(c.todo) {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				n := c.todo[i]
				err := c.repo.verifyContent(n.Checksum)
				if c.problem(n, err) && !c.o.KeepGoing && !errors.Is(err, ErrNotFound) {
					next.Store(int64(len(c.todo))) // the others end what they have begun
				}
				progress.add()
			}
		})
	}
	return g.Wait()
}

func (r *Repo) verifyContent(c object.Checksum) error {
	f, err := r.OpenFile(c)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Verify()
}

// counter calls a progress function from one goroutine at a time.
type counter struct {
	mu          sync.Mutex
	report      func(done, total int64)
	done, total int64
}

func newCounter(report func(done, total int64), done, total int64) *counter {
	if report == nil {
		report = func(int64, int64) {}
	}
	report(done, total)
	return &counter{report: report, done: done, total: total}
}

func (p *counter) add() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	p.report(p.done, p.total)
}

// settle completes the report and acts on it: damaged objects are deleted when
// that was asked for, and commits that lack objects are marked.
func (c *fscker) settle(ctx context.Context) error {
	problems := c.report.Problems
	if len(problems) == 0 {
		return nil
	}
	sort.Slice(problems, func(i, j int) bool { return problems[i].Object.Checksum.Compare(problems[j].Object.Checksum) < 0 })
	c.findUsers()
	lost := map[object.Checksum]bool{}
	unlock, err := c.repo.Lock(ctx, true)
	if err != nil {
		return err
	}
	defer unlock()
	for i := range problems {
		p := &problems[i]
		if !p.Missing() {
			if !c.o.Delete {
				continue
			}
			if err := c.repo.removeObject(p.Object); err != nil {
				return err
			}
		}
		for _, commit := range p.Commits {
			lost[commit] = true
		}
	}
	return c.mark(lost)
}

func (c *fscker) mark(commits map[object.Checksum]bool) error {
	for _, commit := range c.report.Commits {
		if !commits[commit] {
			continue
		}
		path := c.repo.path + "/" + partialPath(commit)
		if err := durable.WriteFile(path, []byte("f"), 0o644); err != nil {
			return err
		}
		c.report.Marked = append(c.report.Marked, commit)
	}
	return nil
}

// removeObject deletes an object and what belongs to it alone.
func (r *Repo) removeObject(n object.Name) error {
	err := unix.Unlinkat(r.objectsFD(), r.loosePath(n), 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return r.objectError(n, err)
	}
	return nil
}

// findUsers fills in which commits consist of each problem's object. It walks
// all commits again, which only a damaged repository has to pay for.
func (c *fscker) findUsers() {
	users := map[object.Name]*FsckProblem{}
	for i := range c.report.Problems {
		users[c.report.Problems[i].Object] = &c.report.Problems[i]
	}
	for _, commit := range c.report.Commits {
		w := userWalk{repo: c.repo, commit: commit, users: users, seen: map[object.Name]struct{}{}}
		w.visitCommit()
	}
}

type userWalk struct {
	repo   *Repo
	commit object.Checksum
	users  map[object.Name]*FsckProblem
	seen   map[object.Name]struct{}
}

func (w *userWalk) visit(n object.Name) (first bool) {
	if _, ok := w.seen[n]; ok {
		return false
	}
	w.seen[n] = struct{}{}
	if p, ok := w.users[n]; ok {
		p.Commits = append(p.Commits, w.commit)
	}
	return true
}

func (w *userWalk) visitCommit() {
	w.visit(object.Name{Checksum: w.commit, Type: object.TypeCommit})
	if commit, err := w.repo.Commit(w.commit); err == nil {
		w.visitDir(commit.Tree, commit.Meta)
	}
}

func (w *userWalk) visitDir(tree, meta object.Checksum) {
	w.visit(object.Name{Checksum: meta, Type: object.TypeDirMeta})
	if !w.visit(object.Name{Checksum: tree, Type: object.TypeDirTree}) {
		return
	}
	t, err := w.repo.DirTree(tree)
	if err != nil {
		return
	}
	for _, f := range t.Files {
		w.visit(object.Name{Checksum: f.Checksum, Type: object.TypeFile})
	}
	for _, d := range t.Dirs {
		w.visitDir(d.Tree, d.Meta)
	}
}
