package ostreerepo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sys/unix"
)

// repoLock is this process's share of the lock on .lock: an open file
// description lock, as libostree takes it, counted so that operations of one
// process may overlap.
type repoLock struct {
	mu        sync.Mutex
	file      *os.File
	shared    int
	exclusive int
}

// lockPoll is how often a lock that another process holds is tried again;
// libostree tries once a second.
const lockPoll = 100 * time.Millisecond

// Lock takes the repository's lock, shared for reading and adding, exclusive for
// deleting, and returns the function that releases it. It waits as long as
// core.lock-timeout-secs says. A repository that this process can't write to is
// not locked.
func (r *Repo) Lock(ctx context.Context, exclusive bool) (unlock func(), err error) {
	if !r.locking || r.Writable() != nil {
		return func() {}, nil
	}
	kind := "shared"
	if exclusive {
		kind = "exclusive"
	}
	if err := r.lock.acquire(ctx, r, exclusive); err != nil {
		return nil, fmt.Errorf("Locking repo %s failed: %w", kind, err) //nolint:staticcheck // libostree's text
	}
	return sync.OnceFunc(func() { r.lock.release(exclusive) }), nil
}

func (l *repoLock) acquire(ctx context.Context, r *Repo, exclusive bool) error {
	deadline := time.Now().Add(r.lockTimeout)
	for {
		err := l.try(r, exclusive)
		if !errors.Is(err, unix.EAGAIN) {
			return err
		}
		if r.lockTimeout >= 0 && !time.Now().Before(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lockPoll):
		}
	}
}

func (l *repoLock) try(r *Repo, exclusive bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		f, err := linuxfs.Open(r.fd(), ".lock", unix.O_CREAT|unix.O_RDWR, 0o660)
		if err != nil {
			return err
		}
		l.file = f
	}
	if l.exclusive == 0 && (exclusive || l.shared == 0) {
		if err := linuxfs.TryLock(l.file, exclusive); err != nil {
			return err
		}
	}
	if exclusive {
		l.exclusive++
	} else {
		l.shared++
	}
	return nil
}

func (l *repoLock) release(exclusive bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if exclusive {
		l.exclusive--
	} else {
		l.shared--
	}
	switch {
	case l.exclusive > 0:
	case l.shared > 0:
		linuxfs.TryLock(l.file, false) // a downgrade can't fail
	default:
		l.file.Close()
		l.file = nil
	}
}
