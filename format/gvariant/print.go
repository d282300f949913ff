package gvariant

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode"
)

// typeNames holds what stands before a value of a basic type to tell that type, where
// the value alone would be read as another one.
var typeNames = map[byte]string{
	'y': "byte ", 'n': "int16 ", 'q': "uint16 ", 'u': "uint32 ", 'h': "handle ",
	'x': "int64 ", 't': "uint64 ", 'o': "objectpath ", 'g': "signature ",
}

// Print returns the text form of the value, the same as g_variant_print of GLib. With
// annotate it names types as far as [Parse] needs them to give the same value again
// without being told its type; in variants they are always named.
//
// Values that are not in normal form print as their accessors present them, and the
// text may be much larger than the data.
func (v Value) Print(annotate bool) string {
	p := printer{}
	p.value(v, annotate, 0)
	return string(p.buf)
}

// A printer collects the text. Depth, in its methods, counts the containers around a
// value.
type printer struct{ buf []byte }

func (p *printer) text(s string) { p.buf = append(p.buf, s...) }

func (p *printer) value(v Value, annotate bool, depth int) {
	switch v.kind() {
	case 'm':
		p.maybe(v, annotate, depth)
	case 'a':
		p.array(v, annotate, depth)
	case '(':
		p.tuple(v, annotate, depth)
	case '{':
		p.list(v, annotate, annotate, depth, "{", ", ", "}")
	case 'v':
		p.list(v, true, true, depth, "<", "", ">")
	default:
		p.basic(v, annotate)
	}
}

// list prints the children between brackets; first and rest tell whether the first and
// the other ones are annotated.
func (p *printer) list(v Value, first, rest bool, depth int, open, comma, close string) {
	p.text(open)
	for i, child := range v.children(depth) {
		annotate := first
		if i > 0 {
			p.text(comma)
			annotate = rest
		}
		p.value(child, annotate, depth+1)
	}
	p.text(close)
}

func (p *printer) tuple(v Value, annotate bool, depth int) {
	end := ")"
	if v.Len() == 1 {
		end = ",)"
	}
	p.list(v, annotate, annotate, depth, "(", ", ", end)
}

func (p *printer) array(v Value, annotate bool, depth int) {
	if isByteString(v) {
		p.byteString(v.data[:len(v.data)-1])
		return
	}
	isDict := v.desc.elem.kind == '{'
	switch n := v.Len(); {
	case n == 0:
		p.annotation(v, annotate)
		fallthrough
	case !isDict:
		open, close := "[", "]"
		if isDict {
			open, close = "{", "}"
		}
		p.list(v, annotate, false, depth, open, ", ", close)
	default:
		p.dict(v, annotate, depth)
	}
}

func (p *printer) dict(v Value, annotate bool, depth int) {
	p.text("{")
	for i, entry := range v.children(depth) {
		if i > 0 {
			p.text(", ")
			annotate = false
		}
		for j, child := range entry.children(depth + 1) {
			if j > 0 {
				p.text(": ")
			}
			p.value(child, annotate, depth+2)
		}
	}
	p.text("}")
}

// maybe prints the value inside of any number of maybes by itself; only a nothing
// needs to tell how deep it lies.
func (p *printer) maybe(v Value, annotate bool, depth int) {
	p.annotation(v, annotate)
	justs := 0
	for ; v.kind() == 'm' && v.Len() == 1; justs++ {
		v = v.child(0)
	}
	if v.kind() != 'm' {
		p.value(v, false, depth+justs)
		return
	}
	p.text(strings.Repeat("just ", justs))
	p.text("nothing")
}

func (p *printer) annotation(v Value, annotate bool) {
	if annotate {
		p.text("@" + string(v.Type()) + " ")
	}
}

