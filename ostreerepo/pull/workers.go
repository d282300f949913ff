package pull

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
)

// workers run jobs on all cores. A job waits to be given until one of them is
// free, so no queue grows, and of several failures the one of the earliest job
// counts, so the error is the same on every machine.
type workers struct {
	ctx    context.Context
	slots  chan struct{}
	jobs   sync.WaitGroup
	given  int // belongs to the caller of do
	failed atomic.Bool

	mu       sync.Mutex
	failure  error // of job number failedAt
	failedAt int
}

func newWorkers(ctx context.Context) *workers {
	return &workers{ctx: ctx, slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// errStopped ends the giving out of jobs; wait says why.
var errStopped = errors.New("stopped")

// err is errStopped when no more jobs are taken.
func (w *workers) err() error {
	if w.failed.Load() || w.ctx.Err() != nil {
		return errStopped
	}
	return nil
}

// do hands out a job.
func (w *workers) do(job func() error) error {
	w.slots <- struct{}{}
	if err := w.err(); err != nil {
		<-w.slots
		return err
	}
	n := w.given
	w.given++
	w.jobs.Go(func() {
		defer func() { <-w.slots }()
		if err := job(); err != nil {
			w.fail(n, err)
		}
	})
	return nil
}

func (w *workers) fail(n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failure == nil || n < w.failedAt {
		w.failure, w.failedAt = err, n
	}
	w.failed.Store(true)
}

// wait waits for all jobs. It returns the error of the earliest that failed;
// given, the error that ended the giving out of jobs, comes after those.
func (w *workers) wait(given error) error {
	w.jobs.Wait()
	switch {
	case w.failure != nil:
		return w.failure
	case w.ctx.Err() != nil:
		return w.ctx.Err()
	}
	return given
}
