package par

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
)

// Pool runs jobs on GOMAXPROCS goroutines. Jobs start in the order they are
// given, and after the first failure no more are taken, so the error of the
// earliest job that fails is the same on every machine. No queue grows: a job
// waits to be given until a goroutine is free.
type Pool struct {
	ctx    context.Context
	slots  chan struct{}
	jobs   sync.WaitGroup
	given  int // belongs to the caller of Do
	failed atomic.Bool

	mu    sync.Mutex
	err   error // of job number errAt
	errAt int
}

// NewPool returns a pool that takes no more jobs when ctx is done.
func NewPool(ctx context.Context) *Pool {
	return &Pool{ctx: ctx, slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// ErrStopped ends the giving out of jobs. What Wait returns says why.
var ErrStopped = errors.New("stopped")

// Err returns ErrStopped when the pool takes no more jobs.
func (p *Pool) Err() error {
	if p.failed.Load() || p.ctx.Err() != nil {
		return ErrStopped
	}
	return nil
}

// Do hands a job to the workers, and waits while all of them are busy. When one
// has failed or the context is done, the job does not run and the answer is
// ErrStopped. Only one goroutine calls Do.
func (p *Pool) Do(job func() error) error {
	p.slots <- struct{}{}
	if err := p.Err(); err != nil {
		<-p.slots
		return err
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

func (p *Pool) fail(n int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil || n < p.errAt {
		p.err, p.errAt = err, n
	}
	p.failed.Store(true)
}

// Wait waits for all jobs. It returns the error of the earliest that failed;
// given, the error that ended the giving out of jobs, comes after those.
func (p *Pool) Wait(given error) error {
	p.jobs.Wait()
	switch {
	case p.err != nil:
		return p.err
	case p.ctx.Err() != nil:
		return p.ctx.Err()
	}
	return given
}
