package composefs_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/format/composefs"
	"github.com/treenail/treenail/format/object"
)

// TestDump shows each field in the form that composefs-info has for it.
func TestDump(t *testing.T) {
	a := &composefs.Node{Name: "a b", Mode: 0o100644, UID: 1, GID: 2, Nlink: 2, Size: 4, Seconds: -3, Nanoseconds: 7,
		Payload: "ab/c=d", Digest: new([32]byte), Xattrs: object.Xattrs{{Name: "user.=", Value: []byte("-=\xff\n")}}}
	root := &composefs.Node{Mode: 0o40755, Children: []*composefs.Node{
		{Name: "z", Link: a},
		{Name: "d", Mode: 0o42755, Nlink: 2, Children: []*composefs.Node{{Name: "s", Mode: 0o120777, Payload: "-"}, a}},
		{Name: "c", Mode: 0o20644, Rdev: 259},
		{Name: "i\\\t\r", Mode: 0o100600, Size: 1, Content: []byte("-")},
	}}
	want := `/ 0 40755 1 0 0 0 0.0 - - -
/c 0 20644 1 0 0 259 0.0 - - -
/d 0 42755 2 0 0 0 0.0 - - -
/d/a\x20b 4 100644 2 1 2 0 -3.7 ab/c=d - 0000000000000000000000000000000000000000000000000000000000000000 user.\x3d=-\x3d\xff\n
/d/s 1 120777 1 0 0 0 0.0 \x2d - -
/i\\\t\r 1 100600 1 0 0 0 0.0 - \x2d -
/z 4 @100644 2 1 2 0 -3.7 /d/a\x20b - 0000000000000000000000000000000000000000000000000000000000000000 user.\x3d=-\x3d\xff\n
`
	if diff := cmp.Diff(want, dump(root)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want, dump(parse(t, want))); diff != "" {
		t.Error(diff)
	}
	stray := &composefs.Node{Mode: 0o40755, Children: []*composefs.Node{{Name: "x", Link: a}}}
	if err := composefs.WriteDump(&bytes.Buffer{}, stray); err == nil {
		t.Error("a dump of a link to nowhere")
	}
}

func TestRoundTrip(t *testing.T) {
	for seed := range uint64(10) {
		root := randomTree(seed)
		text := dump(root)
		again := parse(t, text)
		if diff := cmp.Diff(strings.Split(text, "\n"), strings.Split(dump(again), "\n")); diff != "" {
			t.Errorf("seed %d: %s", seed, diff)
		}
		if digestOf(t, root) != digestOf(t, again) {
			t.Errorf("seed %d: the tree that was read has another image", seed)
		}
	}
}

// TestParse shows what may be written in several ways.
func TestParse(t *testing.T) {
	text := rootLine + "/b x @644 - - - - - /c junk junk and more\n/c what @100644 1 0 0 0 0.0 /a - -\n" +
		`/a 1 100644 1 0 0 0 0.0 \x2d \n - user.b=\x41 user.a=1 user.b=2 `
	a := "/%s 1 %s100644 1 0 0 0 0.0 %s \\n - user.a=1 user.b=2\n"
	want := strings.Replace(rootLine, "755 2", "755 2", 1) +
		strings.NewReplacer("%s 1 %s", "a 1 ", "%s", `\x2d`).Replace(a) +
		strings.NewReplacer("%s 1 %s", "b 1 @", "%s", "/a").Replace(a) +
		strings.NewReplacer("%s 1 %s", "c 1 @", "%s", "/a").Replace(a)
	if diff := cmp.Diff(want, dump(parse(t, text))); diff != "" {
		t.Error(diff)
	}
}

