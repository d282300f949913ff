package selinux

import (
	"slices"
	"testing"
)

// TestLiterals: text that an expression asks for is found, so that most paths are
// told apart without it.
func TestLiterals(t *testing.T) {
	for _, c := range []struct {
		pattern, prefix string
		parts           []string
		suffix          string
		literal         bool
	}{
		{"/usr/lib/x", "/usr/lib/x", nil, "", true},
		{`/usr/.*\.so`, "/usr/", nil, ".so", false},
		{`/usr/.*/lib.*\.so(\..*)?`, "/usr/", []string{"/lib", ".so"}, "", false},
		{"/a(b)", "/ab", nil, "", false}, // also /ab and a newline
		{"/a[0-9]+/b", "/a", nil, "/b", false},
		{"/.*", "/", nil, "", false},
	} {
		var p pattern
		if err := p.init(&spec{pattern: c.pattern}); err != nil {
			t.Fatal(err)
		}
		if p.prefix != c.prefix || p.suffix != c.suffix || p.literal != c.literal || !slices.Equal(p.parts, c.parts) {
			t.Errorf("%s: %q %q %q %v", c.pattern, p.prefix, p.parts, p.suffix, p.literal)
		}
	}
}
