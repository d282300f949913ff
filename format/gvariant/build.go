package gvariant

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
)

// NewByte returns a y.
func NewByte(b byte) Value { return Value{desc: basic['y'], data: []byte{b}} }

// NewBool returns a b.
func NewBool(b bool) Value {
	data := []byte{0}
	if b {
		data[0] = 1
	}
	return Value{desc: basic['b'], data: data}
}

// NewInt32 returns an i.
func NewInt32(n int32) Value { return new32('i', uint32(n)) }

// NewUint32 returns a u.
func NewUint32(n uint32) Value { return new32('u', n) }

// NewInt64 returns an x.
func NewInt64(n int64) Value { return new64('x', uint64(n)) }

// NewUint64 returns a t.
func NewUint64(n uint64) Value { return new64('t', n) }

// NewDouble returns a d.
func NewDouble(f float64) Value { return new64('d', math.Float64bits(f)) }

func new16(kind byte, bits uint16) Value {
	return Value{desc: basic[kind], data: binary.LittleEndian.AppendUint16(nil, bits)}
}

func new32(kind byte, bits uint32) Value {
	return Value{desc: basic[kind], data: binary.LittleEndian.AppendUint32(nil, bits)}
}

func new64(kind byte, bits uint64) Value {
	return Value{desc: basic[kind], data: binary.LittleEndian.AppendUint64(nil, bits)}
}

// NewString returns an s. A text that an s cannot hold (not UTF-8, or with a NUL inside)
// gives a value that reads as "" and is not in normal form.
func NewString(s string) Value { return newText('s', s) }

// newText returns an s, o or g.
func newText(kind byte, s string) Value {
	return Value{desc: basic[kind], data: append([]byte(s), 0)}
}

// NewBytes returns an ay of exactly these bytes. It does not copy b.
func NewBytes(b []byte) Value { return Value{desc: mustDescribe("ay"), data: b} }

// NewByteString returns an ay of the bytes of s and a NUL, which is how GLib stores file
// names and other strings that need not be UTF-8.
func NewByteString(s string) Value { return NewBytes(append([]byte(s), 0)) }

// NewStrings returns an as.
func NewStrings(list []string) Value {
	items := make([]Value, len(list))
	for i, s := range list {
		items[i] = NewString(s)
	}
	return NewArray("s", items...)
}

// NewArray returns an array of items, all of which have the type elem. It panics when
// elem is not a valid type or an item has another one.
func NewArray(elem Type, items ...Value) Value {
	d := mustDescribe("a" + elem)
	for _, item := range items {
		if item.Type() != elem {
			panic(fmt.Sprintf("gvariant: item of type %s in an array of %s", item.Type(), elem))
		}
	}
	return pack(d, items)
}

// NewTuple returns a tuple of items.
func NewTuple(items ...Value) Value { return pack(mustDescribe(joinTypes('(', items, ')')), items) }

// NewDictEntry returns a dict entry. It panics when k is not of a basic type.
func NewDictEntry(k, v Value) Value {
	items := []Value{k, v}
	return pack(mustDescribe(joinTypes('{', items, '}')), items)
}

func joinTypes(open byte, items []Value, close byte) Type {
	var b strings.Builder
	b.WriteByte(open)
	for _, item := range items {
		b.WriteString(string(item.Type()))
	}
	b.WriteByte(close)
	return Type(b.String())
}

// newMaybe returns a maybe of elem, holding item or, when item is nil, nothing.
func newMaybe(d *descriptor, item *Value) Value {
	v := Value{desc: d}
	if item == nil {
		return v
	}
	v.data = appendValue(nil, *item)
	if d.elem.fixed == 0 {
		v.data = append(v.data, 0) // tells "just nothing" from "nothing"
	}
	return v
}

// NewVariant returns a v that holds v.
func NewVariant(v Value) Value {
	t := v.Type()
	data := make([]byte, 0, v.size()+1+len(t))
	data = append(appendValue(data, v), 0)
	return Value{desc: basic['v'], data: append(data, t...)}
}

// Entry is a key and a value for [NewVardict].
type Entry struct {
	Key   string
	Value Value // what the variant is to hold
}

// NewVardict returns an a{sv} with the entries in the given order.
func NewVardict(entries ...Entry) Value {
	items := make([]Value, len(entries))
	for i, e := range entries {
		items[i] = NewDictEntry(NewString(e.Key), NewVariant(e.Value))
	}
	return NewArray("{sv}", items...)
}

// pack serialises an array, tuple or dict entry: the children, each at a multiple of its
// alignment, then the framing offsets.
func pack(d *descriptor, items []Value) Value {
	if d == unit {
		return Value{desc: unit, data: []byte{0}}
	}
	body, frames := measure(d, items)
	total := packedSize(body, frames)
	data := make([]byte, 0, total)
	ends := make([]int, 0, frames)
	for i, item := range items {
		data = appendPadding(data, item.descriptor().mask)
		data = appendValue(data, item)
		if d.isFramed(i) {
			ends = append(ends, len(data))
		}
	}
	if d.fixed > 0 {
		return Value{desc: d, data: appendPadding(data, d.mask)}
	}
	return Value{desc: d, data: appendFrames(data, d, ends, frameSize(total))}
}

// isFramed tells whether a framing offset stores the end of child i.
func (d *descriptor) isFramed(i int) bool {
	if d.kind == 'a' {
		return d.elem.fixed == 0
	}
	return d.members[i].framed
}

// measure returns the size of the children with their padding, and the number of
// framing offsets.
func measure(d *descriptor, items []Value) (body, frames int) {
	for i, item := range items {
		body = roundUp(body, item.descriptor().mask) + item.size()
		if d.isFramed(i) {
			frames++
		}
	}
	if d.fixed > 0 {
		body = roundUp(body, d.mask)
	}
	return body, frames
}

// packedSize returns the size of a container with framing offsets of the smallest size
// that can address all of it.
func packedSize(body, frames int) int {
	for _, size := range []int{1, 2, 4} {
		if total := body + frames*size; frameSize(total) <= size {
			return total
		}
	}
	return body + frames*8
}

// appendFrames appends framing offsets: in order for an array, reversed for a tuple.
func appendFrames(data []byte, d *descriptor, ends []int, size int) []byte {
	var le [8]byte
	for i := range ends {
		end := ends[i]
		if d.kind != 'a' {
			end = ends[len(ends)-1-i]
		}
		binary.LittleEndian.PutUint64(le[:], uint64(end))
		data = append(data, le[:size]...)
	}
	return data
}

func appendPadding(data []byte, mask int) []byte {
	for len(data)&mask != 0 {
		data = append(data, 0)
	}
	return data
}

// appendValue appends the serialised v.
func appendValue(data []byte, v Value) []byte {
	if n := v.size(); n != len(v.data) {
		return append(data, make([]byte, n)...)
	}
	return append(data, v.data...)
}
