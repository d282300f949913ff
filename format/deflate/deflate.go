// Package deflate compresses as zlib, gzip(1) and pigz do, bit for bit, so that what
// they have compressed can be made again. To compress something of one's own, other
// packages are faster.
//
// A deflate stream (RFC 1951) leaves its writer free which matches to take and where
// to end a block. The choices here are those of zlib 1.2.5 to 1.3 with its default
// strategy and memory level, of gzip 1.3 to 1.13, and of pigz 2.4 and later. Those
// that only call themselves zlib (zlib-ng, and the ones of Chromium, Intel and IBM)
// choose otherwise.
package deflate

import (
	"fmt"
	"io"
)

// A Program is what a Writer imitates.
type Program int

// The programs.
const (
	Zlib Program = iota
	Gzip         // gzip(1), which has a compressor of its own
	Pigz         // with any number of threads, and blocks of 128 KiB
)

// NewWriter returns a writer of the deflate stream that a program makes at a level,
// 1 to 9, without any header or trailer. What it writes does not depend on the sizes
// of the writes. The caller must call Close, which does not close w.
func NewWriter(w io.Writer, as Program, level int) (io.WriteCloser, error) {
	if level < 1 || level > 9 {
		return nil, fmt.Errorf("deflate: level %d is not between 1 and 9", level)
	}
	z := &writer{effort: efforts[level], out: bitWriter{w: w}}
	z.limit = 1<<14 - 1
	switch as {
	case Gzip:
		z.limit, z.gzip, z.truncate = 1<<15-1, true, level > 2
	case Pigz:
		z.reset(nil)
		return &pigzWriter{z: z}, nil
	}
	z.reset(nil)
	return z, nil
}

// writer is a stream that is compressed from its begin to its end.
type writer struct {
	effort
	gzip     bool // the details of gzip(1)
	ended    bool // there is no more than is in the window
	truncate bool // end blocks early that compress well

	// The data: window[:start] has been looked at, the next ahead bytes have not.
	// The block that is being put together begins at blockStart, which is negative
	// when that has left the window.
	window     [2 * windowSize]byte
	start      int
	ahead      int
	blockStart int
	insert     int // strings before start that are not in the chains yet

	// Chains of strings with the same hash. Position 0 ends a chain, so a string
	// there is never found.
	head [1 << hashBits]uint16
	prev [windowSize]uint16 // by position modulo windowSize

	// The match at start, and the one before it that may be better.
	length, at         int
	prevLength, prevAt int
	literal            bool // the byte before start is not written yet

	block block
	limit int // of symbols in a block
	out   bitWriter
}

// reset begins a stream whose matches may reach into dict.
func (z *writer) reset(dict []byte) {
	clear(z.head[:])
	z.start, z.ahead, z.insert = copy(z.window[:], dict), 0, 0
	for i := range max(z.start-minMatch+1, 0) {
		z.chain(i)
	}
	z.insert = min(z.start, minMatch-1)
	z.blockStart = z.start
	z.length, z.prevLength, z.literal = minMatch-1, minMatch-1, false
	z.block.reset()
}

// Write compresses data. What matters to a choice is only looked at when the window
// is full.
func (z *writer) Write(p []byte) (int, error) {
	size := len(p)
	for len(p) > 0 {
		n := copy(z.window[z.start+z.ahead:], p)
		z.ahead += n
		p = p[n:]
		if z.start+z.ahead == len(z.window) {
			z.compress(false)
			z.slide()
		}
	}
	return size, z.out.err
}

// Close ends the stream.
func (z *writer) Close() error {
	z.compress(true)
	z.flushBlock(true)
	z.out.align()
	z.out.flush()
	return z.out.err
}

// slide drops the older half of the window, if the place in it allows that.
func (z *writer) slide() {
	if z.start < windowSize+maxDistance {
		return
	}
	copy(z.window[:windowSize], z.window[windowSize:])
	z.start -= windowSize
	z.blockStart -= windowSize
	z.at -= windowSize
	older(z.head[:])
	older(z.prev[:])
}

// end prepares the window for the end of the data. gzip(1) does not slide it any
// more after that.
func (z *writer) end() {
	if z.ended {
		return
	}
	z.slide()
	if z.gzip {
		z.ended = true
		behind := z.window[z.start+z.ahead:]
		clear(behind[:min(len(behind), minMatch-1)])
	}
}

// older moves positions in the window to where they are after it was slid.
func older(positions []uint16) {
	for i, p := range positions {
		positions[i] = max(p, windowSize) - windowSize
	}
}

const (
	pigzBlock = 128 << 10
	pigzDict  = 32 << 10
)

// pigzWriter compresses blocks that know of each other only the data: each is a
// stream of its own that has the end of the block before as a dictionary, and ends at
// a whole byte.
type pigzWriter struct {
	z   *writer
	buf []byte // a block, which may be the last
}

func (p *pigzWriter) Write(data []byte) (int, error) {
	size := len(data)
	for len(data) > 0 {
		if len(p.buf) == pigzBlock {
			p.endBlock()
		}
		n := min(pigzBlock-len(p.buf), len(data))
		p.buf = append(p.buf, data[:n]...)
		data = data[n:]
	}
	return size, p.z.out.err
}

// endBlock writes a block that is not the last.
func (p *pigzWriter) endBlock() {
	z := p.z
	z.Write(p.buf)
	z.compress(true)
	if z.block.n > 0 {
		z.flushBlock(false)
	}
	if z.out.odd() {
		z.stored(nil, false)
	}
	for z.out.n%8 != 0 {
		z.out.bits(1<<1, 3+7) // an empty block with static codes
	}
	z.reset(p.buf[pigzBlock-pigzDict:])
	p.buf = p.buf[:0]
}

func (p *pigzWriter) Close() error {
	p.z.Write(p.buf)
	return p.z.Close()
}
