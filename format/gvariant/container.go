package gvariant

import (
	"bytes"
	"encoding/binary"
)

// Len returns the number of children: elements of an array, members of a tuple, 2 for a
// dict entry, 0 or 1 for a maybe, 1 for a variant, and 0 for all other types.
func (v Value) Len() int {
	d := v.descriptor()
	switch d.kind {
	case 'a':
		return v.arrayLen()
	case '(', '{':
		return len(d.members)
	case 'v':
		return 1
	case 'm':
		if d.elem.fixed > 0 && len(v.data) != d.elem.fixed || len(v.data) == 0 {
			return 0
		}
		return 1
	}
	return 0
}

// At returns the child with index i, 0 ≤ i < Len(). For any other index it returns the
// zero Value.
func (v Value) At(i int) Value {
	if i < 0 || i >= v.Len() {
		return Value{}
	}
	if v.desc.kind == 'v' {
		return v.Variant()
	}
	return v.child(i)
}

// child returns child i of a container other than a variant; i is in range.
func (v Value) child(i int) Value {
	d, start, end := v.bounds(i)
	if start >= end {
		return Value{desc: d}
	}
	return view(d, v.data[start:end])
}

// bounds returns the type of child i, and where it lies in v.data, as the framing
// offsets say. It cannot be read when start > end.
func (v Value) bounds(i int) (d *descriptor, start, end int) {
	d = v.desc
	switch d.kind {
	case 'a':
		start, end = v.elementBounds(i)
		return d.elem, start, end
	case 'm':
		if d.elem.fixed > 0 {
			return d.elem, 0, len(v.data)
		}
		return d.elem, 0, len(v.data) - 1 // a zero byte follows
	}
	m := &d.members[i]
	start, end = v.memberBounds(m)
	return m.descriptor, start, end
}

// arrayLen counts the elements. The end of the last element, which is where the
// framing offsets begin, is the last framing offset.
func (v Value) arrayLen() int {
	n := len(v.data)
	if fixed := v.desc.elem.fixed; fixed > 0 {
		if n%fixed != 0 {
			return 0
		}
		return n / fixed
	}
	if n == 0 {
		return 0
	}
	size := frameSize(n)
	last := frame(v.data, n-size, size)
	if last > n || (n-last)%size != 0 {
		return 0
	}
	return (n - last) / size
}

// elementBounds is bounds for an array whose length was found to be above i.
func (v Value) elementBounds(i int) (start, end int) {
	elem := v.desc.elem
	if elem.fixed > 0 {
		return i * elem.fixed, (i + 1) * elem.fixed
	}
	n := len(v.data)
	size := frameSize(n)
	last := frame(v.data, n-size, size)
	if i > 0 {
		start = frame(v.data, last+(i-1)*size, size)
	}
	end = frame(v.data, last+i*size, size)
	if start > last || end > last {
		return 0, -1
	}
	return roundUp(start, elem.mask), end
}

// memberBounds is bounds for a tuple or a dict entry. Framing offsets lie at the
// end, the first one last.
func (v Value) memberBounds(m *member) (start, end int) {
	n := len(v.data)
	if v.desc.fixed > 0 {
		if n == 0 {
			return 0, -1
		}
		start = m.start(0)
		return start, start + m.fixed
	}
	start, end = v.memberExtent(m)
	limit := end
	if last := &v.desc.members[len(v.desc.members)-1]; last != m {
		_, limit = v.memberExtent(last)
	}
	if end > limit || end > n {
		return 0, -1
	}
	return start, end
}

// memberExtent returns what the framing offsets say, which may lie outside of the data.
// When there is no room for the offsets themselves, start > end.
func (v Value) memberExtent(m *member) (start, end int) {
	n := len(v.data)
	size := frameSize(n)
	needed := m.frame
	if m.framed {
		needed++
	}
	if size*needed > n {
		return 0, -1
	}
	if m.frame > 0 {
		start = frame(v.data, n-size*m.frame, size)
	}
	start = m.start(min(start, n+1)) // where it is wrong, any wrong value will do
	switch {
	case m.fixed > 0:
		return start, start + m.fixed
	case m.framed:
		return start, frame(v.data, n-size*needed, size)
	}
	return start, n - size*m.frame
}

// frameSize returns how many bytes each framing offset takes in a container of n bytes.
func frameSize(n int) int {
	switch {
	case n <= 0xff:
		return 1
	case n <= 0xffff:
		return 2
	case uint64(n) <= 0xffffffff:
		return 4
	}
	return 8
}

// frame reads the framing offset of the given size at pos. One that does not fit an
// int is as good as any that lies outside of the data.
func frame(data []byte, pos, size int) int {
	const maxInt = int(^uint(0) >> 1)
	b := data[pos : pos+size]
	switch size {
	case 1:
		return int(b[0])
	case 2:
		return int(binary.LittleEndian.Uint16(b))
	case 4:
		return int(min(uint64(binary.LittleEndian.Uint32(b)), uint64(maxInt)))
	}
	return int(min(binary.LittleEndian.Uint64(b), uint64(maxInt)))
}

// Variant returns the value inside of a v. Where the data names no valid type, or not
// one that fits its size, that is the unit value.
func (v Value) Variant() Value {
	if v.kind() != 'v' {
		return Value{}
	}
	nul := bytes.LastIndexByte(v.data, 0)
	if nul < 0 {
		return Value{}
	}
	d := describeBytes(v.data[nul+1:])
	if d == nil || d.fixed > 0 && d.fixed != nul {
		return Value{}
	}
	return Value{desc: d, data: v.data[:nul]}
}

// Lookup returns the value of the first entry with the given key in a dictionary that
// has strings for keys, such as a{sv}. Values in variants are unboxed.
func (v Value) Lookup(key string) (Value, bool) {
	d := v.descriptor()
	if d.kind != 'a' || d.elem.kind != '{' {
		return Value{}, false
	}
	for i := range v.Len() {
		entry := v.child(i)
		k, ok := entry.child(0).text()
		if !ok || string(k) != key {
			continue
		}
		value := entry.child(1)
		if value.kind() == 'v' {
			value = value.Variant()
		}
		return value, true
	}
	return Value{}, false
}
