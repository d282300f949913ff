package gvariant_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/treenail/treenail/format/gvariant"
)

// hexBytes decodes hexadecimal digits; spaces, and what follows a "#" in a line, do not
// count.
func hexBytes(t *testing.T, s string) []byte {
	t.Helper()
	var digits strings.Builder
	for line := range strings.Lines(s) {
		line, _, _ = strings.Cut(line, "#")
		digits.WriteString(strings.Join(strings.Fields(line), ""))
	}
	b, err := hex.DecodeString(digits.String())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConstructors(t *testing.T) {
	str := gvariant.NewString
	for _, test := range []struct {
		v    gvariant.Value
		text string
		hex  string
	}{
		{gvariant.NewByte(7), "byte 0x07", "07"},
		{gvariant.NewBool(true), "true", "01"},
		{gvariant.NewBool(false), "false", "00"},
		{gvariant.NewInt32(-2), "-2", "feffffff"},
		{gvariant.NewUint32(1), "uint32 1", "01000000"},
		{gvariant.NewInt64(-2), "int64 -2", "feffffffffffffff"},
		{gvariant.NewUint64(1), "uint64 1", "0100000000000000"},
		{gvariant.NewDouble(1.5), "1.5", "000000000000f83f"},
		{str("é"), "'é'", "c3a900"},
		{gvariant.NewBytes([]byte{1, 2}), "[byte 0x01, 0x02]", "0102"},
		{gvariant.NewBytes(nil), "@ay []", ""},
		{gvariant.NewByteString("a"), "b'a'", "6100"},
		{gvariant.NewStrings([]string{"a", "", "bc"}), "['a', '', 'bc']", `
			6100    # a
			00      #
			626300  # bc
			02 03 06`},
		{gvariant.NewStrings(nil), "@as []", ""},
		{gvariant.NewArray("i", gvariant.NewInt32(1), gvariant.NewInt32(2)), "[1, 2]", "01000000 02000000"},
		{gvariant.NewArray("{sv}"), "@a{sv} {}", ""},
		{gvariant.NewTuple(), "()", "00"},
		{gvariant.NewTuple(gvariant.NewByte(1), gvariant.NewUint32(2)), "(byte 0x01, uint32 2)", "01 000000 02000000"},
		{gvariant.NewTuple(gvariant.NewUint32(2), gvariant.NewByte(1)), "(uint32 2, byte 0x01)", `
			02000000
			01
			000000 # a tuple of fixed size is padded to its alignment`},
		{gvariant.NewTuple(gvariant.NewByte(1), gvariant.NewUint32(2), gvariant.NewUint64(3)),
			"(byte 0x01, uint32 2, uint64 3)", "01 000000 02000000 0300000000000000"},
		{gvariant.NewTuple(gvariant.NewUint64(3), str("a"), gvariant.NewByte(1)), "(uint64 3, 'a', byte 0x01)", `
			0300000000000000
			6100
			01
			0a`},
		{gvariant.NewTuple(str("a"), gvariant.NewUint32(1), str("b"), str("c")), "('a', uint32 1, 'b', 'c')", `
			6100 0000 # aligned to 4
			01000000
			6200
			6300      # the last member needs no framing offset
			0a 02     # and the others have theirs in reverse`},
		{gvariant.NewTuple(gvariant.NewBytes(nil), gvariant.NewArray("t")), "(@ay [], @at [])", "00"},
		{gvariant.NewTuple(gvariant.NewByte(1), gvariant.NewArray("t")), "(byte 0x01, @at [])", "01 00000000000000"},
		{gvariant.NewDictEntry(str("a"), gvariant.NewByte(1)), "{'a', byte 0x01}", "6100 01 02"},
		{gvariant.NewVariant(gvariant.NewByte(1)), "<byte 0x01>", "01 00 79"},
		{gvariant.NewVariant(gvariant.NewTuple()), "<()>", "00 00 2829"},
		{gvariant.NewVariant(gvariant.Value{}), "<()>", "00 00 2829"},
		{gvariant.NewVardict(
			gvariant.Entry{Key: "b", Value: gvariant.NewBool(true)},
			gvariant.Entry{Key: "a", Value: gvariant.NewUint64(5)},
		), "{'b': <true>, 'a': <uint64 5>}", `
			6200 000000000000 010062 02       # b: true
			00000000                          # aligned to 8
			6100 000000000000 0500000000000000 0074 02
			0c 23`},
		{gvariant.NewVardict(), "@a{sv} {}", ""},
	} {
		if got := test.v.Print(true); got != test.text {
			t.Errorf("built %s, want %s", got, test.text)
		}
		if got, want := test.v.Bytes(), hexBytes(t, test.hex); !bytes.Equal(got, want) {
			t.Errorf("%s is %x, want %x", test.text, got, want)
		}
		if err := test.v.CheckNormal(); err != nil {
			t.Errorf("%s: %v", test.text, err)
		}
	}
}

// Framing offsets grow with the container that they are a part of.
func TestFrameSizes(t *testing.T) {
	for _, test := range []struct {
		length int // of the string in a tuple with another, empty one
		size   int
		tail   string
	}{
		{252, 255, "00 fd"},
		{253, 257, "00 fe00"},
		{65531, 65535, "00 fcff"},
		{65532, 65538, "00 fdff0000"},
	} {
		v := gvariant.NewTuple(gvariant.NewString(strings.Repeat("x", test.length)), gvariant.NewString(""))
		data := v.Bytes()
		if len(data) != test.size || !bytes.HasSuffix(data, hexBytes(t, test.tail)) {
			t.Errorf("string of %d: %d bytes, ending %x; want %d, %s",
				test.length, len(data), data[len(data)-5:], test.size, test.tail)
		}
		if err := v.CheckNormal(); err != nil {
			t.Error(err)
		}
		if got := len(v.At(0).Str()); got != test.length {
			t.Errorf("string of %d reads as one of %d", test.length, got)
		}
	}
}

func TestBuildPanics(t *testing.T) {
	one := gvariant.NewByte(1)
	for name, build := range map[string]func(){
		"array of mixed types":    func() { gvariant.NewArray("s", one) },
		"array of no type":        func() { gvariant.NewArray("z") },
		"dict entry with bad key": func() { gvariant.NewDictEntry(gvariant.NewTuple(), one) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			build()
		}()
	}
}

func TestByteswap(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"byte 1", "byte 0x01"},
		{"uint16 1", "uint16 256"},
		{"uint32 1", "uint32 16777216"},
		{"int64 1", "int64 72057594037927936"},
		{"('a', uint64 1, [uint32 2], <uint16 3>, @mi 4, [(byte 1, uint32 5)])",
			"('a', uint64 72057594037927936, [uint32 33554432], <uint16 768>, @mi 67108864, [(byte 0x01, uint32 83886080)])"},
		{"{'k': <<[uint16 1]>>}", "{'k': <<[uint16 256]>>}"},
		{"{uint16 1: 'a'}", "{uint16 256: 'a'}"},
		{"<@mi nothing>", "<@mi nothing>"},
		{"@at []", "@at []"},
		{"(@ay [], true, 's')", "(@ay [], true, 's')"},
	} {
		v, err := gvariant.Parse("", test.text)
		if err != nil {
			t.Fatal(err)
		}
		before := bytes.Clone(v.Bytes())
		if got := v.Byteswap().Print(true); got != test.want {
			t.Errorf("Byteswap(%s) = %s, want %s", test.text, got, test.want)
		}
		if !bytes.Equal(v.Bytes(), before) {
			t.Errorf("Byteswap(%s) changed its receiver", test.text)
		}
		if twice := v.Byteswap().Byteswap(); !bytes.Equal(twice.Bytes(), before) {
			t.Errorf("Byteswap twice of %s = %s", test.text, twice.Print(true))
		}
	}
}
