package gvariant

import (
	"bytes"
	"slices"
)

// Byteswap returns the value with the byte order of every integer and double in it, at
// any depth, reversed. The result is in normal form unless v nests too deep to have one.
func (v Value) Byteswap() Value {
	if v.descriptor().mask == 0 {
		return v.normal() // holds nothing of more than a byte
	}
	v = v.normal()
	v.data = bytes.Clone(v.data)
	v.swap(0)
	return v
}

// swap reverses in place.
func (v Value) swap(depth int) {
	d := v.descriptor()
	switch {
	case d.mask == 0:
	case d.kind == 'v' || d.elem != nil || d.members != nil:
		for _, child := range v.children(depth) {
			child.swap(depth + 1)
		}
	default:
		slices.Reverse(v.data)
	}
}
