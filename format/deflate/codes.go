package deflate

import "math/bits"

// counts is how often each code occurs.
type counts [litCodes + 2]int

// codes are a Huffman code.
type codes struct {
	len  [litCodes + 2]uint8
	bits [litCodes + 2]uint16 // the first bit lowest
	max  int                  // the last code that occurs
}

// cost is the number of bits of what is counted. Codes from base on have extra bits.
func (c *codes) cost(n *counts, extra []uint8, base int) (sum int) {
	for code := range c.max + 1 {
		if n[code] == 0 {
			continue
		}
		sum += n[code] * int(c.len[code])
		if code >= base {
			sum += n[code] * int(extra[code-base])
		}
	}
	return sum
}

// build makes codes of at most limit bits, and returns the cost of what is counted.
// Which of the optimal codes it makes depends on the order of a heap.
func (c *codes) build(n *counts, size, limit int, extra []uint8, base int) int {
	t := &huffman{}
	copy(t.count[:], n[:size])
	c.max = -1
	for code := range size {
		if n[code] > 0 {
			c.max = code
			t.push(code)
		}
	}
	for t.n < 2 { // a code that does not occur, for decoders that want two
		code := 0
		if c.max < 2 {
			c.max++
			code = c.max
		}
		t.count[code] = 1
		t.push(code)
	}
	t.merge(size)
	t.lengths(c, size, limit)
	c.assign(c.max + 1)
	return c.cost(n, extra, base)
}

// assign gives codes to lengths, as RFC 1951 wants it (section 3.2.2).
func (c *codes) assign(size int) {
	var next [16]uint16
	for _, l := range c.len[:size] {
		if l > 0 {
			next[l]++
		}
	}
	first := uint16(0)
	for l, n := range next {
		next[l] = first
		first = (first + n) << 1
	}
	for i, l := range c.len[:size] {
		if l > 0 {
			c.bits[i] = bits.Reverse16(next[l]) >> (16 - l)
			next[l]++
		}
	}
}

// Codes for the lengths of others: 0 to 15 are a length.
const (
	repeat    = 16 // the length before, 3 to 6 times
	zeros     = 17 // 3 to 10 times 0
	manyZeros = 18 // 11 to 138 times 0
)

// run is a part of a list of lengths.
type run struct {
	code, extra int
}

// runs describes the lengths.
func (c *codes) runs() (out []run) {
	before := -1
	for i := 0; i <= c.max; {
		length := int(c.len[i])
		most := 7 // one and its repetition
		if length == 0 {
			most = 138
		} else if length == before {
			most = 6
		}
		n := 1
		for n < most && i+n <= c.max && int(c.len[i+n]) == length {
			n++
		}
		i += n
		switch {
		case length == 0 && n > 10:
			out = append(out, run{manyZeros, n - 11})
		case length == 0 && n > 2:
			out = append(out, run{zeros, n - 3})
		case length == 0 || n < 3 || n < 4 && length != before:
			for range n {
				out = append(out, run{length, 0})
			}
		default:
			if length != before {
				out = append(out, run{length, 0})
				n--
			}
			out = append(out, run{repeat, n - 3})
		}
		before = length
	}
	return out
}

const maxNodes = 2*litCodes + 1

// huffman is a tree while it is built.
type huffman struct {
	count  [maxNodes]int
	depth  [maxNodes]uint8
	parent [maxNodes]int16
	heap   [maxNodes + 1]int16 // from 1 on, the rarest first
	n      int                 // in heap
	sorted []int16             // nodes in the order in which they left the heap
}

func (t *huffman) push(node int) {
	t.n++
	t.heap[t.n] = int16(node)
}

// merge joins the two rarest nodes until one is left.
func (t *huffman) merge(node int) {
	for i := t.n / 2; i >= 1; i-- {
		t.down(i)
	}
	for ; t.n >= 2; node++ {
		a := t.heap[1]
		t.heap[1] = t.heap[t.n]
		t.n--
		t.down(1)
		b := t.heap[1]
		t.sorted = append(t.sorted, a, b)
		t.count[node] = t.count[a] + t.count[b]
		t.depth[node] = max(t.depth[a], t.depth[b]) + 1
		t.parent[a], t.parent[b] = int16(node), int16(node)
		t.heap[1] = int16(node)
		t.down(1)
	}
	t.sorted = append(t.sorted, t.heap[1])
}

// down moves an element of the heap to its place below.
func (t *huffman) down(k int) {
	v := t.heap[k]
	for j := 2 * k; j <= t.n; j *= 2 {
		if j < t.n && t.less(t.heap[j+1], t.heap[j]) {
			j++
		}
		if t.less(v, t.heap[j]) {
			break
		}
		t.heap[k] = t.heap[j]
		k = j
	}
	t.heap[k] = v
}

func (t *huffman) less(a, b int16) bool {
	return t.count[a] < t.count[b] || t.count[a] == t.count[b] && t.depth[a] <= t.depth[b]
}

// lengths takes the lengths of codes below size from the tree, and corrects what is
// longer than limit.
func (t *huffman) lengths(c *codes, size, limit int) {
	var length [maxNodes]int
	var used [16]int
	over := 0
	for i := len(t.sorted) - 2; i >= 0; i-- { // the last is the root
		node := t.sorted[i]
		length[node] = length[t.parent[node]] + 1
		if length[node] > limit {
			length[node] = limit
			over++
		}
		if int(node) < size {
			used[length[node]]++
			c.len[node] = uint8(length[node])
		}
	}
	if over == 0 {
		return
	}
	for ; over > 0; over -= 2 {
		l := limit - 1
		for used[l] == 0 {
			l--
		}
		used[l]--      // a leaf goes down
		used[l+1] += 2 // and takes one that was too deep with it
		used[limit]--
	}
	i := 0
	for l := limit; l > 0; l-- { // the rarest get the longest
		for n := used[l]; n > 0; i++ {
			if node := t.sorted[i]; int(node) < size {
				c.len[node] = uint8(l)
				n--
			}
		}
	}
}
