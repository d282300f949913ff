package gvariant_test

import (
	"bytes"
	"encoding/hex"
	"runtime"
	"strings"
	"testing"

	"github.com/treenail/treenail/format/gvariant"
)

// serialised is what GLib 2.74 makes of bytes: whether they are in normal form, how they
// print, and the bytes swapped, for which they are put in normal form.
var serialised = []struct {
	typ     gvariant.Type
	hex     string
	normal  bool
	text    string
	swapped string
}{
	{"b", "02", false, "true", "01"},
	{"s", "", false, "''", "00"},
	{"s", "61", false, "''", "00"},
	{"s", "610062", false, "''", "00"},
	{"s", "61006200", false, "''", "00"},
	{"s", "ff00", false, "''", "00"},
	{"o", "6100", false, "objectpath '/'", "2f00"},
	{"o", "", false, "objectpath '/'", "2f00"},
	{"g", "7a00", false, "signature ''", "00"},
	{"g", "6d6900", false, "signature ''", "00"},
	{"u", "010000", false, "uint32 0", "00000000"},
	{"au", "0100000002", false, "@au []", ""},
	{"as", "6100026200", false, "['', '', '', '', '']", "00000000000102030405"},
	{"as", "61006200ff", false, "@as []", ""},
	{"as", "610062000402", false, "['', '', '', '']", "0000000001020304"},
	{"as", "6100620002040000", false, "['', '', '', '', '', '', '', '']", "00000000000000000102030405060708"},
	{"as", "62000002", false, "['', 'b']", "0062000103"},
	{"at", "", true, "@at []", ""},
	{"aat", "00ff", false, "@aat []", ""},
	{"(yt)", "01ffffffffffffff0200000000000000", false, "(byte 0x01, uint64 2)", "01000000000000000000000000000002"},
	{"(yt)", "0100", false, "(byte 0x00, uint64 0)", "00000000000000000000000000000000"},
	{"(ys)", "056100", true, "(byte 0x05, 'a')", "056100"},
	{"(sy)", "61000502", true, "('a', byte 0x05)", "61000502"},
	{"(sy)", "6100050202", false, "('a', byte 0x05)", "61000502"},
	{"(ss)", "6100620001", false, "('', '')", "000001"},
	{"(ss)", "61006200ff", false, "('', '')", "000001"},
	{"()", "01", false, "()", "00"},
	{"()", "", false, "()", "00"},
	{"()", "0000", false, "()", "00"},
	{"ms", "6100", false, "@ms ''", "0000"},
	{"ms", "610001", false, "@ms 'a'", "610000"},
	{"mu", "01", false, "@mu nothing", ""},
	{"mu", "0100000000", false, "@mu nothing", ""},
	{"v", "", false, "<()>", "00002829"},
	{"v", "00", false, "<()>", "00002829"},
	{"v", "0075", false, "<()>", "00002829"},
	{"v", "010000000075", true, "<uint32 1>", "000000010075"},
	{"v", "010000000061", false, "<()>", "00002829"},
	{"v", "0100000000737373", false, "<()>", "00002829"},
	{"v", "6973", false, "<()>", "00002829"},
	{"v", "00002829", true, "<()>", "00002829"},
	{"v", "01002829", false, "<()>", "00002829"},
	{"v", "05006d75", false, "<@mu nothing>", "006d75"},
	{"{ys}", "01", false, "{byte 0x01, ''}", "0100"},
	{"a{sv}", "61000000000000000102000000750206", false, "{'': <()>, '': <()>, '': <()>, '': <()>, '': <()>, '': <()>, '': <()>, '': <()>, '': <()>, '': <()>}", "000000000000000000002829010000000000000000000000000028290100000000000000000000000000282901000000000000000000000000002829010000000000000000000000000028290100000000000000000000000000282901000000000000000000000000002829010000000000000000000000000028290100000000000000000000000000282901000000000000000000000000002829010d1d2d3d4d5d6d7d8d9d"},
	{"(ayay)", "0102", false, "(@ay [], @ay [])", "00"},
	{"d", "00", false, "0.0", "0000000000000000"},
	{"m()", "00", true, "@m() ()", "00"},
	{"m()", "0000", false, "@m() nothing", ""},
	{"a()", "0000", true, "[(), ()]", "0000"},
	{"a()", "0001", false, "[(), ()]", "0000"},
}

