package gvariant

import (
	"math"
	"strconv"
	"strings"
)

// build gives the text the type d.
func (n *node) build(d *descriptor) (Value, error) {
	if n.kind == declNode {
		return n.kids[0].build(d) // what encloses a declaration has agreed with it
	}
	if d.kind == 'm' {
		return n.buildMaybe(d)
	}
	switch n.kind {
	case numberNode:
		return n.number(d)
	case boolNode:
		if d.kind == 'b' {
			return NewBool(n.text == "true"), nil
		}
	case stringNode:
		return n.str(d)
	case bytesNode:
		if d.typ == "ay" {
			return Value{desc: d, data: []byte(n.text)}, nil
		}
	case variantNode:
		if d.kind == 'v' {
			child, err := n.kids[0].infer()
			if err != nil {
				return Value{}, err
			}
			return NewVariant(child), nil
		}
	case arrayNode, tupleNode, dictNode, entryNode:
		return n.container(d)
	}
	return n.mismatch(d)
}

func (n *node) mismatch(d *descriptor) (Value, error) {
	return Value{}, n.errorf("can not parse as value of type '%s'", d.typ)
}

// buildMaybe takes what is not written as a maybe for the content of one.
func (n *node) buildMaybe(d *descriptor) (Value, error) {
	inner := n
	if n.kind == maybeNode {
		if len(n.kids) == 0 {
			return newMaybe(d, nil), nil
		}
		inner = n.kids[0]
	}
	item, err := inner.build(d.elem)
	if err != nil {
		return Value{}, err
	}
	return newMaybe(d, &item), nil
}

func (n *node) str(d *descriptor) (Value, error) {
	v := Value{desc: d, data: append([]byte(n.text), 0)}
	switch d.kind {
	case 's':
		return v, nil
	case 'o':
		if isObjectPath([]byte(n.text)) {
			return v, nil
		}
		return Value{}, n.errorf("not a valid object path")
	case 'g':
		if isSignature(n.text) {
			return v, nil
		}
		return Value{}, n.errorf("not a valid signature")
	}
	return n.mismatch(d)
}

func (n *node) container(d *descriptor) (Value, error) {
	var types []*descriptor // of the children, in turn
	switch {
	case n.kind == arrayNode && d.kind == 'a':
		types = []*descriptor{d.elem}
	case n.kind == dictNode && d.kind == 'a' && d.elem.kind == '{':
		types = d.elem.memberTypes()
	case n.kind == tupleNode && d.kind == '(', n.kind == entryNode && d.kind == '{':
		types = d.memberTypes()
	default:
		return n.mismatch(d)
	}
	items := make([]Value, len(n.kids))
	for i, kid := range n.kids {
		if d.kind == '(' && i == len(types) {
			return n.mismatch(d)
		}
		var err error
		if items[i], err = kid.build(types[i%len(types)]); err != nil {
			return Value{}, err
		}
	}
	if d.kind == '(' && len(items) < len(types) {
		return n.mismatch(d)
	}
	if n.kind == dictNode {
		items = pairs(d.elem, items)
	}
	return pack(d, items), nil
}

func (d *descriptor) memberTypes() []*descriptor {
	types := make([]*descriptor, len(d.members))
	for i, m := range d.members {
		types[i] = m.descriptor
	}
	return types
}

// pairs makes dict entries of alternating keys and values.
func pairs(d *descriptor, items []Value) []Value {
	entries := make([]Value, 0, len(items)/2)
	for i := 0; i < len(items); i += 2 {
		entries = append(entries, pack(d, items[i:i+2]))
	}
	return entries
}

func (n *node) number(d *descriptor) (Value, error) {
	if d.kind == 'd' {
		return n.double()
	}
	negative := n.text[0] == '-'
	digits := strings.TrimPrefix(n.text, "-")
	abs, length, ok := scanUint(digits)
	if !ok {
		return Value{}, n.errorf("integer too big for any type")
	}
	if length < len(digits) {
		return n.badCharacter(len(n.text) - len(digits) + length)
	}
	if strings.IndexByte("ynqiuhxt", d.kind) < 0 {
		return n.mismatch(d)
	}
	if !fitsInteger(d, negative && abs > 0, abs) {
		return Value{}, n.errorf("number out of range for type '%c'", d.kind)
	}
	if negative {
		abs = -abs
	}
	return newInteger(d.kind, abs), nil
}

func (n *node) badCharacter(i int) (Value, error) {
	pos := n.start + i
	return Value{}, span{pos, pos + 1}.errorf("invalid character in number")
}

