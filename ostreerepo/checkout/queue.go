package checkout

import (
	"math"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/treenail/treenail/format/object"
)

// A job is a directory to enter or some of a directory's files to place.
type job struct {
	dir   *dir
	at    int64              // where in dir it begins
	files []object.FileEntry // those to place, unless at is atEntry
}

// Places in a directory in the commit's order: the directory itself, its files,
// its subdirectories, and what is done when all of them are there.
const (
	atEntry  int64 = -1
	atSubdir int64 = 1 << 32 // plus the subdirectory's number; a file's place is its number
	atEnd    int64 = math.MaxInt64
)

// point is a place in the commit's order, by which errors are compared.
type point struct {
	dir *dir
	at  int64
}

// before reports whether a walk of the commit comes to p earlier than to q.
func (p point) before(q point) bool {
	for p.dir.depth > q.dir.depth {
		p = p.up()
	}
	for q.dir.depth > p.dir.depth {
		q = q.up()
	}
	for p.dir != q.dir {
		p, q = p.up(), q.up()
	}
	return p.at < q.at
}

// up is the place of p's directory in its parent.
func (p point) up() point { return point{p.dir.parent, atSubdir + p.dir.index} }

// failure is an error and where it happened; a nil dir is before everything.
type failure struct {
	point
	err error
}

// queue hands out jobs, the newest first: so the walk goes down before it goes on
// and few directories are open at a time. After a failure only jobs that come
// before it in the commit's order still run, which makes the failure that stays
// the same whatever ran at the same time.
type queue struct {
	mu     sync.Mutex
	wake   sync.Cond // signalled when there is a job, broadcast at the end
	jobs   []job
	active int // jobs waiting or running
	failed atomic.Pointer[failure]
}

func (q *queue) push(jobs ...job) {
	q.mu.Lock()
	q.jobs = append(q.jobs, jobs...)
	q.active += len(jobs)
	q.mu.Unlock()
	for range jobs {
		q.wake.Signal()
	}
}

// take waits for a job; ok is false when there will be no more.
func (q *queue) take() (j job, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.jobs) == 0 && q.active > 0 {
		q.wake.Wait()
	}
	last := len(q.jobs) - 1
	if last < 0 {
		return job{}, false
	}
	j = q.jobs[last]
	q.jobs[last] = job{}
	q.jobs = q.jobs[:last]
	return j, true
}

// done says that a job that take gave out is over.
func (q *queue) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.active--; q.active == 0 {
		q.wake.Broadcast()
	}
}

// fail notes an error unless one that comes before it is known.
func (q *queue) fail(p point, err error) {
	q.replace(&failure{p, err})
}

// cancel ends all work.
func (q *queue) cancel(err error) {
	q.replace(&failure{err: err})
}

func (q *queue) replace(f *failure) {
	for {
		old := q.failed.Load()
		if old != nil && (old.dir == nil || f.dir != nil && !f.before(old.point)) {
			return
		}
		if q.failed.CompareAndSwap(old, f) {
			return
		}
	}
}

// stopped reports whether what is at p need not be done any more.
func (q *queue) stopped(p point) bool {
	f := q.failed.Load()
	return f != nil && (f.dir == nil || !p.before(f.point))
}

func (q *queue) err() error {
	if f := q.failed.Load(); f != nil {
		return f.err
	}
	return nil
}

// work runs all jobs on as many goroutines as there are processors and returns
// when none is left.
func (c *run) work() {
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for {
				j, ok := c.queue.take()
				if !ok {
					return
				}
				c.do(j)
				c.leave(j.dir)
				c.queue.done()
			}
		})
	}
	workers.Wait()
}

// meter counts files for Options.Progress.
type meter struct {
	report func(done, total int64)
	mu     sync.Mutex
	ready  int64
	known  int64
}

func (m *meter) found(files int) { m.add(0, files) }
func (m *meter) done(files int)  { m.add(files, 0) }

func (m *meter) add(ready, known int) {
	if m.report == nil || ready+known == 0 {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.ready += int64(ready)
	m.known += int64(known)
	m.report(m.ready, m.known)
}
