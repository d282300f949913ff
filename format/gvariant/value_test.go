package gvariant_test

import (
	"bytes"
	"fmt"
	"math"
	"testing"

	"github.com/treenail/treenail/format/gvariant"
)

func parse(t *testing.T, text string) gvariant.Value {
	t.Helper()
	v, err := gvariant.Parse("", text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func TestAccessors(t *testing.T) {
	v := parse(t, `(byte 200, true, int16 -2, uint16 65535, -3, handle 4, uint32 4000000000, int64 -5,
		uint64 18446744073709551615, 0.5, 'é', objectpath '/a', signature 'as', [byte 1, 2], b'x', <'in'>)`)
	check := func(i int, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("member %d = %v, want %v", i, got, want)
		}
	}
	check(0, v.At(0).Byte(), byte(200))
	check(1, v.At(1).Bool(), true)
	check(2, v.At(2).Int16(), int16(-2))
	check(3, v.At(3).Uint16(), uint16(65535))
	check(4, v.At(4).Int32(), int32(-3))
	check(5, v.At(5).Int32(), int32(4))
	check(6, v.At(6).Uint32(), uint32(4000000000))
	check(7, v.At(7).Int64(), int64(-5))
	check(8, v.At(8).Uint64(), uint64(1<<64-1))
	check(9, v.At(9).Double(), 0.5)
	check(10, v.At(10).Str(), "é")
	check(11, v.At(11).Str(), "/a")
	check(12, v.At(12).Str(), "as")
	check(13, string(v.At(13).Data()), "\x01\x02")
	check(13, v.At(13).ByteString(), "")
	check(14, v.At(14).ByteString(), "x")
	check(15, v.At(15).Variant().Str(), "in")
	check(15, v.At(15).At(0).Str(), "in")
}

func TestLen(t *testing.T) {
	for text, want := range map[string]int{
		"5": 0, "'abc'": 0, "()": 0, "(1, 2, 3)": 3, "{1, 2}": 2, "{1: 2, 3: 4, 5: 6}": 3, "<1>": 1,
		"@mi nothing": 0, "@mi 1": 1, "@ms ''": 1, "@ms nothing": 0, "@as []": 0, "['', '']": 2, "[()]": 1,
	} {
		if got := parse(t, text).Len(); got != want {
			t.Errorf("Len of %s = %d, want %d", text, got, want)
		}
	}
}

// What is asked of a value that cannot have it is a zero value.
func TestMismatch(t *testing.T) {
	for _, text := range []string{"()", "'s'", "byte 1", "1", "uint64 1", "<1>", "@as []", "[1]", "@mi 1", "{'a': <1>}", "(1, 2)"} {
		v := parse(t, text)
		for _, i := range []int{-1, v.Len(), math.MaxInt} {
			if got := v.At(i); got.Type() != "()" {
				t.Errorf("At(%d) of %s = %s", i, text, got.Print(true))
			}
		}
		if v.Type() != "i" && v.Int32() != 0 || v.Uint32() != 0 || v.Int64() != 0 || v.Double() != 0 || v.Bool() {
			t.Errorf("%s reads as a number", text)
		}
		if v.Data() != nil || v.ByteString() != "" {
			t.Errorf("%s reads as bytes", text)
		}
		if v.Type() != "v" && v.Variant().Type() != "()" {
			t.Errorf("%s reads as a variant", text)
		}
		if got, ok := v.Lookup("b"); ok || got.Type() != "()" {
			t.Errorf("Lookup in %s = %s", text, got.Print(true))
		}
	}
}

func TestZeroValue(t *testing.T) {
	var v gvariant.Value
	if v.Type() != "()" || !bytes.Equal(v.Bytes(), []byte{0}) || v.Len() != 0 || v.Print(true) != "()" {
		t.Errorf("zero Value is %s %x %s", v.Type(), v.Bytes(), v.Print(true))
	}
	if err := v.CheckNormal(); err != nil {
		t.Error(err)
	}
	if got := gvariant.NewTuple(v, v.Byteswap()); got.Print(true) != "((), ())" {
		t.Errorf("tuple of zero Values is %s", got.Print(true))
	}
}

// Sizes that no value of the type has mean its default value.
func TestDefaults(t *testing.T) {
	for typ, want := range map[gvariant.Type]string{
		"y": "byte 0x00", "b": "false", "u": "uint32 0", "d": "0.0", "(ut)": "(uint32 0, uint64 0)", "(yy)": "(byte 0x00, byte 0x00)",
		"au": "@au []", "mu": "@mu nothing", "(us)": "(uint32 0, '')", "at": "@at []", "v": "<()>",
	} {
		v := gvariant.FromBytes(typ, []byte{1, 1, 1})
		if got := v.Print(true); got != want {
			t.Errorf("three bytes of %s print as %s, want %s", typ, got, want)
		}
	}
	if got := gvariant.FromBytes("(ut)", []byte{1}).Bytes(); !bytes.Equal(got, make([]byte, 16)) {
		t.Errorf("default (ut) serialises as %x", got)
	}
}

func TestLookup(t *testing.T) {
	v := parse(t, `{'a': <1>, 'b': <uint64 2>, 'a': <3>, '': <'empty'>, 'ab': <<4>>}`)
	for key, want := range map[string]string{"a": "1", "b": "uint64 2", "": "'empty'", "ab": "<4>"} {
		if got, ok := v.Lookup(key); !ok || got.Print(true) != want {
			t.Errorf("Lookup(%q) = %s, %t, want %s", key, got.Print(true), ok, want)
		}
	}
	if got, ok := v.Lookup("c"); ok {
		t.Errorf("Lookup(c) = %s", got.Print(true))
	}
	plain := parse(t, `{'x': 'y'}`)
	if got, ok := plain.Lookup("x"); !ok || got.Str() != "y" {
		t.Errorf("Lookup in a{ss} = %s, %t", got.Print(true), ok)
	}
	if got, ok := parse(t, `{1: 'y'}`).Lookup("1"); ok {
		t.Errorf("Lookup in a{is} = %s", got.Print(true))
	}
}

// Reading a field takes no memory, whatever surrounds it.
func TestAllocs(t *testing.T) {
	data := dirtree(100)
	var read int
	allocs := testing.AllocsPerRun(10, func() {
		dirs := gvariant.FromBytes("(a(say)a(sayay))", data).At(1)
		for i := range dirs.Len() {
			read += len(dirs.At(i).At(2).Data())
		}
	})
	if allocs != 0 || read == 0 {
		t.Errorf("reading a tree allocates %v times", allocs)
	}
	meta := gvariant.NewVardict(gvariant.Entry{Key: "a", Value: gvariant.NewBytes(nil)}, gvariant.Entry{Key: "b", Value: gvariant.NewStrings(nil)})
	if allocs := testing.AllocsPerRun(10, func() { meta.Lookup("b") }); allocs != 0 {
		t.Errorf("Lookup allocates %v times", allocs)
	}
}

// Callers that append to what they are handed must not write over what follows it.
func TestAppend(t *testing.T) {
	v := parse(t, "([byte 1, 2], 'abc')")
	_ = append(v.At(0).Data(), 9, 9)
	_ = append(v.At(0).Bytes(), 9, 9)
	if got := v.Print(true); got != "([byte 0x01, 0x02], 'abc')" {
		t.Errorf("after append: %s", got)
	}
}

func ExampleFromBytes() {
	data := []byte("README\x00" + "\xca\xfe" + "\x07" + "\x0a")
	files := gvariant.FromBytes("a(say)", data)
	if err := files.CheckNormal(); err != nil {
		fmt.Println(err)
	}
	for i := range files.Len() {
		file := files.At(i)
		fmt.Printf("%s %x\n", file.At(0).Str(), file.At(1).Data())
	}
	// Output: README cafe
}

func ExampleValue_Lookup() {
	metadata := gvariant.NewVardict(
		gvariant.Entry{Key: "version", Value: gvariant.NewString("9.1")},
		gvariant.Entry{Key: "ostree.bootable", Value: gvariant.NewBool(true)},
	)
	fmt.Println(metadata.Print(true))
	if v, ok := metadata.Lookup("version"); ok && v.Type() == "s" {
		fmt.Println(v.Str())
	}
	// Output:
	// {'version': <'9.1'>, 'ostree.bootable': <true>}
	// 9.1
}

func ExampleParse() {
	v, err := gvariant.Parse("", "{'sizes': <[uint64 7, 9]>}")
	fmt.Println(v.Type(), err)
	_, err = gvariant.Parse("", "[1, 'two']")
	fmt.Println(err)
	// Output:
	// a{sv} <nil>
	// 1-2,4-9:unable to find a common type
}
