package ostreerepo

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"iter"
	"slices"
	"sync/atomic"

	"github.com/treenail/treenail/format/object"
)

// markSet is a set of checksums that are known from the start, of which some get
// marked. It is an array of keys, sorted, and of bits, for each of the 256
// directories of objects/: a repository has millions of them. Marks may be set by
// several goroutines.
type markSet[K any] struct {
	shards  [256]markShard[K]
	key     func(object.Checksum) K
	compare func(a, b K) int
}

type markShard[K any] struct {
	keys  []K
	marks []uint64
}

// exactSet keeps all of a checksum.
type exactSet = markSet[object.Checksum]

func newExactSet() *exactSet {
	return &exactSet{
		key:     func(c object.Checksum) object.Checksum { return c },
		compare: func(a, b object.Checksum) int { return bytes.Compare(a[:], b[:]) },
	}
}

// shortSet keeps eight bytes of a checksum beside the one that is the directory's
// name. Two checksums that are the same there share a mark.
type shortSet = markSet[uint64]

func newShortSet() *shortSet {
	return &shortSet{
		key:     func(c object.Checksum) uint64 { return binary.BigEndian.Uint64(c[1:]) },
		compare: cmp.Compare[uint64],
	}
}

// fill gives a directory the checksums that are in it, in any order.
func (s *markSet[K]) fill(dir int, sums []object.Checksum) {
	keys := make([]K, len(sums))
	for i, c := range sums {
		keys[i] = s.key(c)
	}
	slices.SortFunc(keys, s.compare)
	s.shards[dir] = markShard[K]{keys, make([]uint64, (len(keys)+63)/64)}
}

// mark marks the checksum. It reports whether this was the first time, and whether
// it is in the set at all.
func (s *markSet[K]) mark(c object.Checksum) (first, here bool) {
	shard := &s.shards[c[0]]
	i, here := slices.BinarySearchFunc(shard.keys, s.key(c), s.compare)
	if !here {
		return false, false
	}
	bit := uint64(1) << (i % 64)
	return atomic.OrUint64(&shard.marks[i/64], bit)&bit == 0, true
}

// marked reports whether the checksum is in the set, and has a mark.
func (s *markSet[K]) marked(c object.Checksum) (marked, here bool) {
	shard := &s.shards[c[0]]
	i, here := slices.BinarySearchFunc(shard.keys, s.key(c), s.compare)
	return here && shard.marks[i/64]&(1<<(i%64)) != 0, here
}

// all lists the keys of a directory with or without a mark, in order.
func (s *markSet[K]) all(dir int, marked bool) iter.Seq[K] {
	return func(yield func(K) bool) {
		shard := &s.shards[dir]
		for i, k := range shard.keys {
			if (shard.marks[i/64]&(1<<(i%64)) != 0) == marked && !yield(k) {
				return
			}
		}
	}
}
