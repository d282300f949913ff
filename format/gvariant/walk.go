package gvariant

import (
	"errors"
	"iter"
)

var (
	errVariantType  = errors.New("no valid type, or one that does not fit the size")
	errVariantDepth = errors.New("nested too deep")
)

// unbox is Variant for a walk that has come to the given depth. It is an error where
// Variant gives the unit value instead of what the data says.
func (v Value) unbox(depth int) (Value, error) {
	child := v.Variant()
	switch {
	case child.desc == nil:
		return child, errVariantType
	case depth >= maxDepth-child.desc.depth:
		return Value{}, errVariantDepth
	}
	return child, nil
}

// children yields the children of a container for a walk over a whole value at the given
// depth. Where the framing offsets of data that is not in normal form are not in order,
// the children from there on are default values, as in GLib: otherwise they
// could overlap, and a small value unfold to one of exponential size.
func (v Value) children(depth int) iter.Seq2[int, Value] {
	return func(yield func(int, Value) bool) {
		if v.kind() == 'v' {
			child, _ := v.unbox(depth)
			yield(0, child)
			return
		}
		previous := 0
		for i := range v.Len() {
			d, start, end := v.bounds(i)
			child := Value{desc: d}
			switch {
			case end < previous || v.desc.kind != 'a' && i > 0 && (start < previous || start > end):
				previous = len(v.data) + 1
			case start < end:
				child = view(d, v.data[start:end])
				fallthrough
			default:
				previous = end
			}
			if !yield(i, child) {
				return
			}
		}
	}
}

// normal returns v itself when it is in normal form, and otherwise the value in normal
// form that the accessors present.
func (v Value) normal() Value {
	if v.CheckNormal() == nil {
		return v
	}
	return v.rebuild(0)
}

func (v Value) rebuild(depth int) Value {
	d := v.descriptor()
	switch d.kind {
	case 'b':
		return NewBool(v.Bool())
	case 's', 'o', 'g':
		return newText(d.kind, v.Str())
	case 'v':
		child, _ := v.unbox(depth)
		return NewVariant(child.rebuild(depth + 1))
	case 'm', 'a', '(', '{':
		return v.rebuildContainer(depth)
	}
	return Value{desc: d, data: v.Bytes()}
}

func (v Value) rebuildContainer(depth int) Value {
	d := v.descriptor()
	if d.kind == 'a' && d.elem.anyBytes() {
		return Value{desc: d, data: v.data[:v.arrayLen()*d.elem.fixed]}
	}
	items := make([]Value, 0, v.Len())
	for _, child := range v.children(depth) {
		items = append(items, child.rebuild(depth+1))
	}
	switch {
	case d.kind != 'm':
		return pack(d, items)
	case len(items) == 0:
		return newMaybe(d, nil)
	}
	return newMaybe(d, &items[0])
}
