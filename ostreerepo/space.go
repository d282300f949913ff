package ostreerepo

import (
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// space is what a transaction may still take of the disk: core.min-free-space-size
// or -percent stay free.
type space struct {
	repo      *Repo
	blockSize int64
	blocks    atomic.Int64
	limited   bool
}

func (r *Repo) freeSpace() (*space, error) {
	s := &space{repo: r, limited: r.minFreeBytes > 0 || r.minFreePercent > 0}
	if !s.limited {
		return s, nil
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(r.objectsFD(), &st); err != nil {
		return nil, err
	}
	s.blockSize = max(int64(st.Bsize), 1)
	reserved := int64(st.Blocks) * r.minFreePercent / 100
	if r.minFreeBytes > 0 {
		reserved = r.minFreeBytes / s.blockSize
	}
	free := int64(st.Bavail)
	if unix.Geteuid() == 0 {
		free = int64(st.Bfree)
	}
	s.blocks.Store(max(free-reserved, 0))
	return s, nil
}

// take charges a content object of n bytes, in whole blocks.
func (s *space) take(n int64) error {
	if !s.limited {
		return nil
	}
	blocks := n/s.blockSize + 1
	if s.blocks.Add(-blocks) < 0 {
		return s.exceeded(blocks * s.blockSize)
	}
	return nil
}

// spaceError says that the reserve of free space would be touched.
type spaceError struct{ text string }

func (e *spaceError) Error() string { return e.text }

func (s *space) exceeded(bytes int64) error {
	limit := fmt.Sprintf("min-free-space-percent '%d%%'", s.repo.minFreePercent)
	if s.repo.minFreeBytes > 0 {
		limit = fmt.Sprintf("min-free-space-size %dMB", s.repo.minFreeBytes>>20)
	}
	return &spaceError{fmt.Sprintf("%s would be exceeded, at least %d bytes requested", limit, bytes)}
}

// isSpaceError reports whether there is not enough space for a transaction.
func isSpaceError(err error) bool {
	var reserve *spaceError
	return errors.As(err, &reserve) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}
