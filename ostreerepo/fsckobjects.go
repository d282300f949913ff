package ostreerepo

import (
	"context"
	"errors"
	"runtime"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/treenail/treenail/format/object"
	"golang.org/x/sync/errgroup"
)

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
