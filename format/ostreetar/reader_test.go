package ostreetar_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/ostreetar"
)

// got is an Item with its body read.
type got struct {
	Name   object.Name
	Data   string
	Header object.FileHeader
	Body   string
}

func readAll(r io.Reader) (items []got, err error) {
	for reader := ostreetar.NewReader(r); ; {
		item, err := reader.Next()
		if err == io.EOF {
			return items, nil
		}
		if err != nil {
			return items, err
		}
		g := got{Name: item.Name, Data: string(item.Data), Header: item.Header}
		if item.Body != nil {
			body, err := io.ReadAll(item.Body)
			if err != nil {
				return items, err
			}
			g.Body = string(body)
		}
		items = append(items, g)
	}
}

func name(t object.Type, first byte) object.Name {
	return object.Name{Checksum: object.Checksum{first}, Type: t}
}

func file(first byte, h object.FileHeader, body string) got {
	return got{Name: name(object.TypeFile, first), Header: h, Body: body}
}

// write puts an item and one link to it into a layer.
func write(w *ostreetar.Writer, g got) error {
	if g.Name.Type.IsMeta() {
		return w.Metadata(g.Name, []byte(g.Data))
	}
	return errors.Join(w.Content(g.Name.Checksum, g.Header, int64(len(g.Body)), strings.NewReader(g.Body)),
		w.Link("usr/"+g.Name.String()))
}

func TestReaderReadsWriter(t *testing.T) {
	link := object.FileHeader{Mode: 0o120777, Target: strings.Repeat("a/./b", 50)}
	odd := object.FileHeader{UID: 1, Mode: 0o120700, Target: "odd"} // as foreign tars have them
	items := []got{
		{Name: name(object.TypeCommit, 1), Data: "commit"},
		{Name: name(object.TypeCommitMeta, 1), Data: "signature"},
		{Name: name(object.TypeDirMeta, 2), Data: "dirmeta"},
		{Name: name(object.TypeDirTree, 3), Data: ""},
		file(4, object.FileHeader{UID: 4294967295, GID: 3000000, Mode: 0o104755, Xattrs: object.Xattrs{
			{Name: "security.selinux", Value: []byte("label\x00")}, {Name: "user.a", Value: []byte{0, '\n', 255}}, {Name: "user.empty", Value: nil}}}, "body"),
		file(5, object.FileHeader{Mode: 0o100000}, ""),
		file(6, object.FileHeader{Mode: 0o100644}, strings.Repeat("x", 300000)),
		{Name: object.Name{Checksum: link.Checksum(nil), Type: object.TypeFile}, Header: link},
		{Name: object.Name{Checksum: odd.Checksum(nil), Type: object.TypeFile}, Header: odd},
	}
	data := layer(t, func(w *ostreetar.Writer) (err error) {
		err = errors.Join(w.Dir("./", 0, 0, 0o755), w.Structure())
		for _, item := range items {
			err = errors.Join(err, write(w, item))
		}
		return err
	})
	read, err := readAll(iotest.OneByteReader(bytes.NewReader(data)))
	ok(t, err)
	if diff := cmp.Diff(items, read); diff != "" {
		t.Error(diff)
	}
}

// entries makes a tar as some other program might.
func entries(t testing.TB, headers ...tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range headers {
		body := h.Uname // where the tables below keep it
		h.Uname = ""
		h.Size = int64(len(body))
		ok(t, w.WriteHeader(&h))
		_, err := w.Write([]byte(body))
		ok(t, err)
	}
	ok(t, w.Close())
	return out.Bytes()
}

const (
	objects = "sysroot/ostree/repo/objects/"
	place   = objects + "00/112233445566778899aabbccddeeff00112233445566778899aabbccddeeff."
	place2  = objects + "ff/112233445566778899aabbccddeeff00112233445566778899aabbccddeeff."
)

func regular(name, body string) tar.Header {
	return tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Uname: body}
}

func link(name, target string) tar.Header {
	return tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target}
}

