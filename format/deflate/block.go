package deflate

import "math/bits"

const (
	literals    = 256
	endOfBlock  = 256
	lengthCodes = 29
	litCodes    = literals + 1 + lengthCodes
	distCodes   = 30
	lenCodes    = 19 // that describe the lengths of the others
)

var (
	lengthExtra = [lengthCodes]uint8{8: 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distExtra   = [distCodes]uint8{4: 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
	lenExtra    = [lenCodes]uint8{repeat: 2, zeros: 3, manyZeros: 7}
	lenOrder    = [lenCodes]uint8{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

	lengthBase [lengthCodes]int    // the shortest match of a code, less minMatch
	lengthCode [maxMatch - 2]uint8 // by the length less minMatch
	staticLit  = &codes{max: litCodes - 1}
	staticDist = &codes{max: distCodes - 1}
)

func init() {
	for code, at := 0, 0; code < lengthCodes; code++ {
		lengthBase[code] = at
		for range 1 << lengthExtra[code] {
			lengthCode[min(at, maxMatch-minMatch)] = uint8(code)
			at++
		}
	}
	// The longest match has a code of its own, though the one before could say it.
	lengthBase[lengthCodes-1], lengthCode[maxMatch-minMatch] = maxMatch-minMatch, lengthCodes-1

	for i := range litCodes + 2 {
		switch {
		case i < 144:
			staticLit.len[i] = 8
		case i < 256:
			staticLit.len[i] = 9
		case i < 280:
			staticLit.len[i] = 7
		default:
			staticLit.len[i] = 8
		}
	}
	staticLit.assign(litCodes + 2)
	for i := range distCodes {
		staticDist.len[i] = 5
	}
	staticDist.assign(distCodes)
}

// distCode is the code of a distance less one.
func distCode(d int) int {
	if d < 4 {
		return d
	}
	n := bits.Len(uint(d)) - 1
	return 2*n + d>>(n-1)&1
}

// symbol is a byte, or a match.
type symbol struct {
	distance uint16 // 0 for a byte
	value    uint8  // the byte, or the length less minMatch
}

// block is what shares codes.
type block struct {
	symbols   [1 << 15]symbol
	n         int
	matches   int
	lit, dist counts
}

func (b *block) reset() {
	b.n, b.matches = 0, 0
	b.lit, b.dist = counts{}, counts{}
	b.lit[endOfBlock] = 1
}

func (b *block) add(distance, value int) {
	if distance == 0 {
		b.lit[value]++
	} else {
		value -= minMatch
		b.matches++
		b.lit[literals+1+int(lengthCode[value])]++
		b.dist[distCode(distance-1)]++
	}
	b.symbols[b.n] = symbol{uint16(distance), uint8(value)}
	b.n++
}

// pays reports whether the block has few matches and yet becomes less than half of
// size, its size in bytes, as gzip(1) estimates it.
func (b *block) pays(size int) bool {
	length := b.n * 8
	for code, extra := range distExtra {
		length += int(b.dist[code]) * (5 + int(extra))
	}
	return b.matches < b.n/2 && length/8 < size/2
}

// flushBlock writes the block in the shortest of the three forms.
func (z *writer) flushBlock(last bool) {
	b := &z.block
	var lit, dist, lens codes
	cost := lit.build(&b.lit, litCodes, 15, lengthExtra[:], literals+1)
	cost += dist.build(&b.dist, distCodes, 15, distExtra[:], 0)
	table := append(lit.runs(), dist.runs()...)
	var used counts
	for _, r := range table {
		used[r.code]++
	}
	cost += lens.build(&used, lenCodes, 7, lenExtra[:], 0)
	described := lenCodes
	for described > 4 && lens.len[lenOrder[described-1]] == 0 {
		described--
	}
	cost += 5 + 5 + 4 + 3*described

	dynamic := (cost + 3 + 7) / 8
	static := (staticLit.cost(&b.lit, lengthExtra[:], literals+1) + staticDist.cost(&b.dist, distExtra[:], 0) + 3 + 7) / 8
	final := uint64(0)
	if last {
		final = 1
	}
	switch size := z.start - z.blockStart; {
	case size+4 <= min(dynamic, static) && z.blockStart >= 0:
		z.stored(z.window[z.blockStart:z.start], last)
	case static <= dynamic:
		z.out.bits(1<<1|final, 3)
		z.symbols(staticLit, staticDist)
	default:
		z.out.bits(2<<1|final, 3)
		z.out.bits(uint64(lit.max-literals), 5)
		z.out.bits(uint64(dist.max), 5)
		z.out.bits(uint64(described-4), 4)
		for _, code := range lenOrder[:described] {
			z.out.bits(uint64(lens.len[code]), 3)
		}
		for _, r := range table {
			z.out.code(&lens, r.code)
			z.out.bits(uint64(r.extra), int(lenExtra[r.code]))
		}
		z.symbols(&lit, &dist)
	}
	b.reset()
	z.blockStart = z.start
	z.out.flush()
}

// stored writes a block of data as it is.
func (z *writer) stored(data []byte, last bool) {
	final := uint64(0)
	if last {
		final = 1
	}
	z.out.bits(final, 3)
	z.out.align()
	z.out.bits(uint64(len(data)), 16)
	z.out.bits(uint64(^uint16(len(data))), 16)
	z.out.bytes(data)
}

func (z *writer) symbols(lit, dist *codes) {
	for _, s := range z.block.symbols[:z.block.n] {
		if s.distance == 0 {
			z.out.code(lit, int(s.value))
			continue
		}
		code := int(lengthCode[s.value])
		z.out.code(lit, literals+1+code)
		z.out.bits(uint64(int(s.value)-lengthBase[code]), int(lengthExtra[code]))
		d := int(s.distance) - 1
		code = distCode(d)
		z.out.code(dist, code)
		extra := int(distExtra[code])
		z.out.bits(uint64(d)&(1<<extra-1), extra)
	}
	z.out.code(lit, endOfBlock)
}
