package keyfile_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/treenail/treenail/format/keyfile"
)

func parse(t *testing.T, text string) *keyfile.File {
	t.Helper()
	f, err := keyfile.Parse([]byte(text))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return f
}

// What GLib 2.74 writes after reading, with comments kept.
func TestBytes(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", ""},
		{"\n", "\n"},
		{"# c\n", "# c\n"},
		{"[a]", "[a]\n"},
		{"[a]\nx=1", "[a]\nx=1\n"},
		{"[a]\r\n\r\nx=1\r\n", "[a]\n\nx=1\n"},
		{"[a]\r\nx=1\r\r\n", "[a]\nx=1\r\n"},
		{"[a]  \nx = 1  \n", "[a]\nx=1  \n"},
		{"  [a]\n  x=1\n", "[a]\nx=1\n"},
		{"[a]\n\tx\t=\t1\t\n", "[a]\nx=1\t\n"},
		{"[a]\nx=\n", "[a]\nx=\n"},
		{"[a]\nx==1=\n", "[a]\nx==1=\n"},
		{"[a]\nx=1\nx=2\n", "[a]\nx=1\nx=2\n"},
		{"[a]\nx=1\n[b]\n", "[a]\nx=1\n\n[b]\n"},
		{"[a]\n\n\n\n[b]\n", "[a]\n\n\n\n[b]\n"},
		{"[a]\nx=1\n[b]\ny=1\n[a]\nz=1\n", "[a]\nx=1\nz=1\n\n[b]\ny=1\n"},
		{"[a]\nx=1\n# c1\n[b]\ny=1\n\n# c2\n[a]\nz=1\n", "[a]\nx=1\n# c1\nz=1\n\n[b]\ny=1\n\n# c2\n"},
		{"[a]\n# c\n#d\n  #e\n\t\n", "[a]\n# c\n#d\n  #e\n\t\n"},
		{"   \n[a]\n   \nx=1\n", "   \n\n[a]\n   \nx=1\n"},
		{"[é]\nü=ö\n", "[é]\nü=ö\n"},
		{"[ a b ]\n x y = 1\n", "[ a b ]\nx y=1\n"},
		{"[a]\n;y=1\n", "[a]\n;y=1\n"},
		{"[a]\nEncoding=utf-8\n[b]\nEncoding=latin1\n", "[a]\nEncoding=utf-8\n\n[b]\nEncoding=latin1\n"},
		{"[a]\nx=\\\n\\=1\n", "[a]\nx=\\\n\\=1\n"},
		{"[a]\nx[de_DE@euro.UTF-8]=1\nx[]=2\nx[é]=3\n", "[a]\nx[de_DE@euro.UTF-8]=1\nx[]=2\nx[é]=3\n"},
	} {
		if got := string(parse(t, test.text).Bytes()); got != test.want {
			t.Errorf("%q is written as %q, want %q", test.text, got, test.want)
		}
	}
}

// GLib puts an empty line between a comment and the group under it. We do not.
func TestCommentAboveGroup(t *testing.T) {
	text := "#top\n[a]\nx=1\n\n\n# about b\n[b]\ny=2\n#end\n"
	f := parse(t, text)
	if got := string(f.Bytes()); got != text {
		t.Errorf("%q is written as %q", text, got)
	}
	f.RemoveGroup("a")
	if got, want := string(f.Bytes()), "#top\n[b]\ny=2\n#end\n"; got != want {
		t.Errorf("without its first group: %q, want %q", got, want)
	}
}

