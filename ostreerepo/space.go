package ostreerepo

import (
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
	if left := s.blocks.Add(-blocks); left < 0 {
		return s.exceeded(-left * s.blockSize)
	}
	return nil
}

func (s *space) exceeded(bytes int64) error {
	if s.repo.minFreeBytes > 0 {
		return fmt.Errorf("min-free-space-size %dMB would be exceeded, %d bytes more required", s.repo.minFreeBytes>>20, bytes)
	}
	return fmt.Errorf("min-free-space-percent '%d%%' would be exceeded, %d bytes more required", s.repo.minFreePercent, bytes)
}
