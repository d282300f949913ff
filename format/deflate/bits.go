package deflate

import (
	"encoding/binary"
	"io"
)

// bitWriter writes bits, the lowest first.
type bitWriter struct {
	w   io.Writer
	acc uint64
	n   int // of bits in acc
	buf []byte
	err error // the first of w
}

// bits writes the n lowest bits of v, which has no others; n is at most 16.
func (o *bitWriter) bits(v uint64, n int) {
	o.acc |= v << o.n
	if o.n += n; o.n >= 48 {
		o.whole()
	}
}

func (o *bitWriter) code(c *codes, code int) { o.bits(uint64(c.bits[code]), int(c.len[code])) }

// whole moves whole bytes to the buffer.
func (o *bitWriter) whole() {
	o.buf = binary.LittleEndian.AppendUint64(o.buf, o.acc)
	o.buf = o.buf[:len(o.buf)-8+o.n/8]
	o.acc >>= o.n &^ 7
	o.n %= 8
}

// odd reports whether the last byte has an odd number of bits.
func (o *bitWriter) odd() bool { return o.n%2 == 1 }

// align goes on to a whole byte.
func (o *bitWriter) align() {
	o.n = (o.n + 7) &^ 7
	o.whole()
}

// bytes writes data where a byte begins.
func (o *bitWriter) bytes(data []byte) {
	o.whole()
	o.buf = append(o.buf, data...)
	o.whole()
}

// flush writes out the whole bytes, of which there are never more than of a block.
func (o *bitWriter) flush() {
	if o.err == nil {
		_, o.err = o.w.Write(o.buf)
	}
	o.buf = o.buf[:0]
}