// fitsInteger tells whether an integer type has the number of this sign and magnitude.
func fitsInteger(d *descriptor, negative bool, abs uint64) bool {
	bits := 8 * d.fixed
	if strings.IndexByte("yqut", d.kind) >= 0 {
		return !negative && abs <= math.MaxUint64>>(64-bits)
	}
	limit := uint64(1) << (bits - 1)
	return abs < limit || negative && abs == limit
}

func newInteger(kind byte, bits uint64) Value {
	switch basic[kind].fixed {
	case 1:
		return NewByte(byte(bits))
	case 2:
		return new16(kind, uint16(bits))
	case 4:
		return new32(kind, uint32(bits))
	}
	return new64(kind, bits)
}

// scanUint reads an integer as strtoull does with base 0: a sign, and then 0x before
// hexadecimal, 0 before octal digits. It returns how much of s it is, and whether it
// fits. Nothing at all is zero.
func scanUint(s string) (n uint64, length int, ok bool) {
	digits := strings.TrimLeft(s, "+-")
	if len(s)-len(digits) > 1 {
		return 0, 0, true
	}
	length = len(s) - len(digits)
	base, belongs := 10, isDigit
	switch {
	case len(digits) > 2 && digits[0] == '0' && digits[1]|0x20 == 'x' && isHex(digits[2]):
		base, belongs = 16, isHex
		digits = digits[2:]
		length += 2
	case strings.HasPrefix(digits, "0"):
		base, belongs = 8, isOctal
	}
	count := lengthOf(digits, belongs)
	if count == 0 {
		return 0, 0, true
	}
	n, err := strconv.ParseUint(digits[:count], base, 64)
	if s[0] == '-' {
		n = -n
	}
	return n, length + count, err == nil
}

func (n *node) double() (Value, error) {
	f, length, ok := scanDouble(n.text)
	if !ok {
		return Value{}, n.errorf("number too big for any type")
	}
	if length < len(n.text) {
		return n.badCharacter(length)
	}
	return NewDouble(f), nil
}

// scanDouble reads a double as strtod does, and returns how much of s it is, and whether
// it is in range.
func scanDouble(s string) (f float64, length int, ok bool) {
	unsigned := strings.TrimLeft(s, "+-")
	sign := len(s) - len(unsigned)
	if sign > 1 {
		return 0, 0, true
	}
	lower := strings.ToLower(unsigned)
	switch {
	case strings.HasPrefix(lower, "infinity"):
		f, length = math.Inf(1), 8
	case strings.HasPrefix(lower, "inf"):
		f, length = math.Inf(1), 3
	case strings.HasPrefix(lower, "nan"):
		f, length = math.Float64frombits(0x7ff8<<48), 3
	default:
		if length = floatLength(lower); length == 0 {
			return 0, 0, true
		}
		text := lower[:length]
		if strings.HasPrefix(text, "0x") && !strings.Contains(text, "p") {
			text += "p0" // which strconv wants
		}
		f, _ = strconv.ParseFloat(text, 64)
		ok = !math.IsInf(f, 0)
		return signed(s, f), sign + length, ok
	}
	return signed(s, f), sign + length, true
}

// signed gives f the sign that s starts with.
func signed(s string, f float64) float64 {
	if s[0] == '-' {
		return math.Copysign(f, -1)
	}
	return f
}

// floatLength returns how much of s, in lower case and without a sign, is a floating
// point number.
func floatLength(s string) int {
	i, belongs, exponent := 0, isDigit, byte('e')
	if strings.HasPrefix(s, "0x") {
		i, belongs, exponent = 2, isHex, 'p'
	}
	whole := lengthOf(s[i:], belongs)
	i += whole
	fraction := 0
	if i < len(s) && s[i] == '.' {
		if fraction = lengthOf(s[i+1:], belongs); fraction+whole > 0 {
			i += 1 + fraction
		}
	}
	if whole+fraction == 0 {
		return min(strings.Count(s[:i], "0"), 1) // the 0 of 0x
	}
	if i < len(s) && s[i] == exponent {
		i += exponentLength(s[i:])
	}
	return i
}

// exponentLength returns the length of an exponent with its letter, 0 when it has no
// digits.
func exponentLength(s string) int {
	i := 1
	if len(s) > 1 && (s[1] == '+' || s[1] == '-') {
		i++
	}
	digits := lengthOf(s[i:], isDigit)
	if digits == 0 {
		return 0
	}
	return i + digits
}