func TestParseRefuses(t *testing.T) {
	line := func(path, mode string) string { return rootLine + path + " 0 " + mode + " 1 0 0 0 0.0 - - -\n" }
	for _, c := range []struct{ err, text string }{
		{"no root directory", ""},
		{"line 1: 1 fields instead of 11", "\n"},
		{"line 2: 10 fields instead of 11", rootLine + "/a 0 100644 1 0 0 0 0.0 - -"},
		{"line 1: path /: no directory", "/ 0 100644 1 0 0 0 0.0 - - -\n"},
		{"line 1: path /: no directory", "/ 0 @100644 1 0 0 0 0.0 / - -\n"},
		{"line 1: path /a: its directory is not there", "/a 0 40755 1 0 0 0 0.0 - - -\n"},
		{"line 2: path /: there twice", rootLine + rootLine},
		{"line 3: path /a: there twice", line("/a", "100644") + "/a 0 40755 1 0 0 0 0.0 - - -\n"},
		{"line 3: path /a/b: its directory is not there", line("/a", "100644") + "/a/b 0 40755 1 0 0 0 0.0 - - -\n"},
		{"line 2: path a: not an absolute path", line("a", "100644")},
		{`line 2: path //: invalid name ""`, line("//", "100644")},
		{`line 2: path /..: invalid name ".."`, line("/..", "100644")},
		{`has a slash or NUL`, line(`/a\x00`, "100644")},
		{"line 2: NUL character", line("/a\x00", "100644")},
		{`line 2: path /a: invalid number "9"`, line("/a", "9")},
		{`line 2: path /a: invalid number "63340777"`, line("/a", "63340777")},
		{"line 2: path /a: invalid mode 644", line("/a", "644")},
		{"line 2: path /a: symlink without a target", line("/a", "120777")},
		{"line 2: path /a: hard link to a directory", line("/a", "@40755")},
		{`hard link a: no file ""`, line("/a", "@100644")},
		{`hard link a: no file "/b"`, rootLine + "/a 0 @100644 1 0 0 0 0.0 /b - -\n"},
		{"hard link a leads to no file", rootLine + "/a 0 @100644 1 0 0 0 0.0 /a - -\n"},
		{"hard link a leads to no file", rootLine + "/a 0 @100644 1 0 0 0 0.0 / - -\n"},
		{"hard link a leads to no file", rootLine + "/a 0 @100644 1 0 0 0 0.0 /b - -\n/b 0 @100644 1 0 0 0 0.0 /a - -\n"},
		{`invalid number "-1"`, rootLine + "/a -1 100644 1 0 0 0 0.0 - - -\n"},
		{`invalid number "4294967296"`, rootLine + "/a 0 100644 1 4294967296 0 0 0.0 - - -\n"},
		{`invalid time ".0"`, rootLine + "/a 0 100644 1 0 0 0 .0 - - -\n"},
		{`invalid number ""`, rootLine + "/a 0 100644 1 0 0 0 0 - - -\n"},
		{"content of 2 bytes for a file of 1", rootLine + "/a 1 100644 1 0 0 0 0.0 - ab -\n"},
		{"invalid digest", rootLine + "/a 1 100644 1 0 0 0 0.0 - - abcd\n"},
		{"invalid digest", rootLine + "/a 1 100644 1 0 0 0 0.0 - - " + strings.Repeat("g", 64) + "\n"},
		{`no = in xattr "x"`, rootLine + "/a 1 100644 1 0 0 0 0.0 - - - x\n"},
		{`no = in xattr ""`, rootLine + "/a 1 100644 1 0 0 0 0.0 - - - a=1  b=2\n"},
		{"invalid xattr name", rootLine + "/a 1 100644 1 0 0 0 0.0 - - - =1\n"},
		{"xattrs of 32768 bytes exceed", rootLine + "/a 1 100644 1 0 0 0 0.0 - - - a=" + strings.Repeat("1", 32748) + "\n"},
		{"longer than 65536 bytes", rootLine + strings.Repeat("/", 65537) + " 0 100644 1 0 0 0 0.0 - - -\n"},
		{"line 2 is longer than", rootLine + strings.Repeat("1", 600_000) + "\n"},
		{"nothing behind a backslash", line(`/a\`, "100644")},
		{`unknown escape "\\q"`, line(`/a\q`, "100644")},
		{`unknown escape "\\x1"`, line(`/a\x1`, "100644")},
		{`unknown escape "\\x1g"`, line(`/a\x1g`, "100644")},
	} {
		_, err := composefs.ParseDump(strings.NewReader(c.text))
		if err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%.80q: %v, want %s", c.text, err, c.err)
		}
	}
}

// FuzzParseDump wants of every text that is a tree: its dump is that tree, and its
// image can be made, or there is an error for what no image can hold.
func FuzzParseDump(f *testing.F) {
	f.Add([]byte(rootLine))
	for seed := range uint64(3) {
		if text := dump(randomTree(seed)); len(text) < 10_000 {
			f.Add([]byte(text))
		}
	}
	f.Add([]byte(rootLine + "/a 3 100644 1 0 0 0 0.0 - a\\x00b - user.a=\\x00\n/d 0 40755 1 0 0 0 0.0 - - -\n/d/b 0 @100644 1 0 0 0 0.0 /a - -"))
	f.Fuzz(func(t *testing.T, data []byte) {
		root, err := composefs.ParseDump(bytes.NewReader(data))
		if err != nil {
			return
		}
		text := dump(root)
		again, err := composefs.ParseDump(strings.NewReader(text))
		if err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if diff := cmp.Diff(text, dump(again)); diff != "" {
			t.Fatal(diff)
		}
		var a, b bytes.Buffer
		_, errA := composefs.Write(&a, root)
		_, errB := composefs.Write(&b, again)
		if (errA == nil) != (errB == nil) || !bytes.Equal(a.Bytes(), b.Bytes()) || errA == nil && a.Len()%4096 != 0 {
			t.Fatalf("images of %d and %d bytes, %v and %v", a.Len(), b.Len(), errA, errB)
		}
	})
}