func TestParseError(t *testing.T) {
	const notLine = "Key file contains line “%s” which is not a key-value pair, group, or comment"
	for _, test := range []struct {
		text string
		line int
		want string
	}{
		{"[a] x\n", 1, fmt.Sprintf(notLine, "[a] x")},
		{"#\n\n[a\n", 3, fmt.Sprintf(notLine, "[a")},
		{"[a]b]\n", 1, fmt.Sprintf(notLine, "[a]b]")},
		{"[a]\x0c\n", 1, fmt.Sprintf(notLine, "[a]\x0c")},
		{"\ufeff[a]\n", 1, fmt.Sprintf(notLine, "\ufeff[a]")},
		{"=1\n", 1, fmt.Sprintf(notLine, "=1")},
		{"[a]\n=1\n", 2, fmt.Sprintf(notLine, "=1")},
		{"[a]\n x\n", 2, fmt.Sprintf(notLine, " x")},
		{"[a]\nx\xff\n", 2, fmt.Sprintf(notLine, "x\ufffd")},
		{"[a]\nx=\x00\n", 2, fmt.Sprintf(notLine, "x=\x00")},
		{"[a]\n#x=1\n ;y", 3, fmt.Sprintf(notLine, " ;y")},
		{"[]\n", 1, "Invalid group name: "},
		{"[a[b]\n", 1, "Invalid group name: a[b"},
		{"[a\tb]\n", 1, "Invalid group name: a\tb"},
		{"x=1\n", 1, "Key file does not start with a group"},
		{"[a]\nx[de DE]=1\n", 2, "Invalid key name: x[de DE]"},
		{"[a]\nx[de]y=1\n", 2, "Invalid key name: x[de]y"},
		{"[a]\nx [de]=1\n", 2, "Invalid key name: x [de]"},
		{"[a]\nx]=1\n", 2, "Invalid key name: x]"},
		{"[a]\nx[=1\n", 2, "Invalid key name: x["},
		{"[a]\n[b]=1\n", 2, "Invalid key name: [b]"},
		{"[a]\nEncoding=latin1\n", 2, "Key file contains unsupported encoding “latin1”"},
	} {
		_, err := keyfile.Parse([]byte(test.text))
		var parseErr *keyfile.ParseError
		if !errors.As(err, &parseErr) {
			t.Errorf("%q: error %v, want %s", test.text, err, test.want)
		} else if parseErr.Line != test.line || parseErr.Error() != test.want {
			t.Errorf("%q: line %d: %q, want line %d: %q", test.text, parseErr.Line, parseErr, test.line, test.want)
		}
	}
}

func TestListing(t *testing.T) {
	f := parse(t, "[a]\nx=1\n#y=2\nz=3\nx=4\n[remote \"o\"]\nurl=http://h/?a=b\n[a]\nlast=\n")
	if diff := cmp.Diff([]string{"a", `remote "o"`}, f.Groups()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"x", "z", "last"}, f.Keys("a")); diff != "" {
		t.Error(diff)
	}
	for _, test := range []struct {
		group, key, want string
		ok               bool
	}{
		{"a", "x", "4", true},
		{"a", "last", "", true},
		{`remote "o"`, "url", "http://h/?a=b", true},
		{"a", "y", "", false},
		{"a", "", "", false},
		{"b", "x", "", false},
		{"", "", "", false},
	} {
		got, ok := f.Value(test.group, test.key)
		if got != test.want || ok != test.ok || f.Has(test.group, test.key) != test.ok {
			t.Errorf("Value(%q, %q) = %q, %t, want %q, %t", test.group, test.key, got, ok, test.want, test.ok)
		}
	}
	if keys := f.Keys("b"); keys != nil {
		t.Errorf("Keys of a missing group are %q", keys)
	}
}

