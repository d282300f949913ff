package object_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func checksum(t *testing.T, s string) object.Checksum {
	t.Helper()
	c, err := object.ParseChecksum(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The vectors in this file were made with libostree's program.

func TestDirMetaVector(t *testing.T) {
	data := object.DirMeta{Mode: 0o40755}.Encode()
	if want := unhex(t, "00000000 00000000 000041ed"); !bytes.Equal(data, want) {
		t.Errorf("bytes %x, want %x", data, want)
	}
	if got := object.Sum(data).String(); got != "446a0ef11b7cc167f3b603e585c7eeeeb675faa412d5ec73f62988eb0b6c5488" {
		t.Errorf("checksum %s", got)
	}
}

func TestEmptyDirTreeVector(t *testing.T) {
	data := (&object.DirTree{}).Encode()
	if got := object.Sum(data).String(); got != "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d" {
		t.Errorf("bytes %x, checksum %s", data, got)
	}
}

func TestFileVectors(t *testing.T) {
	for _, test := range []struct {
		header  object.FileHeader
		body    string
		sum     string
		archive string
	}{
		{
			object.FileHeader{Mode: 0o100644}, "hi\n",
			"fbf7cf77a1b50d9f074cb6e9ef6ddb65b6532ea89e4f4ca1b07a05b4cd1be259",
			"0000001a 00000000 0000000000000003 00000000 00000000 000081a4 00000000 00 19",
		},
		{
			object.FileHeader{Mode: 0o120777, Target: "a"}, "",
			"438802d990f25270d36f902bc9ce9d0737b88f9ae0b41ed59ec9e47c28523e0a",
			"0000001b 00000000 0000000000000000 00000000 00000000 0000a1ff 00000000 6100 1a",
		},
	} {
		if got := test.header.Checksum([]byte(test.body)).String(); got != test.sum {
			t.Errorf("checksum of %q: %s, want %s", test.body, got, test.sum)
		}
		archive := test.header.EncodeArchive(uint64(len(test.body)))
		if want := unhex(t, test.archive); !bytes.Equal(archive, want) {
			t.Errorf("archive header %x, want %x", archive, want)
		}
		h, size, err := object.ReadArchiveHeader(bytes.NewReader(archive))
		if err != nil || size != uint64(len(test.body)) {
			t.Errorf("ReadArchiveHeader: size %d, %v", size, err)
		}
		if diff := cmp.Diff(test.header, h); diff != "" {
			t.Errorf("ReadArchiveHeader: %s", diff)
		}
	}
}

func TestCommitVector(t *testing.T) {
	c := object.Commit{
		Metadata:  gvariant.NewVardict(gvariant.Entry{Key: "ostree.ref-binding", Value: gvariant.NewStrings([]string{"test/vec"})}),
		Subject:   "subj",
		Body:      "body",
		Timestamp: 1700000000,
		Tree:      checksum(t, "07117a01cc836a082b813810e912e5abb25075d695a6c7f8f79b19f3e9178353"),
		Meta:      checksum(t, "446a0ef11b7cc167f3b603e585c7eeeeb675faa412d5ec73f62988eb0b6c5488"),
	}
	data := c.Encode()
	if got := object.Sum(data).String(); got != "947ac605568af6a99f2ff72073da1872c6a2226deabe96497ad1f29f07bedd73" {
		t.Errorf("%d bytes, checksum %s", len(data), got)
	}
	back, err := object.DecodeCommit(data)
	if err != nil {
		t.Fatal(err)
	}
	if back.Subject != c.Subject || back.Timestamp != c.Timestamp || back.Tree != c.Tree || !back.Parent.IsZero() {
		t.Errorf("decoded %+v", back)
	}
	if !bytes.Equal(back.Encode(), data) {
		t.Error("a decoded commit encodes to other bytes")
	}
}

func TestDirTreeRejects(t *testing.T) {
	sum := object.Sum(nil)
	file := func(names ...string) *object.DirTree {
		t := &object.DirTree{}
		for _, n := range names {
			t.Files = append(t.Files, object.FileEntry{Name: n, Checksum: sum})
		}
		return t
	}
	both := file("x")
	both.Dirs = []object.DirEntry{{Name: "x", Tree: sum, Meta: sum}}
	for name, tree := range map[string]*object.DirTree{
		"slash": file("a/b"), "dot": file("."), "dots": file(".."), "empty": file(""),
		"duplicate": file("a", "a"), "both": both,
	} {
		if _, err := object.DecodeDirTree(tree.Encode()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	good := file("b", "a")
	decoded, err := object.DecodeDirTree(good.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(good, decoded, cmp.Transformer("nil", func(d []object.DirEntry) int { return len(d) })); diff != "" {
		t.Error(diff)
	}
}

func TestNames(t *testing.T) {
	c := object.Sum(nil)
	for typ := object.TypeFile; typ <= object.TypeFileXattrsLink; typ++ {
		n := object.Name{Checksum: c, Type: typ}
		if back, err := object.ParseName(n.String()); err != nil || back != n {
			t.Errorf("ParseName(%s) = %v, %v", n, back, err)
		}
		for _, archive := range []bool{true, false} {
			dir, file, _ := strings.Cut(n.LoosePath(archive), "/")
			if back, err := object.ParseLoosePath(dir, file, archive); err != nil || back != n {
				t.Errorf("ParseLoosePath(%s) = %v, %v", n.LoosePath(archive), back, err)
			}
		}
	}
	for _, s := range []string{"", "ab", c.String(), c.String() + ".nope", strings.ToUpper(c.String()) + ".file"} {
		if n, err := object.ParseName(s); err == nil {
			t.Errorf("ParseName(%q) = %s", s, n)
		}
	}
}

// libostree up to 2026.4 stores a label behind other xattrs.
func TestXattrOrderInHeaders(t *testing.T) {
	h := object.FileHeader{Mode: 0o100644, Xattrs: object.Xattrs{{Name: "user.x", Value: []byte("y")}, {Name: "security.selinux", Value: []byte("z\x00")}}}
	archive, _, err := object.ReadArchiveHeader(bytes.NewReader(h.EncodeArchive(1)))
	if err != nil {
		t.Fatal(err)
	}
	user, err := object.DecodeUserMeta(h.EncodeUserMeta())
	if err != nil {
		t.Fatal(err)
	}
	h.Xattrs = h.Xattrs.Canonical()
	for _, got := range []object.FileHeader{archive, user} {
		if diff := cmp.Diff(h, got); diff != "" {
			t.Error(diff)
		}
	}
	h.Xattrs[0].Name = h.Xattrs[1].Name
	if h, _, err := object.ReadArchiveHeader(bytes.NewReader(h.EncodeArchive(1))); err == nil {
		t.Errorf("the same name twice was accepted: %v", h)
	}
}

func TestWithLabel(t *testing.T) {
	with := func(names ...string) (x object.Xattrs) {
		for _, name := range names {
			x = append(x, object.Xattr{Name: name, Value: []byte(name)})
		}
		return x
	}
	for _, c := range []struct{ before, want object.Xattrs }{
		{nil, with("security.selinux")},
		{with("security.selinux"), with("security.selinux")},
		{with("security.ima", "user.a"), with("security.ima", "security.selinux", "user.a")},
	} {
		for i, a := range c.want {
			if a.Name == object.LabelXattr {
				c.want[i].Value = []byte("label\x00")
			}
		}
		before := append(object.Xattrs(nil), c.before...)
		if diff := cmp.Diff(c.want, c.before.WithLabel("label")); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(before, c.before); diff != "" {
			t.Errorf("what is labelled changed itself: %s", diff)
		}
	}
}

func TestXattrsCanonical(t *testing.T) {
	x := object.Xattrs{{Name: "b", Value: []byte("1")}, {Name: "a", Value: []byte("2")}, {Name: "b", Value: []byte("3")}}
	want := object.Xattrs{{Name: "a", Value: []byte("2")}, {Name: "b", Value: []byte("3")}}
	if diff := cmp.Diff(want, x.Canonical()); diff != "" {
		t.Error(diff)
	}
	if _, err := object.DecodeXattrs(x.Encode()); err == nil {
		t.Error("xattrs out of order were accepted")
	}
}

func TestVerifyMetadata(t *testing.T) {
	data := object.DirMeta{Mode: 0o40755}.Encode()
	n := object.Name{Checksum: object.Sum(data), Type: object.TypeDirMeta}
	if err := object.VerifyMetadata(n, data); err != nil {
		t.Error(err)
	}
	data[11] ^= 1
	var mismatch *object.ChecksumError
	if err := object.VerifyMetadata(n, data); !errors.As(err, &mismatch) || mismatch.Name != n {
		t.Errorf("damaged dirmeta: %v", err)
	}
}

func FuzzMetadata(f *testing.F) {
	f.Add(object.DirMeta{Mode: 0o40755, Xattrs: object.Xattrs{{Name: "user.x", Value: []byte("y")}}}.Encode())
	f.Add((&object.DirTree{Files: []object.FileEntry{{Name: "a"}}, Dirs: []object.DirEntry{{Name: "b"}}}).Encode())
	f.Add((&object.Commit{Subject: "s", Body: "b"}).Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := object.DecodeDirMeta(data); err == nil && !bytes.Equal(m.Encode(), data) {
			t.Errorf("dirmeta %x encodes to %x", data, m.Encode())
		}
		if d, err := object.DecodeDirTree(data); err == nil && !bytes.Equal(d.Encode(), data) {
			t.Errorf("dirtree %x encodes to %x", data, d.Encode())
		}
		object.DecodeCommit(data)
		object.DecodeUserMeta(data)
		object.DecodeXattrs(data)
	})
}

func FuzzReadArchiveHeader(f *testing.F) {
	h := object.FileHeader{Mode: 0o100755, UID: 1, Xattrs: object.Xattrs{{Name: "user.x", Value: []byte("y")}}}
	f.Add(h.EncodeArchive(5))
	f.Add([]byte("\xff\xff\xff\xff\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		h, size, err := object.ReadArchiveHeader(r)
		if err != nil {
			return
		}
		rest, _ := io.ReadAll(r)
		in := bytes.NewReader(append(h.EncodeArchive(size), rest...))
		again, sizeAgain, err := object.ReadArchiveHeader(in) // the same, but for the order of xattrs
		if err != nil || sizeAgain != size || in.Len() != len(rest) || !cmp.Equal(again, h) {
			t.Errorf("header %x is read as %v, and that as %v, %v", data, h, again, err)
		}
	})
}
