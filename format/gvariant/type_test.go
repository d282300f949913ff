package gvariant_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/treenail/treenail/format/gvariant"
)

func TestParseType(t *testing.T) {
	rep := strings.Repeat
	valid := []string{
		"y", "b", "n", "q", "i", "u", "x", "t", "h", "d", "s", "o", "g", "v", "()", "(s)", "as", "mi", "a{sv}",
		"{sv}", "(a(say)a(sayay))", "(a{sv}aya(say)sstayay)", "aaam(yv{ias})",
		rep("a", 128) + "y", rep("m", 128) + "()", rep("(", 129) + rep(")", 129),
	}
	for _, s := range valid {
		if got, err := gvariant.ParseType(s); err != nil || string(got) != s {
			t.Errorf("ParseType(%q) = %q, %v", s, got, err)
		}
	}
	invalid := []string{
		"", "z", "é", "\x00", "ss", "(", ")", "(s", "s)", "a", "m", "(a)", "{}", "{s}", "{sv", "{svs}", "{vs}",
		"{(s)v}", "a{a}", "*", "?", "r", "a*", "a{?*}", " s", "s ",
		rep("a", 129) + "y", rep("(", 130) + rep(")", 130), "(" + rep("y", 20000) + ")", rep("(", 1000000),
	}
	for _, s := range invalid {
		if got, err := gvariant.ParseType(s); err == nil {
			t.Errorf("ParseType(%.40q) = %q, want an error", s, got)
		}
	}
}

// More types than are kept must not change what they mean.
func TestManyTypes(t *testing.T) {
	for i := range 2000 {
		typ := gvariant.Type("(" + strings.Repeat("y", i%40) + fmt.Sprintf("%b", i) + ")")
		typ = gvariant.Type(strings.NewReplacer("0", "y", "1", "s").Replace(string(typ)))
		v := gvariant.FromBytes(typ, nil)
		if v.Type() != typ || v.Len() != len(typ)-2 {
			t.Fatalf("FromBytes(%s) has type %s and %d members", typ, v.Type(), v.Len())
		}
	}
}

func TestInvalidTypePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("FromBytes with an invalid type did not panic")
		}
	}()
	gvariant.FromBytes("a*", nil)
}