func TestSet(t *testing.T) {
	const base = "#top\n[a]\nx=1\n\n# about b\n[b]\ny=2\n"
	for _, test := range []struct{ text, group, key, value, want string }{
		{base, "a", "x", "9", "#top\n[a]\nx=9\n\n# about b\n[b]\ny=2\n"},
		{base, "a", "z", "9", "#top\n[a]\nx=1\nz=9\n\n# about b\n[b]\ny=2\n"},
		{base, "b", "z", " 9\\", "#top\n[a]\nx=1\n\n# about b\n[b]\ny=2\nz= 9\\\n"},
		{base, "c d", "z", "9", base + "\n[c d]\nz=9\n"},
		{"", "c", "z", "9", "[c]\nz=9\n"},
		{"# c\n", "c", "z", "9", "# c\n\n[c]\nz=9\n"},
		{"[a]\n", "c", "z", "9", "[a]\n\n[c]\nz=9\n"},
		{"[a]\nx=1\n\n", "c", "z", "9", "[a]\nx=1\n\n[c]\nz=9\n"},
		{"[a]\nx=1\nx=2\n", "a", "x", "9", "[a]\nx=1\nx=9\n"},
		{"[a]\nx=1\n[b]\n", "a", "k[de]", "", "[a]\nx=1\nk[de]=\n\n[b]\n"},
	} {
		f := parse(t, test.text)
		before := f.Clone()
		if err := f.Set(test.group, test.key, test.value); err != nil {
			t.Errorf("Set(%q, %q, %q): %v", test.group, test.key, test.value, err)
		}
		if got := string(f.Bytes()); got != test.want {
			t.Errorf("%q, Set(%q, %q, %q) = %q, want %q", test.text, test.group, test.key, test.value, got, test.want)
		}
		if got, want := string(before.Bytes()), string(parse(t, test.text).Bytes()); got != want {
			t.Errorf("Set changed a clone from %q to %q", want, got)
		}
	}
}

func TestSetInvalid(t *testing.T) {
	f := keyfile.New()
	for _, test := range []struct{ group, key, value string }{
		{"", "x", "1"}, {"a[b", "x", "1"}, {"a]", "x", "1"}, {"a\n", "x", "1"},
		{"g", "", "1"}, {"g", "a[b", "1"}, {"g", "a]", "1"}, {"g", " a", "1"}, {"g", "a\t", "1"}, {"g", "a=b", "1"},
		{"g", "#a", "1"}, {"g", "a\nb", "1"}, {"g", "a[b c]", "1"}, {"g", "[a]", "1"},
		{"g", "x", "1\n[h]"}, {"g", "x", "\x00"},
	} {
		if err := f.Set(test.group, test.key, test.value); err == nil {
			t.Errorf("Set(%q, %q, %q) is no error", test.group, test.key, test.value)
		}
	}
	if got := f.Bytes(); len(got) > 0 {
		t.Errorf("invalid settings wrote %q", got)
	}
}

func TestRemove(t *testing.T) {
	f := parse(t, "[a]\nx=1\ny=2\nx=3\n\n[b]\ny=2\n")
	if !f.Remove("a", "x") || f.Remove("a", "x") || f.Remove("a", "") || f.Remove("c", "x") || f.Has("a", "x") {
		t.Error("Remove tells wrong")
	}
	if got, want := string(f.Bytes()), "[a]\ny=2\n\n[b]\ny=2\n"; got != want {
		t.Errorf("after Remove: %q, want %q", got, want)
	}
	if !f.RemoveGroup("a") || f.RemoveGroup("a") || f.RemoveGroup("") {
		t.Error("RemoveGroup tells wrong")
	}
	if got, want := string(f.Bytes()), "[b]\ny=2\n"; got != want {
		t.Errorf("after RemoveGroup: %q, want %q", got, want)
	}
	if err := f.Set("a", "n", "1"); err != nil {
		t.Error(err)
	}
	if got, want := string(f.Bytes()), "[b]\ny=2\n\n[a]\nn=1\n"; got != want {
		t.Errorf("after Set: %q, want %q", got, want)
	}
}

// A large file with all keys in groups that repeat must not take quadratic time.
func TestManyGroups(t *testing.T) {
	text := strings.Repeat("[a]\nx=1\n[b]\ny=1\n", 100_000)
	if got := parse(t, text).Groups(); len(got) != 2 {
		t.Errorf("%d groups", len(got))
	}
}

func Example() {
	f, err := keyfile.Parse([]byte("[core]\nmode=bare\n# the mirror\n[remote \"fedora\"]\nurl=https://example.com/repo\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	f.Set("core", "fsync", "false")
	f.SetList(`remote "fedora"`, "branches", []string{"stable", "testing"})
	fmt.Printf("%s", f.Bytes())
	// Output:
	// [core]
	// mode=bare
	// fsync=false
	// # the mirror
	// [remote "fedora"]
	// url=https://example.com/repo
	// branches=stable;testing;
}
