package deflate

import (
	"encoding/binary"
	"math/bits"
)

const (
	windowSize   = 32 << 10
	hashBits     = 15
	minMatch     = 3
	maxMatch     = 258
	minLookahead = maxMatch + minMatch + 1
	maxDistance  = windowSize - minLookahead
	tooFar       = 4096 // a match of minMatch bytes farther away costs more than it saves
)

// effort is what a level stands for.
type effort struct {
	good     int  // a match of this length reduces the search for a better one
	lazy     int  // and of this one ends it; of a greedy search: longer matches are not put into chains
	nice     int  // a match of this length is taken at once
	searched int  // strings of a chain that are looked at
	greedy   bool // take a match without looking whether the next is better
}

var efforts = [10]effort{
	1: {4, 4, 8, 4, true},
	2: {4, 5, 16, 8, true},
	3: {4, 6, 32, 32, true},
	4: {4, 4, 16, 16, false},
	5: {8, 16, 32, 32, false},
	6: {8, 16, 128, 128, false},
	7: {8, 32, 128, 256, false},
	8: {32, 128, 258, 1024, false},
	9: {32, 258, 258, 4096, false},
}

// chain puts the string at a position into its chain, and returns the one before it,
// or 0.
func (z *writer) chain(at int) int {
	s := z.window[at : at+minMatch]
	hash := (uint32(s[0])<<10 ^ uint32(s[1])<<5 ^ uint32(s[2])) & (1<<hashBits - 1)
	before := z.head[hash]
	z.prev[at%windowSize] = before
	z.head[hash] = uint16(at)
	return int(before)
}

// compress makes symbols of what is in the window: of all of it, or as long as the
// longest match can be seen.
func (z *writer) compress(all bool) {
	for ; z.insert > 0 && z.ahead+z.insert >= minMatch; z.insert-- {
		z.chain(z.start - z.insert)
	}
	for {
		if z.ahead < minLookahead {
			if !all {
				return
			}
			z.end()
			if z.ahead == 0 {
				break
			}
		}
		if z.greedy {
			z.stepGreedy()
		} else {
			z.stepLazy()
		}
	}
	if z.literal {
		z.put(0, int(z.window[z.start-1]))
		z.literal = false
	}
}

// candidate puts the string at start into its chain, and returns where to look for a
// match, or 0.
func (z *writer) candidate() int {
	if z.ahead < minMatch && !z.gzip {
		return 0
	}
	at := z.chain(z.start)
	if z.start-at > maxDistance || z.gzip && z.start > len(z.window)-minLookahead {
		return 0
	}
	return at
}

func (z *writer) stepGreedy() {
	length := 0
	if at := z.candidate(); at != 0 {
		length = z.longest(at)
	}
	if length < minMatch {
		full := z.put(0, int(z.window[z.start]))
		z.ahead--
		z.start++
		z.endIf(full)
		return
	}
	full := z.put(z.start-z.at, length)
	z.ahead -= length
	if length <= z.lazy && (z.ahead >= minMatch || z.gzip) {
		for i := 1; i < length; i++ {
			z.chain(z.start + i)
		}
	}
	z.start += length
	z.endIf(full)
}

func (z *writer) stepLazy() {
	at := z.candidate()
	z.prevLength, z.prevAt, z.length = z.length, z.at, minMatch-1
	if at != 0 && z.prevLength < z.lazy {
		z.length = z.longest(at)
		if z.length == minMatch && z.start-z.at > tooFar {
			z.length--
		}
	}
	switch {
	case z.prevLength >= minMatch && z.length <= z.prevLength:
		last := z.start + z.ahead - minMatch
		full := z.put(z.start-1-z.prevAt, z.prevLength)
		for range z.prevLength - 2 {
			if z.start++; z.start <= last || z.gzip {
				z.chain(z.start)
			}
		}
		z.start++
		z.ahead -= z.prevLength - 1
		z.literal, z.length, z.prevLength = false, minMatch-1, minMatch-1
		z.endIf(full)
	case z.literal:
		z.endIf(z.put(0, int(z.window[z.start-1])))
		z.start++
		z.ahead--
	default:
		z.literal = true
		z.start++
		z.ahead--
	}
}

// longest looks for the longest match of the string at start in the chain that goes
// on at a position, and returns its length, which counts if it is more than that of
// the match before. Its position is at.
func (z *writer) longest(at int) int {
	left, nice, best := z.searched, z.nice, z.prevLength
	if best >= z.good {
		left >>= 2
	}
	if !z.gzip {
		nice = min(nice, z.ahead)
	}
	oldest := max(z.start-maxDistance, 0)
	scan := z.window[z.start:][:maxMatch]
	for {
		match := z.window[at:][:maxMatch]
		if match[best] == scan[best] && match[best-1] == scan[best-1] {
			if n := common(match, scan); n > best {
				z.at, best = at, n
				if n >= nice {
					break
				}
			}
		}
		at = int(z.prev[at%windowSize])
		if left--; at <= oldest || left == 0 {
			break
		}
	}
	return min(best, z.ahead)
}

// common counts the bytes with which both begin, up to maxMatch.
func common(a, b []byte) int {
	a, b = a[:maxMatch], b[:maxMatch]
	for i := 0; i < maxMatch-8; i += 8 {
		if x := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); x != 0 {
			return i + bits.TrailingZeros64(x)/8
		}
	}
	for i := maxMatch &^ 7; i < maxMatch; i++ {
		if a[i] != b[i] {
			return i
		}
	}
	return maxMatch
}

// put adds a symbol to the block: a match, or with a distance of 0 a byte. It reports
// whether the block is to end.
func (z *writer) put(distance, value int) bool {
	b := &z.block
	b.add(distance, value)
	if z.truncate && b.n%(1<<12) == 0 && b.pays(z.start-z.blockStart) {
		return true
	}
	return b.n == z.limit
}

func (z *writer) endIf(full bool) {
	if full {
		z.flushBlock(false)
	}
}
