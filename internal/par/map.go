// Package par does work on all cores whose outcome does not depend on their number.
package par

import (
	"context"
	"iter"
	"runtime"
	"sync"
)

// Map calls fn for the items of in on GOMAXPROCS goroutines and yields what it
// returns in the order of in, so that the outcome does not depend on the machine.
// At most ahead results wait for their turn. It ends after the first error in
// that order, be it of in or of fn, and when ctx is done.
//
// in runs in a goroutine of its own. For each item that it yields fn is called,
// once, even when the result is not wanted any more, so that fn can release what
// an item holds; its context is done then. When the loop over Map has ended, all
// goroutines have.
func Map[T, U any](ctx context.Context, in iter.Seq2[T, error], ahead int, fn func(context.Context, T) (U, error)) iter.Seq2[U, error] {
	return func(yield func(U, error) bool) {
		m := &mapper[T, U]{fn: fn, queue: make(chan *slot[U], ahead), jobs: make(chan func())}
		var running sync.WaitGroup
		defer running.Wait()
		mapCtx, cancel := context.WithCancel(ctx)
		defer cancel()
		running.Go(func() { m.feed(mapCtx, in) })
		for range runtime.GOMAXPROCS(0) {
			running.Go(m.work)
		}
		if m.collect(mapCtx, yield) && ctx.Err() != nil {
			var none U
			yield(none, ctx.Err())
		}
	}
}

type mapper[T, U any] struct {
	fn    func(context.Context, T) (U, error)
	queue chan *slot[U] // in order
	jobs  chan func()
}

// slot is the place of a result.
type slot[U any] struct {
	value U
	err   error
	ready chan struct{} // closed when the result is there
}

func (m *mapper[T, U]) work() {
	for job := range m.jobs {
		job()
	}
}

// feed makes a slot and a job of each item.
func (m *mapper[T, U]) feed(ctx context.Context, in iter.Seq2[T, error]) {
	defer close(m.queue)
	defer close(m.jobs)
	for item, err := range in {
		s := &slot[U]{err: err, ready: make(chan struct{})}
		job := func() {
			s.value, s.err = m.fn(ctx, item)
			close(s.ready)
		}
		if err != nil {
			job = func() { close(s.ready) }
		}
		select {
		case m.queue <- s:
		case <-ctx.Done():
		}
		select {
		case m.jobs <- job:
		case <-ctx.Done():
			job()
		}
		if err != nil || ctx.Err() != nil {
			return
		}
	}
}

// collect yields the results and reports whether more were wanted at the end.
func (m *mapper[T, U]) collect(ctx context.Context, yield func(U, error) bool) bool {
	for s := range m.queue {
		select {
		case <-s.ready:
		case <-ctx.Done():
			return true
		}
		if !yield(s.value, s.err) || s.err != nil {
			return false
		}
	}
	return true
}