func TestReaderOldXattrs(t *testing.T) {
	x := object.Xattrs{{Name: "user.foo", Value: []byte("bar")}}
	set := string(x.Encode())
	digest := sha256.Sum256(x.Encode())
	hexSum := hex.EncodeToString(digest[:])
	v0File := regular("./"+place+"file", "hi")
	v0File.Mode = 0o100600
	shared := objects + hexSum[:2] + "/" + hexSum[2:] + ".file-xattrs"
	tests := map[string][]byte{
		"version 0":          entries(t, regular("./sysroot/ostree/repo/xattrs/"+hexSum, set), link("./"+place+"file.xattrs", "./sysroot/ostree/repo/xattrs/"+hexSum), v0File),
		"first of version 0": entries(t, regular("./sysroot/ostree/xattrs/"+hexSum, set), link("./"+place+"file.xattrs", "sysroot/ostree/xattrs/"+hexSum), v0File),
		"version 1, shared":  entries(t, regular(shared, set), link(place+"file-xattrs-link", shared), mode(regular(place+"file", "hi"), 0o600)),
		"version 1":          entries(t, regular(place+"file-xattrs-link", set), mode(regular(place+"file", "hi"), 0o600)),
	}
	want := []got{{Name: object.Name{Checksum: sum(t, regularSum), Type: object.TypeFile}, Header: object.FileHeader{Mode: 0o100600, Xattrs: x}, Body: "hi"}}
	for name, data := range tests {
		read, err := readAll(bytes.NewReader(data))
		if diff := cmp.Diff(want, read); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

func mode(h tar.Header, mode int64) tar.Header { h.Mode = mode; return h }

func typed(name string, typ byte) tar.Header { return tar.Header{Name: name, Typeflag: typ} }

func TestReaderRefuses(t *testing.T) {
	xattrs, content := regular(place+"file-xattrs-link", ""), regular(place+"file", "x")
	commit, meta := regular(place+"commit", "c"), regular(place+"dirmeta", "m")
	owner := content
	owner.Uid = 1 << 33
	symlink := tar.Header{Typeflag: tar.TypeSymlink, Name: place + "file", Linkname: "\xff"}
	tests := []struct {
		name, want string
		entries    []tar.Header
	}{
		{"absolute path", "absolute path", []tar.Header{regular("/etc/passwd", "x")}},
		{"parent", `".." component`, []tar.Header{regular("usr/../../x", "x")}},
		{"parent in objects", `".." component`, []tar.Header{regular(objects+"../../x", "x")}},
		{"not UTF-8", "not UTF-8", []tar.Header{regular("usr/\xff", "x")}},
		{"device", "unsupported entry type '3'", []tar.Header{typed("dev/null", tar.TypeChar)}},
		{"block device", "unsupported entry type '4'", []tar.Header{typed("dev/sda", tar.TypeBlock)}},
		{"fifo", "unsupported entry type '6'", []tar.Header{typed(place+"file", tar.TypeFifo)}},
		{"short name", "not the place of an object", []tar.Header{regular(objects+"00/1122.file", "x")}},
		{"upper case", "invalid character", []tar.Header{regular(objects+"00/"+strings.Repeat("AB", 31)+".file", "x")}},
		{"directory of three", "not the place of an object", []tar.Header{regular(objects+"000/"+strings.Repeat("11", 31)+".file", "x")}},
		{"too deep", "invalid object type", []tar.Header{regular(place+"file/x", "x")}},
		{"unknown type", `invalid object type "filez"`, []tar.Header{regular(place+"filez", "x")}},
		{"tombstone", `invalid object type "tombstone-commit"`, []tar.Header{commit, meta, regular(place+"tombstone-commit", "x")}},
		{"payload link", `invalid object type "payload-link"`, []tar.Header{regular(place+"payload-link", "x")}},
		{"no xattrs", "missing xattrs", []tar.Header{content}},
		{"xattrs of another", "xattrs of object ff1122", []tar.Header{regular(place2+"file-xattrs-link", ""), content}},
		{"dangling xattrs", "without the object", []tar.Header{xattrs}},
		{"xattrs twice", "without the object", []tar.Header{xattrs, xattrs}},
		{"xattrs before metadata", "without the object", []tar.Header{commit, meta, xattrs, meta}},
		{"xattrs not normal", "xattrs", []tar.Header{regular(place+"file-xattrs-link", "\x01\x02\x03"), content}},
		{"huge xattrs", "exceeds 1048576", []tar.Header{regular(place+"file-xattrs-link", strings.Repeat("x", ostreetar.MaxXattrs+1)), content}},
		{"xattrs link astray", "no xattrs at link target", []tar.Header{link(place+"file-xattrs-link", "etc/passwd"), content}},
		{"shared xattrs misnamed", "shared xattrs have checksum", []tar.Header{regular(place+"file-xattrs", "x")}},
		{"same object twice", "duplicate object", []tar.Header{xattrs, content, xattrs, content}},
		{"owner", "out of range", []tar.Header{xattrs, owner}},
		{"mode", "invalid mode", []tar.Header{xattrs, mode(content, 0o10644)}},
		{"directory mode", "invalid mode", []tar.Header{xattrs, mode(content, 0o40644)}},
		{"hard link as object", "neither a regular file nor a symlink", []tar.Header{xattrs, link(place+"file", "etc/passwd")}},
		{"symlink target", "not UTF-8", []tar.Header{xattrs, symlink}},
		{"second commit", "second commit", []tar.Header{commit, meta, commit}},
		{"file after commit", "expected a metadata object", []tar.Header{commit, xattrs, content}},
		{"metadata first", "does not begin with a commit", []tar.Header{meta}},
		{"metadata in component layer", "does not begin with a commit", []tar.Header{xattrs, content, meta}},
		{"commit in component layer", "does not begin with a commit", []tar.Header{xattrs, content, commit}},
		{"detached metadata late", "does not follow its commit", []tar.Header{commit, meta, regular(place+"commitmeta", "")}},
		{"detached metadata of another", "does not follow its commit", []tar.Header{commit, regular(place2+"commitmeta", "")}},
		{"huge metadata", "exceeds 10485760", []tar.Header{commit, regular(place+"dirtree", strings.Repeat("x", ostreetar.MaxMetadata+1))}},
		{"metadata link", "not a regular file", []tar.Header{link(place+"commit", "usr/x")}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := readAll(bytes.NewReader(entries(t, tt.entries...)))
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "entry ") {
				t.Errorf("error %v, want one with %q that names the entry", err, tt.want)
			}
		})
	}
}

