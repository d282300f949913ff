package oci_test

import (
	"bytes"
	"io"
	"runtime"
	"slices"
	"testing"

	stdtar "archive/tar"

	"github.com/treenail/treenail/oci"
)

// tarOf is a tar of one file, which zstd:chunked wants.
func tarOf(t *testing.T, body []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := stdtar.NewWriter(&out)
	if err := w.WriteHeader(&stdtar.Header{Typeflag: stdtar.TypeReg, Name: "file", Mode: 0o644, Size: int64(len(body))}); err != nil {
		t.Fatal(err)
	}
	w.Write(body)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestCompressionGolden pins what the other compressors write, as the test of gzip
// does: on any number of cores, with writes of any size, in parallel.
func TestCompressionGolden(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	data := tarOf(t, sample(5<<20+12345, 1))
	for _, c := range []struct {
		oci.Compression
		mediaType string
		want      oci.Digest
	}{
		{oci.Compression{Format: oci.Zstd}, oci.MediaTypeLayerZstd, "sha256:24580e3a86210ecbaf6e69c79d82470d5216c4bd1e00789fc7219eef9452a0c2"},
		{oci.Compression{Format: oci.Zstd, Level: 9}, oci.MediaTypeLayerZstd, "sha256:b1b9044f8153162dae6f2ee9dda68d17719e4690d6352cd1d36d2643adf77fa5"},
		{oci.Compression{Format: oci.ZstdChunked}, oci.MediaTypeLayerZstd, "sha256:91def780c179c0941dc8947e67d0d2b2df390db9d441e47d42782fc055f81b4f"},
		{oci.Compression{Format: oci.Uncompressed}, oci.MediaTypeLayer, oci.Sum(data)},
	} {
		if got := c.MediaType(); got != c.mediaType {
			t.Errorf("%s: media type %s", c.Format, got)
		}
		for _, cores := range []int{1, 4} {
			runtime.GOMAXPROCS(cores)
			for _, size := range []int{7777, len(data)} {
				var out bytes.Buffer
				w := oci.NewLayerWriter(&out, c.Compression)
				for chunk := range slices.Chunk(data, size) {
					if _, err := w.Write(chunk); err != nil {
						t.Fatal(err)
					}
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				if got := oci.Sum(out.Bytes()); got != c.want {
					t.Errorf("%s level %d, %d cores, writes of %d: digest is %s, want %s", c.Format, c.Level, cores, size, got, c.want)
				}
				if chunked := len(w.Annotations()) == 3; chunked != (c.Format == oci.ZstdChunked) {
					t.Errorf("%s: annotations %v", c.Format, w.Annotations())
				}
				if w.DiffID() != oci.DiffID(oci.Sum(data)) || w.Compressed() != int64(out.Len()) {
					t.Errorf("%s: diffID %s, %d bytes", c.Format, w.DiffID(), w.Compressed())
				}
			}
		}
	}
}

func TestCompressionRefused(t *testing.T) {
	for want, c := range map[string]oci.Compression{
		`layer writer: compression "lzma" is not one of gzip, zstd, zstd:chunked, none`: {Format: "lzma"},
		"layer writer: zstd level 23 is not between 1 and 22":                           {Format: oci.Zstd, Level: 23},
		"layer writer: gzip level -1 is not between 1 and 9":                            {Level: -1},
		"layer writer: without compression there is no level of it":                     {Format: oci.Uncompressed, Level: 1},
	} {
		w := oci.NewLayerWriter(io.Discard, c)
		if _, err := w.Write([]byte("x")); err == nil || err.Error() != want {
			t.Errorf("%+v: %v, want %s", c, err, want)
		}
		if err := w.Close(); err == nil {
			t.Errorf("%+v: Close has no error", c)
		}
	}
}