func (p *printer) basic(v Value, annotate bool) {
	kind := v.kind()
	if annotate {
		p.text(typeNames[kind])
	}
	switch kind {
	case 'b':
		p.buf = strconv.AppendBool(p.buf, v.Bool())
	case 'y':
		const hex = "0123456789abcdef"
		b := v.Byte()
		p.buf = append(p.buf, '0', 'x', hex[b>>4], hex[b&15])
	case 'n', 'i', 'h', 'x':
		p.buf = strconv.AppendInt(p.buf, v.integer(), 10)
	case 'q', 'u', 't':
		p.buf = strconv.AppendUint(p.buf, uint64(v.integer()), 10)
	case 'd':
		p.double(v.Double())
	case 's', 'o', 'g':
		p.quoted(v.Str())
	}
}

// integer returns the value of any integer type, of a t the bits.
func (v Value) integer() int64 {
	switch v.kind() {
	case 'n':
		return int64(v.Int16())
	case 'q':
		return int64(v.Uint16())
	case 'i', 'h':
		return int64(v.Int32())
	case 'u':
		return int64(v.Uint32())
	case 'x':
		return v.Int64()
	}
	return int64(v.Uint64())
}

// double prints like "%.17g" of C, and so that the text is not that of an integer.
func (p *printer) double(f float64) {
	switch {
	case math.IsInf(f, 1):
		p.text("inf")
	case math.IsInf(f, -1):
		p.text("-inf")
	case math.IsNaN(f) && math.Signbit(f):
		p.text("-nan")
	case math.IsNaN(f):
		p.text("nan")
	default:
		start := len(p.buf)
		p.buf = strconv.AppendFloat(p.buf, f, 'g', 17, 64)
		if !bytes.ContainsAny(p.buf[start:], ".e") {
			p.text(".0")
		}
	}
}

// escapes are the characters that a backslash and a letter stand for, in strings as
// in byte strings.
var escapes = map[rune]byte{'\a': 'a', '\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't', '\v': 'v'}

// quoted prints a string in single quotes, or in double quotes when it holds a single
// one.
func (p *printer) quoted(s string) {
	quote := '\''
	if strings.Contains(s, "'") {
		quote = '"'
	}
	p.buf = append(p.buf, byte(quote))
	for _, r := range s {
		if r == quote || r == '\\' {
			p.text("\\")
		}
		p.char(r)
	}
	p.buf = append(p.buf, byte(quote))
}

func (p *printer) char(r rune) {
	if isPrint(r) {
		p.text(string(r))
		return
	}
	if letter, ok := escapes[r]; ok {
		p.buf = append(p.buf, '\\', letter)
		return
	}
	letter, digits := "\\u", 4
	if r > 0xffff {
		letter, digits = "\\U", 8
	}
	hex := strconv.FormatUint(uint64(r), 16)
	p.text(letter + strings.Repeat("0", digits-len(hex)) + hex)
}

// isPrint is g_unichar_isprint: all assigned characters but control and format ones.
func isPrint(r rune) bool {
	if r < 0x7f {
		return r >= 0x20
	}
	return unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z, unicode.Co)
}

// isByteString tells whether v is an ay with a NUL at the end and nowhere else.
func isByteString(v Value) bool {
	n := len(v.data)
	return n > 0 && v.Type() == "ay" && bytes.IndexByte(v.data, 0) == n-1
}

// byteString prints like g_strescape, which escapes double quotes whatever the quotes
// around are, and a bell as a number.
func (p *printer) byteString(b []byte) {
	quote := byte('\'')
	if bytes.IndexByte(b, '\'') >= 0 {
		quote = '"'
	}
	p.buf = append(p.buf, 'b', quote)
	for _, c := range b {
		letter, ok := escapes[rune(c)]
		switch {
		case c == '"' || c == '\\':
			p.buf = append(p.buf, '\\', c)
		case ok && c != '\a':
			p.buf = append(p.buf, '\\', letter)
		case c < 0x20 || c >= 0x7f:
			p.buf = append(p.buf, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		default:
			p.buf = append(p.buf, c)
		}
	}
	p.buf = append(p.buf, quote)
}