func TestReaderIgnores(t *testing.T) {
	data := entries(t,
		regular("usr/bin/x", "body"), link("usr/bin/y", place+"file"), typed("usr/", tar.TypeDir), typed(objects+"nonsense/", tar.TypeDir),
		regular("sysroot/ostree/repo/config", "[core]"), regular("sysroot/ostree/repo/refs/heads/x", "x"),
		tar.Header{Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"comment": "x"}})
	if read, err := readAll(bytes.NewReader(data)); err != nil || len(read) != 0 {
		t.Errorf("%v, %v; want nothing", read, err)
	}
}

// TestReaderHugeSizes: claims of size cost no memory and end in an error.
func TestReaderHugeSizes(t *testing.T) {
	good := entries(t, regular(place+"file-xattrs-link", ""), regular(place+"file", ""))
	for _, size := range []string{"77777777777\x00", "\x80\x00\x00\x00\x7f\xff\xff\xff\xff\xff\xff\xff", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"} {
		data := bytes.Clone(good)
		at := bytes.LastIndex(data, []byte("00000000000\x00")) // the last size or time
		copy(data[bytes.LastIndex(data[:at], []byte("0000000\x00"))/512*512+124:], size)
		resum(data[at/512*512:][:512])
		_, err := readAll(bytes.NewReader(data))
		if err == nil || !strings.Contains(err.Error(), "entry") && !strings.Contains(err.Error(), "object") {
			t.Errorf("size %q: error %v", size, err)
		}
	}
	long := entries(t, regular(strings.Repeat("x", 200), ""))
	copy(long[124:], "40000000000\x00") // a name of 4 GiB
	resum(long[:512])
	if _, err := readAll(bytes.NewReader(long)); err == nil {
		t.Error("a name of 4 GiB was accepted")
	}
}

func resum(h []byte) {
	copy(h[148:], "        ")
	n := 0
	for _, c := range h {
		n += int(c)
	}
	copy(h[148:], fmt.Sprintf("%06o\x00 ", n))
}

