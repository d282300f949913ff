package tree

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
)

// pool runs jobs on GOMAXPROCS goroutines. Jobs start in the order they are
// given, and after the first failure no more are taken, so the error of the
// earliest job that fails is the same on every machine.
type pool struct {
	ctx    context.Context
	slots  chan struct{}
	jobs   sync.WaitGroup
	given  int // belongs to the caller of do
	failed atomic.Bool

	mu    sync.Mutex
	err   error // of job number errAt
	errAt int
}

func newPool(ctx context.Context) *pool {
	return &pool{ctx: ctx, slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// errStopped ends the giving out of jobs; wait says why.
var errStopped = errors.New("stopped")

// do hands a job to the workers, and waits while all of them are busy. When one
// has failed or the context is done, the job does not run and the answer is
// errStopped.
func (p *pool) do(job func() error) error {
	p.slots <- struct{}{}
	if p.failed.Load() || p.ctx.Err() != nil {
		<-p.slots
		return errStopped
	}
	n := p.given
	p.given++
	p.jobs.Go(func() {
		defer func() { <-p.slots }()
		if err := job(); err != nil {
			p.fail(n, err)
		}
	})
	return nil
}

func (p *pool) fail(n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil || n < p.errAt {
		p.err, p.errAt = err, n
	}
	p.failed.Store(true)
}

// wait waits for all jobs. It returns the error of the earliest that failed;
// walk, the error that ended the giving out of jobs, comes after those.
func (p *pool) wait(walk error) error {
	p.jobs.Wait()
	switch {
	case p.err != nil:
		return p.err
	case p.ctx.Err() != nil:
		return p.ctx.Err()
	}
	return walk
}
