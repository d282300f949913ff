package gvariant

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"unicode/utf8"
)

// Value is an immutable GVariant value: a type and serialised bytes. The zero Value is
// the unit value "()".
//
// Copying a Value copies no data.
type Value struct {
	desc *descriptor // nil: unit
	data []byte      // nil or of the size the type demands, where it is fixed
}

// FromBytes returns the value of type t that data, which is neither copied nor checked,
// serialises. Data of a length that is impossible for t means the default value of
// t. It panics when t is not a valid type; types from outside go through [ParseType].
func FromBytes(t Type, data []byte) Value {
	return view(mustDescribe(t), data)
}

// view is FromBytes for a parsed type.
func view(d *descriptor, data []byte) Value {
	if d.fixed > 0 && len(data) != d.fixed {
		data = nil
	}
	return Value{desc: d, data: data}
}

// Type returns the type of the value.
func (v Value) Type() Type { return v.descriptor().typ }

func (v Value) descriptor() *descriptor {
	if v.desc == nil {
		return unit
	}
	return v.desc
}

func (v Value) kind() byte { return v.descriptor().kind }

// size returns the length of the serialised value.
func (v Value) size() int {
	if d := v.descriptor(); d.fixed > 0 {
		return d.fixed
	}
	return len(v.data)
}

// Bytes returns the serialised value, which the caller must not modify.
func (v Value) Bytes() []byte {
	if n := v.size(); n != len(v.data) {
		return make([]byte, n)
	}
	return v.data[:len(v.data):len(v.data)]
}

// Byte returns the value of a y.
func (v Value) Byte() byte {
	if v.kind() != 'y' || v.data == nil {
		return 0
	}
	return v.data[0]
}

// Bool returns the value of a b. Any byte but zero is true.
func (v Value) Bool() bool {
	return v.kind() == 'b' && v.data != nil && v.data[0] != 0
}

// Int16 returns the value of an n.
func (v Value) Int16() int16 { return int16(v.bits16('n')) }

// Uint16 returns the value of a q.
func (v Value) Uint16() uint16 { return v.bits16('q') }

// Int32 returns the value of an i, or of an h (a handle, which is an index).
func (v Value) Int32() int32 {
	if v.kind() == 'h' {
		return int32(v.bits32('h'))
	}
	return int32(v.bits32('i'))
}

// Uint32 returns the value of a u.
func (v Value) Uint32() uint32 { return v.bits32('u') }

// Int64 returns the value of an x.
func (v Value) Int64() int64 { return int64(v.bits64('x')) }

// Uint64 returns the value of a t.
func (v Value) Uint64() uint64 { return v.bits64('t') }

// Double returns the value of a d.
func (v Value) Double() float64 { return math.Float64frombits(v.bits64('d')) }

func (v Value) bits16(kind byte) uint16 {
	if v.kind() != kind || v.data == nil {
		return 0
	}
	return binary.LittleEndian.Uint16(v.data)
}

func (v Value) bits32(kind byte) uint32 {
	if v.kind() != kind || v.data == nil {
		return 0
	}
	return binary.LittleEndian.Uint32(v.data)
}

func (v Value) bits64(kind byte) uint64 {
	if v.kind() != kind || v.data == nil {
		return 0
	}
	return binary.LittleEndian.Uint64(v.data)
}

// Str returns the value of an s, o or g, as a copy that stays valid by itself. What
// is not valid (no terminating NUL, a NUL inside, not UTF-8, not an object path or a
// signature) is "", or "/" for an object path.
func (v Value) Str() string {
	b, ok := v.text()
	if ok {
		return string(b)
	}
	if v.kind() == 'o' {
		return "/"
	}
	return ""
}

// text returns the bytes of an s, o or g without the NUL, and whether they are valid.
func (v Value) text() ([]byte, bool) {
	kind := v.kind()
	n := len(v.data) - 1
	if n < 0 || bytes.IndexByte(v.data, 0) != n {
		return nil, false
	}
	b := v.data[:n]
	switch kind {
	case 's':
		return b, utf8.Valid(b)
	case 'o':
		return b, isObjectPath(b)
	case 'g':
		return b, isSignature(string(b))
	}
	return nil, false
}

// isObjectPath tells whether b is a D-Bus object path: "/", or names of letters, digits
// and underscores with a slash before each.
func isObjectPath(b []byte) bool {
	if len(b) == 0 || b[0] != '/' {
		return false
	}
	for i, c := range b[1:] {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_':
		case c == '/' && b[i] != '/':
		default:
			return false
		}
	}
	return len(b) == 1 || b[len(b)-1] != '/'
}

// isSignature tells whether s is a D-Bus signature: any number of types without maybes.
func isSignature(s string) bool {
	if len(s) > maxTypeLength {
		return false
	}
	for s != "" {
		d, rest, ok := scan(s, maxDepth)
		if !ok || strings.ContainsRune(string(d.typ), 'm') {
			return false
		}
		s = rest
	}
	return true
}

// Data returns the bytes of an ay, which the caller must not modify.
func (v Value) Data() []byte {
	if v.Type() != "ay" {
		return nil
	}
	return v.data[:len(v.data):len(v.data)]
}

// ByteString returns the bytes of an ay that holds a NUL-terminated string, without the
// NUL. Where the NUL is missing it returns "".
func (v Value) ByteString() string {
	b := v.Data()
	i := bytes.IndexByte(b, 0)
	if i < 0 || b[len(b)-1] != 0 {
		return ""
	}
	return string(b[:i])
}