// TestReaderLetsTheSourceSpeak: an error after the end of the archive, such as
// a wrong digest, is the reader's error too.
func TestReaderLetsTheSourceSpeak(t *testing.T) {
	data := layer(t, (*ostreetar.Writer).Structure)
	want := errors.New("digest mismatch")
	_, err := readAll(io.MultiReader(bytes.NewReader(data), strings.NewReader("trailing"), iotest.ErrReader(want)))
	if !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

func TestReaderTruncated(t *testing.T) {
	data := layer(t, func(w *ostreetar.Writer) error {
		return errors.Join(write(w, got{Name: name(object.TypeCommit, 1), Data: "commit"}), write(w, got{Name: name(object.TypeDirMeta, 1), Data: "x"}),
			write(w, file(1, object.FileHeader{Mode: 0o100644}, strings.Repeat("x", 1000))))
	})
	for n := range len(data) {
		read, err := readAll(bytes.NewReader(data[:n]))
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%d of %d bytes: error %v, %d objects", n, len(data), err, len(read))
		}
	}
}

func FuzzReader(f *testing.F) {
	x := object.Xattrs{{Name: "user.foo", Value: []byte("bar")}}
	f.Add(layer(f, func(w *ostreetar.Writer) error {
		return errors.Join(w.Dir("./", 0, 0, 0o755), write(w, got{Name: name(object.TypeCommit, 1), Data: "commit"}),
			write(w, got{Name: name(object.TypeDirMeta, 1), Data: "x"}), write(w, file(1, object.FileHeader{Mode: 0o100644, Xattrs: x}, "body")))
	}))
	digest := sha256.Sum256(x.Encode())
	f.Add(entries(f, regular("./sysroot/ostree/repo/xattrs/"+hex.EncodeToString(digest[:]), string(x.Encode())),
		link("./"+place+"file.xattrs", "sysroot/ostree/repo/xattrs/"+hex.EncodeToString(digest[:])), mode(regular(place+"file", "hi"), 0o100600)))
	f.Fuzz(func(t *testing.T, data []byte) {
		items, err := readAll(bytes.NewReader(data))
		if err != nil {
			return
		}
		// What was read can be written, and reads the same.
		again := layer(t, func(w *ostreetar.Writer) (err error) {
			for _, item := range items {
				err = errors.Join(err, write(w, item))
			}
			return err
		})
		reread, err := readAll(bytes.NewReader(again))
		if diff := cmp.Diff(items, reread); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
	})
}

// FuzzWriter: any file and any symlink reads back, for us and for archive/tar.
func FuzzWriter(f *testing.F) {
	f.Add(uint32(0), uint32(0), uint32(0o755), "a/./b", "user.foo", []byte("bar"), "usr/bin/x")
	f.Add(uint32(1<<21), uint32(1<<32-1), uint32(0o7777), strings.Repeat("a//", 40), "security.selinux", []byte("x"), strings.Repeat("dir/", 40)+"ü")
	f.Fuzz(func(t *testing.T, uid, gid, mode uint32, target, xattr string, value []byte, path string) {
		regular := object.FileHeader{UID: uid, GID: gid, Mode: 0o100000 | mode&0o7777, Xattrs: object.Xattrs{{Name: xattr, Value: value}}}
		symlink := object.FileHeader{UID: uid, GID: gid, Mode: 0o120777, Target: target}
		var out bytes.Buffer
		w := ostreetar.NewWriter(&out)
		if errors.Join(w.Content(object.Checksum{1}, regular, int64(len(value)), bytes.NewReader(value)), w.Link(path),
			w.Content(symlink.Checksum(nil), symlink, 0, nil), w.Link(path), w.Close()) != nil {
			t.Skip("not writable")
		}
		want := []got{file(1, regular, string(value)), {Name: object.Name{Checksum: symlink.Checksum(nil), Type: object.TypeFile}, Header: symlink}}
		read, err := readAll(bytes.NewReader(out.Bytes()))
		if diff := cmp.Diff(want, read, cmp.Comparer(func(a, b []byte) bool { return bytes.Equal(a, b) })); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
	})
}
