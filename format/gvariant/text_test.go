package gvariant_test

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/treenail/treenail/format/gvariant"
)

func TestTexts(t *testing.T) {
	for _, test := range texts {
		v, err := gvariant.Parse(test.typ, test.text)
		if err != nil {
			t.Errorf("Parse(%q, %q): %v", test.typ, test.text, err)
			continue
		}
		if v.Type() != test.want {
			t.Errorf("Parse(%q, %q) has type %s, want %s", test.typ, test.text, v.Type(), test.want)
		}
		if got := hex.EncodeToString(v.Bytes()); got != test.hex {
			t.Errorf("Parse(%q, %q) = %s, want %s", test.typ, test.text, got, test.hex)
		}
		if err := v.CheckNormal(); err != nil {
			t.Errorf("Parse(%q, %q): %v", test.typ, test.text, err)
		}
	}
}

func TestPrint(t *testing.T) {
	for _, test := range texts {
		data, err := hex.DecodeString(test.hex)
		if err != nil {
			t.Fatal(err)
		}
		v := gvariant.FromBytes(test.want, data)
		if got := v.Print(true); got != test.annotated {
			t.Errorf("annotated %s %s:\n got %s\nwant %s", test.want, test.hex, got, test.annotated)
		}
		if got := v.Print(false); got != test.plain {
			t.Errorf("plain %s %s:\n got %s\nwant %s", test.want, test.hex, got, test.plain)
		}
	}
}

// An annotated text has to say all that is needed to read it again.
func TestPrintParse(t *testing.T) {
	for _, test := range texts {
		v, err := gvariant.Parse("", test.annotated)
		if err != nil {
			t.Errorf("Parse(%q): %v", test.annotated, err)
			continue
		}
		got := string(v.Type()) + " " + hex.EncodeToString(v.Bytes())
		if want := string(test.want) + " " + test.hex; got != want {
			t.Errorf("Parse(%q) = %s, want %s", test.annotated, got, want)
		}
	}
}

func TestBadTexts(t *testing.T) {
	for _, test := range badTexts {
		v, err := gvariant.Parse(test.typ, test.text)
		if err == nil {
			t.Errorf("Parse(%q, %q) = %s, want error %s", test.typ, test.text, v.Print(true), test.want)
		} else if err.Error() != test.want {
			t.Errorf("Parse(%q, %q): error %q, want %q", test.typ, test.text, err, test.want)
		}
	}
}

// GLib has no sensible message, or none at all, for these.
func TestMoreBadTexts(t *testing.T) {
	for _, test := range []struct {
		typ        gvariant.Type
		text, want string
	}{
		{"", `'\ud83d'`, "invalid 4-character unicode escape"},
		{"", `'\U00110000'`, "invalid 8-character unicode escape"},
		{"", "'a\xff'", "not UTF-8"},
		{"", "'a\x00'", "unterminated string constant"},
		{"", "b'a\x00'", "unterminated string constant"},
		{"", "1\x00", "expected end of input"},
		{"", strings.Repeat("<", 128) + "1", "nested too deeply"},
		{"", strings.Repeat("just ", 1000000), "nested too deeply"},
		{"", strings.Repeat("[", 127) + "@mi 1" + strings.Repeat("]", 127), "nested too deeply"},
		{"a*", "[]", "invalid type string"},
	} {
		v, err := gvariant.Parse(test.typ, test.text)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("Parse(%q, %.40q) = %.40q, %v, want error %q", test.typ, test.text, v.Print(true), err, test.want)
		}
	}
}

func TestParseDepth(t *testing.T) {
	for _, brackets := range []string{"[]", "<>"} {
		text := strings.Repeat(brackets[:1], 127) + "1" + strings.Repeat(brackets[1:], 127)
		v, err := gvariant.Parse("", text)
		if err != nil {
			t.Errorf("%d levels of %s: %v", 127, brackets, err)
		} else if got := v.Print(true); got != text {
			t.Errorf("prints as %s, want %s", got, text)
		}
	}
}

// Small denormal numbers, which GLib prints but does not read.
func TestDenormal(t *testing.T) {
	text := "4.9406564584124654e-324"
	v, err := gvariant.Parse("", text)
	if err != nil || v.Print(true) != text {
		t.Errorf("Parse(%s) = %s, %v", text, v.Print(true), err)
	}
}
