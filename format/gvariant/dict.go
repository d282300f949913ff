package gvariant

import "math/bits"

// A GVariantDict of GLib's is a hash table, and is written in the order of the
// table's slots. Where libostree uses one, that order is part of checksums, so it
// is computed here as GLib (2.60 and later) does: open addressing in a table whose
// size is a power of two, a first slot found modulo a prime, a quadratic probe,
// and a rebuild in place when it is full.

// DictOrder returns the entries in the order in which a GVariantDict writes what
// was inserted into it. Of entries with the same key the last value counts.
func DictOrder(entries []Entry) []Entry {
	t := newDictTable(8)
	for _, e := range entries {
		t.insert(e)
	}
	var ordered []Entry
	for _, slot := range t.slots {
		if slot != nil {
			ordered = append(ordered, slot.entry)
		}
	}
	return ordered
}

type dictSlot struct {
	entry Entry
	hash  uint32
}

type dictTable struct {
	slots []*dictSlot
	prime uint32
	used  int
}

// dictPrimes are the largest primes below the powers of two from 8 on, except
// that of 16, for which GLib has 13, and so on up to a size that no commit's
// metadata reaches.
var dictPrimes = []uint32{7, 13, 31, 61, 127, 251, 509, 1021, 2039, 4093, 8191, 16381, 32749, 65521}

func newDictTable(size int) *dictTable {
	t := &dictTable{slots: make([]*dictSlot, size)}
	t.prime = primeFor(size)
	return t
}

func primeFor(size int) uint32 {
	return dictPrimes[min(bits.TrailingZeros(uint(size))-3, len(dictPrimes)-1)]
}

// dictHash is Bernstein's string hash over signed bytes. The lowest values
// mark empty slots, so a hash that has one of them becomes 2.
func dictHash(s string) uint32 {
	h := uint32(5381)
	for i := range len(s) {
		h = h*33 + uint32(int8(s[i]))
	}
	return max(h, 2)
}

func (t *dictTable) first(hash uint32) int { return int(hash * 11 % t.prime) }

// next is the slot to try after i, the step-th of its sequence.
func (t *dictTable) next(i, step int) int { return (i + step) & (len(t.slots) - 1) }

func (t *dictTable) insert(e Entry) {
	hash := dictHash(e.Key)
	i, step := t.first(hash), 0
	for t.slots[i] != nil {
		if t.slots[i].entry.Key == e.Key {
			t.slots[i].entry = e
			return
		}
		step++
		i = t.next(i, step)
	}
	t.slots[i] = &dictSlot{e, hash}
	if t.used++; len(t.slots) <= t.used+t.used/16 {
		t.grow()
	}
}

// grow rebuilds the table in a larger one of the same slots: each entry goes to
// its first slot that no entry was moved to yet, and one that is in the way has
// to move next.
func (t *dictTable) grow() {
	old := len(t.slots)
	size := 1 << bits.Len(uint(float64(t.used)*1.333))
	t.slots = append(t.slots, make([]*dictSlot, size-old)...)
	t.prime = primeFor(size)
	moved := make([]bool, size)
	for i := range old {
		if moved[i] || t.slots[i] == nil {
			continue
		}
		moving := t.slots[i]
		t.slots[i] = nil
		for moving != nil {
			at, step := t.first(moving.hash), 0
			for moved[at] {
				step++
				at = t.next(at, step)
			}
			moved[at] = true
			moving, t.slots[at] = t.slots[at], moving
		}
	}
}