func TestSerialised(t *testing.T) {
	for _, test := range serialised {
		v := gvariant.FromBytes(test.typ, hexBytes(t, test.hex))
		if err := v.CheckNormal(); (err == nil) != test.normal {
			t.Errorf("CheckNormal of %s %q = %v, want normal: %t", test.typ, test.hex, err, test.normal)
		}
		if got := v.Print(true); got != test.text {
			t.Errorf("%s %q prints as %s, want %s", test.typ, test.hex, got, test.text)
		}
		if got := hex.EncodeToString(v.Byteswap().Bytes()); got != test.swapped {
			t.Errorf("%s %q swapped = %s, want %s", test.typ, test.hex, got, test.swapped)
		}
	}
}

// GLib takes no bytes at all for the normal form of a tuple whose members are all
// empty, although it writes framing offsets. Two normal forms would give one tree two
// checksums.
func TestEmptyTuple(t *testing.T) {
	const dirtree = "(a(say)a(sayay))"
	if gvariant.FromBytes(dirtree, nil).CheckNormal() == nil {
		t.Error("no bytes pass for a directory tree in normal form")
	}
	v := gvariant.NewTuple(gvariant.NewArray("(say)"), gvariant.NewArray("(sayay)"))
	if got := v.Bytes(); v.Type() != dirtree || !bytes.Equal(got, []byte{0}) || v.CheckNormal() != nil {
		t.Errorf("empty directory tree is %s %x, want %s 00", v.Type(), got, dirtree)
	}
}

func TestCheckNormalError(t *testing.T) {
	for _, test := range []struct {
		typ  gvariant.Type
		hex  string
		want string
	}{
		{"(yb)", "0102", "b at offset 1: boolean is 2"},
		{"(uas)", "00000000 6100 62 0203", "s at offset 6: invalid string"},
		{"(yt)", "0100000000000001 0000000000000000", "(yt) at offset 0: padding is not zero"},
		{"as", "6100 0003 02ff", "as at offset 0: size 6 is impossible"},
		{"u", "00", "u at offset 0: not of 4 bytes"},
	} {
		err := gvariant.FromBytes(test.typ, hexBytes(t, test.hex)).CheckNormal()
		if want := "gvariant: not in normal form: " + test.want; err == nil || err.Error() != want {
			t.Errorf("CheckNormal of %s %s = %v, want %s", test.typ, test.hex, err, want)
		}
	}
}

// nested returns n variants around a byte.
func nested(n int) gvariant.Value {
	data := append([]byte{1, 0, 'y'}, bytes.Repeat([]byte{0, 'v'}, n-1)...)
	return gvariant.FromBytes("v", data)
}

func TestNestedVariants(t *testing.T) {
	if err := nested(127).CheckNormal(); err != nil {
		t.Error(err)
	}
	deep := nested(10_000_000)
	if err := deep.CheckNormal(); err == nil || !strings.Contains(err.Error(), "nested too deep") {
		t.Errorf("CheckNormal of ten million variants = %v", err)
	}
	if got, want := deep.Print(true), strings.Repeat("<", 128)+"()"+strings.Repeat(">", 128); got != want {
		t.Errorf("ten million variants print as %.300s, want %s", got, want)
	}
	if got := len(deep.Byteswap().Bytes()); got > 1000 {
		t.Errorf("ten million variants swapped take %d bytes", got)
	}
}

// Children that overlap would double the output with every level.
func TestOverlappingChildren(t *testing.T) {
	const levels = 12
	data := []byte("x\x00")
	for range levels {
		end := len(data)
		for _, offset := range []int{end, 0, end, 0, end} { // three times the same child
			data = append(data, byte(offset))
			if end > 250 {
				data = append(data, byte(offset>>8))
			}
		}
	}
	typ := gvariant.Type(strings.Repeat("a", levels) + "s")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	v := gvariant.FromBytes(typ, data)
	text, swapped := v.Print(true), v.Byteswap()
	runtime.ReadMemStats(&after)
	if len(text) > 100*len(data) || swapped.CheckNormal() != nil {
		t.Errorf("%d bytes print as %d", len(data), len(text))
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 10<<20 {
		t.Errorf("%d bytes took %d of memory", len(data), used)
	}
}
