package ostreetar_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/ostreetar"
)

func sum(t testing.TB, hex string) object.Checksum {
	t.Helper()
	c, err := object.ParseChecksum(hex)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ok(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// layer returns the bytes that write makes.
func layer(t testing.TB, write func(w *ostreetar.Writer) error) []byte {
	t.Helper()
	var out bytes.Buffer
	w := ostreetar.NewWriter(&out)
	ok(t, write(w), w.Close())
	return out.Bytes()
}

func checkGolden(t *testing.T, data []byte, size int, want string) {
	t.Helper()
	if got := sha256.Sum256(data); len(data) != size || hex.EncodeToString(got[:]) != want {
		t.Errorf("%d bytes, sha256 %x; want %d, %s", len(data), got, size, want)
	}
}

const (
	structureSize = 138240
	regularSum    = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
	symlinkSum    = "ff112233445566778899aabbccddeeff00112233445566778899aabbccddee00"
)

// The digests of these tests were made by running tar-rs, the library that
// ostree-ext writes with.

func TestGoldenStructure(t *testing.T) {
	data := layer(t, (*ostreetar.Writer).Structure)
	checkGolden(t, data, 139264, "12787d84fa137cd5649a9005efe98ec9d05ea46245fdc50aecb7dd007f2035b1")
	checkGolden(t, data[:structureSize], structureSize, "f5b761273f69077fa7c46a36538ea3c849ef6b133e033290f2ae51bddd1204f0")
}

func TestGoldenObjects(t *testing.T) {
	data := layer(t, func(w *ostreetar.Writer) error {
		regular := object.FileHeader{UID: 1, GID: 2, Mode: 0o100755,
			Xattrs: object.Xattrs{{Name: "user.foo", Value: []byte("bar")}}}
		symlink := object.FileHeader{Mode: 0o120777, Target: "../y/z"}
		return errors.Join(w.Structure(),
			w.Content(sum(t, regularSum), regular, 6, strings.NewReader("hello\n")), w.Link("usr/bin/x"),
			w.Content(sum(t, symlinkSum), symlink, 0, nil), w.Link("usr/bin/s"))
	})
	// The run of tar-rs had the PAX record, but an empty file of xattrs.
	xattrs := structureSize + 2*512 // behind the long name
	data = bytes.Join([][]byte{data[:xattrs], ostreetar.EmptyFile(data[xattrs:][:512]), data[xattrs+2*512:]}, nil)
	checkGolden(t, data, 145920, "c1081dd548b417bfd8a59265aeecdefc34cecd7f4f43d537b138ba621fe8f25c")
}

func TestGoldenLongName(t *testing.T) {
	path := "./usr/"
	for i := range 12 {
		path += fmt.Sprintf("dir%06d/", i)
	}
	path += "f"
	data := layer(t, func(w *ostreetar.Writer) error {
		err := errors.Join(w.Dir("./", 0, 0, 0o40755), w.Dir("./usr", 0, 0, 0o755))
		w.File(path, []byte("x"))
		return err
	})
	checkGolden(t, data, 4096, "70a8b546ebff67dc7c8445e913ce0f34f280211c7b54a1a517f0f57f133a0b5b")
}

// rawHeaders lists the headers of a layer, long names and PAX included.
func rawHeaders(data []byte) (headers [][]byte) {
	for at := 0; at < len(data) && data[at+257] != 0; at += 512 {
		h := data[at : at+512]
		headers = append(headers, h)
		size := 0
		for _, c := range h[124:135] {
			size = size*8 + int(c-'0')
		}
		at += (size + 511) / 512 * 512
	}
	return headers
}

func TestStaleNameBytes(t *testing.T) {
	data := layer(t, func(w *ostreetar.Writer) error {
		h := object.FileHeader{Mode: 0o100644}
		return errors.Join(w.Content(sum(t, regularSum), h, 1, strings.NewReader("x")), w.Link("usr/bin/x"), w.Link("usr/y"))
	})
	headers := rawHeaders(data)
	want := map[int]string{
		3: "usr/bin/x\x00tree/repo/objects/00/112233445566778899aabbccddeeff00112233445566778899aabbccddeeff.file\x00\x00",
		4: "usr/y\x00t/ostree/repo/objects/00/112233445566778899aabbccddeeff00112233445566778899aabbccddeeff.file\x00\x00",
	}
	if len(headers) != 5 {
		t.Fatalf("%d headers, want 5: long name, xattrs, object, two links", len(headers))
	}
	for i, name := range want {
		if got := string(headers[i][:100]); got != name {
			t.Errorf("header %d: name field\n%q, want\n%q", i, got, name)
		}
	}
}

func TestNumbersBeyondOctal(t *testing.T) {
	data := layer(t, func(w *ostreetar.Writer) error {
		return errors.Join(w.Dir("a", 2097151, 2097152, 0o755), w.Dir("b", 4294967295, 0, 0o7777))
	})
	tests := []struct {
		at   int
		want string
	}{
		{0, "7777777\x00\x80\x00\x00\x00\x00\x20\x00\x00"},
		{512, "\x80\x00\x00\x00\xff\xff\xff\xff0000000\x00"},
	}
	for _, tt := range tests {
		if got := string(data[tt.at+108 : tt.at+124]); got != tt.want {
			t.Errorf("owner %q, want %q", got, tt.want)
		}
	}
}

func TestEmptyFileIsNoLink(t *testing.T) {
	data := layer(t, func(w *ostreetar.Writer) error {
		h := object.FileHeader{UID: 7, Mode: 0o100600}
		return errors.Join(w.Content(sum(t, regularSum), h, 0, nil), w.Link("usr/empty"))
	})
	headers := rawHeaders(data)
	if got := headers[len(headers)-1]; got[156] != '0' || got[157] != 0 || !bytes.HasPrefix(got, []byte("usr/empty\x00")) {
		t.Errorf("type %q, link name %q, name %.20q", got[156], got[157:170], got)
	}
}

// symlinkTargets are written exactly whatever they look like.
var symlinkTargets = []string{
	"a", "/", "/usr/bin", "../y/z", "a/./b", "./a", "a/.", "a/", "//a", "a//b", ".", "./", "..", "ünï",
	strings.Repeat("x", 100), strings.Repeat("x", 101), strings.Repeat("y/", 60), strings.Repeat("a//", 40),
	"a/./" + strings.Repeat("z", 96), strings.Repeat("a/b", 1365),
}

// TestTarReadsSymlinks compares with GNU tar and with archive/tar.
func TestTarReadsSymlinks(t *testing.T) {
	data := layer(t, func(w *ostreetar.Writer) (err error) {
		for i, target := range symlinkTargets {
			h := object.FileHeader{Mode: 0o120777, Target: target}
			err = errors.Join(err, w.Content(h.Checksum(nil), h, 0, nil), w.Link("links/"+string(rune('a'+i))))
		}
		return err
	})
	dir := t.TempDir()
	cmd := exec.Command("tar", "-x", "-C", dir)
	cmd.Stdin = bytes.NewReader(data)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tar -x: %v\n%s", err, out)
	}
	for i, want := range symlinkTargets {
		got, err := os.Readlink(filepath.Join(dir, "links", string(rune('a'+i))))
		if err != nil || got != want {
			t.Errorf("GNU tar: link %d is %q, want %q (%v)", i, got, want, err)
		}
	}
	var got []string
	for r := tar.NewReader(bytes.NewReader(data)); ; {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		ok(t, err)
		if h.Typeflag == tar.TypeSymlink {
			got = append(got, h.Linkname)
		}
	}
	if strings.Join(got, "\n") != strings.Join(symlinkTargets, "\n") {
		t.Errorf("archive/tar: %q", got)
	}
}

// TestNormalTargetsNeedNoLongLink: for these ostree-ext's bytes are right, so ours
// have to be the same.
func TestNormalTargetsNeedNoLongLink(t *testing.T) {
	for _, target := range []string{"a", "/usr/bin", "../y/z", "./a", "a/", "a//b", strings.Repeat("x", 100)} {
		data := layer(t, func(w *ostreetar.Writer) error {
			return w.Content(sum(t, symlinkSum), object.FileHeader{Mode: 0o120777, Target: target}, 0, nil)
		})
		if h := rawHeaders(data); len(h) != 3 || strings.TrimRight(string(h[2][157:257]), "\x00") != target {
			t.Errorf("target %q: %d headers", target, len(h))
		}
	}
}

func TestWriterErrors(t *testing.T) {
	file := object.FileHeader{Mode: 0o100644}
	c := object.Checksum{1}
	damaged := &object.ChecksumError{Name: object.Name{Checksum: c, Type: object.TypeFile}}
	huge := object.FileHeader{Mode: 0o100644, Xattrs: object.Xattrs{{Name: "user.x", Value: make([]byte, ostreetar.MaxXattrs)}}}
	latin := object.FileHeader{Mode: 0o100644, Xattrs: object.Xattrs{{Name: "user.\xe9"}}}
	tests := []struct {
		name, want string
		write      func(w *ostreetar.Writer) error
	}{
		{"short body", "body of 3 bytes, want 5", func(w *ostreetar.Writer) error { return w.Content(c, file, 5, strings.NewReader("abc")) }},
		{"no body", "body of 0 bytes, want 5", func(w *ostreetar.Writer) error { return w.Content(c, file, 5, nil) }},
		{"long body", "body longer than 2", func(w *ostreetar.Writer) error { return w.Content(c, file, 2, strings.NewReader("abc")) }},
		{"damaged body", "checksum mismatch", func(w *ostreetar.Writer) error {
			return w.Content(c, file, 3, io.MultiReader(strings.NewReader("abc"), iotest.ErrReader(damaged)))
		}},
		{"device", "neither regular file nor symlink", func(w *ostreetar.Writer) error {
			return w.Content(c, object.FileHeader{Mode: 0o020644}, 0, nil)
		}},
		{"huge xattrs", "bytes of xattrs", func(w *ostreetar.Writer) error { return w.Content(c, huge, 0, nil) }},
		{"xattr name", "not UTF-8", func(w *ostreetar.Writer) error { return w.Content(c, latin, 0, nil) }},
		{"huge metadata", "importers take no more", func(w *ostreetar.Writer) error {
			return w.Metadata(object.Name{Checksum: c, Type: object.TypeDirTree}, make([]byte, ostreetar.MaxMetadata+1))
		}},
		{"file as metadata", "not a metadata object", func(w *ostreetar.Writer) error {
			return w.Metadata(object.Name{Checksum: c, Type: object.TypeFile}, nil)
		}},
		{"absolute directory", "absolute", func(w *ostreetar.Writer) error { return w.Dir("/usr", 0, 0, 0o755) }},
		{"directory outside", `".." component`, func(w *ostreetar.Writer) error { return w.Dir("usr/../..", 0, 0, 0o755) }},
		{"link without object", "no content object", func(w *ostreetar.Writer) error { return w.Link("usr/x") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := ostreetar.NewWriter(io.Discard)
			err := tt.write(w)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want one with %q", err, tt.want)
			}
			if again := w.Close(); again == nil {
				t.Error("the error did not stay")
			}
		})
	}
}

func TestMapPath(t *testing.T) {
	for in, want := range map[string]string{
		"usr/etc": "etc", "usr/etc/x": "etc/x", "usr/etcx": "usr/etcx", "etc/x": "etc/x", "usr/bin": "usr/bin", "a/usr/etc": "a/usr/etc",
	} {
		if got := ostreetar.MapPath(in); got != want {
			t.Errorf("MapPath(%q) = %q, want %q", in, got, want)
		}
	}
}
