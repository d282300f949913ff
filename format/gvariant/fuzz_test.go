package gvariant_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/treenail/treenail/format/gvariant"
)

// rebuild makes the value again with the constructors, as far as there are any.
func rebuild(v gvariant.Value) gvariant.Value {
	var items []gvariant.Value
	for i := range v.Len() {
		items = append(items, rebuild(v.At(i)))
	}
	switch t := v.Type(); {
	case t == "s":
		return gvariant.NewString(v.Str())
	case t == "b":
		return gvariant.NewBool(v.Bool())
	case t == "v":
		return gvariant.NewVariant(items[0])
	case t[0] == 'a':
		return gvariant.NewArray(t[1:], items...)
	case t[0] == '(':
		return gvariant.NewTuple(items...)
	case t[0] == '{':
		return gvariant.NewDictEntry(items[0], items[1])
	}
	return v
}

func FuzzFromBytes(f *testing.F) {
	for _, test := range texts {
		data, _ := hex.DecodeString(test.hex)
		f.Add(string(test.want), data)
	}
	for _, test := range serialised {
		data, _ := hex.DecodeString(test.hex)
		f.Add(string(test.typ), data)
	}
	f.Add("(a(say)a(sayay))", dirtree(10))
	f.Fuzz(func(t *testing.T, typ string, data []byte) {
		if len(typ) > 64 || len(data) > 1024 {
			return
		}
		parsed, err := gvariant.ParseType(typ)
		if err != nil {
			return
		}
		v := gvariant.FromBytes(parsed, data)
		text, swapped := v.Print(true), v.Byteswap()
		if v.CheckNormal() != nil {
			v.Lookup("a")
			rebuildBounded(v)
			return
		}
		if got := rebuild(v).Bytes(); !bytes.Equal(got, data) {
			t.Errorf("%s %x is made again as %x", typ, data, got)
		}
		if got := swapped.Byteswap().Bytes(); !bytes.Equal(got, data) {
			t.Errorf("%s %x swapped twice is %x", typ, data, got)
		}
		again, err := gvariant.Parse(parsed, text)
		if err != nil {
			t.Fatalf("%s %x prints as %s: %v", typ, data, text, err)
		}
		if got := again.Print(true); got != text {
			t.Errorf("%s %x prints as %s and then as %s", typ, data, text, got)
		}
	})
}

// rebuildBounded calls accessors on data that may unfold to more than there is time for.
func rebuildBounded(v gvariant.Value) {
	budget := 10000
	var visit func(gvariant.Value)
	visit = func(v gvariant.Value) {
		_, _, _, _ = v.Str(), v.Data(), v.ByteString(), v.Bytes()
		for i := range v.Len() {
			if budget--; budget < 0 {
				return
			}
			visit(v.At(i))
		}
	}
	visit(v)
}

func FuzzParse(f *testing.F) {
	for _, test := range texts {
		f.Add(string(test.typ), test.text)
		f.Add("", test.annotated)
	}
	for _, test := range badTexts {
		f.Add(string(test.typ), test.text)
	}
	f.Fuzz(func(t *testing.T, typ, text string) {
		v, err := gvariant.Parse(gvariant.Type(typ), text)
		if err != nil {
			return
		}
		if err := v.CheckNormal(); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		printed := v.Print(true)
		again, err := gvariant.Parse("", printed)
		if err != nil {
			t.Fatalf("%q prints as %q: %v", text, printed, err)
		}
		if again.Type() != v.Type() || !bytes.Equal(again.Bytes(), v.Bytes()) && again.Print(true) != printed {
			t.Errorf("%q prints as %q, which is %s %x instead of %s %x",
				text, printed, again.Type(), again.Bytes(), v.Type(), v.Bytes())
		}
	})
}
