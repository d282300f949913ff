package tree

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"io"
	"testing"

	"github.com/klauspost/compress/zstd"
)

// FuzzArchive reads anything as an archive. There is nothing to expect but an
// end, entries that say what they are, and bodies of the promised length.
func FuzzArchive(f *testing.F) {
	for _, seed := range fuzzSeeds(f) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		in, err := decompress(bytes.NewReader(data))
		if err != nil {
			return
		}
		defer in.Close()
		archive, err := openArchive(io.LimitReader(in, 16<<20))
		if err != nil {
			return
		}
		for {
			e, err := archive.next()
			if err != nil {
				return
			}
			if e.path == "" || e.size < 0 {
				t.Fatalf("entry %+v", e)
			}
			n, err := io.Copy(io.Discard, io.LimitReader(archive, 16<<20))
			if n > e.size || err == nil && n < min(e.size, 16<<20) {
				t.Fatalf("entry %+v: body of %d bytes, %v", e, n, err)
			}
		}
	})
}

func fuzzSeeds(f *testing.F) [][]byte {
	var plain, zipped bytes.Buffer
	w := tar.NewWriter(&plain)
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "a", Size: 4, PAXRecords: map[string]string{"SCHILY.xattr.user.x": "1", "LIBARCHIVE.xattr.user.y": "MQ"}},
		{Typeflag: tar.TypeLink, Name: "b", Linkname: "a"},
		{Typeflag: tar.TypeSymlink, Name: "c", Linkname: "a"},
	} {
		if err := w.WriteHeader(&h); err != nil {
			f.Fatal(err)
		}
		w.Write([]byte("body")[:h.Size])
	}
	w.Close()
	z := gzip.NewWriter(&zipped)
	z.Write(plain.Bytes())
	z.Close()
	zs, err := zstd.NewWriter(nil)
	if err != nil {
		f.Fatal(err)
	}
	newc := "070701" + "00000001" + "000081a4" + "00000000" + "00000000" + "00000002" + "00000000" + "00000004" +
		"00000000" + "00000000" + "00000000" + "00000000" + "00000002" + "00000000" + "a\x00body"
	odc := "070707" + "000001" + "000001" + "120777" + "000000" + "000000" + "000002" + "000000" + "00000000000" +
		"000002" + "00000000004" + "a\x00body"
	return [][]byte{
		plain.Bytes(), zipped.Bytes(), zs.EncodeAll(plain.Bytes(), nil), []byte(newc + newc), []byte(odc + odc),
		[]byte("BZh91AY&SY"), []byte("\xfd7zXZ\x00\x00\x04"), nil,
	}
}
