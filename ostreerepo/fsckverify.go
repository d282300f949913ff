package ostreerepo

import (
	"context"
	"errors"
	"iter"
	"runtime"
	"slices"
	"sync"

	"github.com/treenail/treenail/format/object"
	"golang.org/x/sync/errgroup"
)

// verify reads the dirmetas and the content objects on all cores. Those that are not
// here come first: all that are missing are reported, also when damage ends the work.
func (c *fscker) verify(ctx context.Context) error {
	others := c.seen.others()
	here := int64(c.report.Objects - len(others))
	rest := int64(0)
	for range c.unread() {
		rest++
	}
	progress := newCounter(c.o.Progress, here-rest, int64(c.report.Objects))
	if err := c.verifyAll(ctx, slices.Values(others), false, progress); err != nil || c.stopped {
		return err
	}
	return c.verifyAll(ctx, c.unread(), !c.o.KeepGoing, progress)
}

// unread lists the objects that are here and that traverse did not read, directory by
// directory.
func (c *fscker) unread() iter.Seq[object.Name] {
	return func(yield func(object.Name) bool) {
		for dir := range 256 {
			for sum := range c.seen.metas.all(dir, true) {
				if !yield(object.Name{Checksum: sum, Type: object.TypeDirMeta}) {
					return
				}
			}
			for sum := range c.files.all(dir, true) {
				if !yield(object.Name{Checksum: sum, Type: object.TypeFile}) {
					return
				}
			}
		}
	}
}

// verifyAll verifies objects. With stop it ends at the first that is damaged; of what
// other goroutines found at the same time nothing is reported, so that the report
// is the same on any number of cores.
func (c *fscker) verifyAll(ctx context.Context, names iter.Seq[object.Name], stop bool, progress *counter) error {
	next, end := iter.Pull(names)
	defer end()
	q := &fsckQueue{next: next, stop: stop}
	g, ctx := errgroup.WithContext(ctx)
	for range runtime.GOMAXPROCS(0) {
		g.Go(func() error {
			for i, n, ok := q.take(); ok; i, n, ok = q.take() {
				if err := ctx.Err(); err != nil {
					return err
				}
				q.done(i, n, c.verifyObject(n))
				progress.add()
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	slices.SortFunc(q.bad, func(a, b badObject) int { return a.i - b.i })
	for _, b := range q.bad {
		if c.problem(b.name, b.err); c.stopped && stop {
			break
		}
	}
	return nil
}

// fsckQueue hands out the objects to be verified and takes the bad ones.
type fsckQueue struct {
	mu    sync.Mutex
	next  func() (object.Name, bool)
	taken int
	stop  bool // at a damaged object
	ended bool
	bad   []badObject
}

type badObject struct {
	i    int // its place in the queue
	name object.Name
	err  error
}

func (q *fsckQueue) take() (i int, n object.Name, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.ended {
		return 0, n, false
	}
	n, ok = q.next()
	q.taken++
	return q.taken, n, ok
}

func (q *fsckQueue) done(i int, n object.Name, err error) {
	if err == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bad = append(q.bad, badObject{i, n, err})
	if q.stop && !errors.Is(err, ErrNotFound) {
		q.ended = true
	}
}

// verifyObject verifies what traverse does not read.
func (c *fscker) verifyObject(n object.Name) error {
	switch n.Type {
	case object.TypeFile:
		return c.verifyFile(n.Checksum)
	case object.TypeDirMeta:
		_, err := c.repo.DirMeta(n.Checksum)
		return err
	}
	return nil
}

func (c *fscker) verifyFile(sum object.Checksum) error {
	f, err := c.repo.OpenFile(sum)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Verify(); err != nil {
		return err
	}
	if f.repo == c.repo && c.repo.mode == ModeBareSplitXattrs {
		c.visitXattrs(object.Sum(f.Header.Xattrs.Encode()))
	}
	return nil
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
