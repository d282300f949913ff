package zstdchunked_test

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/treenail/treenail/format/zstdchunked"
	"github.com/vbatts/tar-split/tar/asm"
	"github.com/vbatts/tar-split/tar/storage"
)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sample is a tar with entries of all kinds; bodies are by name.
func sample(t testing.TB) (data []byte, bodies map[string]string) {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	big := make([]byte, 300_000)
	for i := range big {
		big[i] = byte(rand.New(rand.NewPCG(1, uint64(i/7))).Uint32())
	}
	bodies = map[string]string{"usr/bin/sh": "shell", "usr/empty": "", "usr/big": string(big), strings.Repeat("long", 40): "x"}
	for _, h := range []tar.Header{
		{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755},
		{Typeflag: tar.TypeReg, Name: "usr/bin/sh", Mode: 0o755, Uid: 3, PAXRecords: map[string]string{"SCHILY.xattr.user.x": "y\x00"}},
		{Typeflag: tar.TypeReg, Name: "usr/empty", Mode: 0o644},
		{Typeflag: tar.TypeReg, Name: "usr/big", Mode: 0o644, ModTime: time.Unix(1e9, 0)},
		{Typeflag: tar.TypeLink, Name: "usr/link", Linkname: "usr/big"},
		{Typeflag: tar.TypeSymlink, Name: "bin", Linkname: "usr/bin"},
		{Typeflag: tar.TypeReg, Name: strings.Repeat("long", 40), Mode: 0o600},
	} {
		if h.Typeflag == tar.TypeReg {
			h.Size = int64(len(bodies[h.Name]))
		}
		ok(t, w.WriteHeader(&h))
		if h.Typeflag == tar.TypeReg {
			_, err := io.WriteString(w, bodies[h.Name])
			ok(t, err)
		}
	}
	ok(t, w.Close())
	return append(out.Bytes(), make([]byte, 5000)...), bodies // and some blocks more, as some programs write
}

// compress writes data in pieces of so many bytes.
func compress(t testing.TB, data []byte, piece int) ([]byte, map[string]string) {
	t.Helper()
	var out bytes.Buffer
	w, err := zstdchunked.NewWriter(&out, 3)
	ok(t, err)
	for rest := data; len(rest) > 0; {
		n, err := w.Write(rest[:min(piece, len(rest))])
		ok(t, err)
		rest = rest[n:]
	}
	ok(t, w.Close())
	return out.Bytes(), w.Annotations()
}

func unzstd(t testing.TB, data []byte) []byte {
	t.Helper()
	dec, err := zstd.NewReader(nil)
	ok(t, err)
	defer dec.Close()
	plain, err := dec.DecodeAll(data, nil)
	ok(t, err)
	return plain
}

// part is what a position of an annotation means.
func part(t testing.TB, blob []byte, position string) []byte {
	t.Helper()
	var at, size, plain int64
	_, err := fmt.Sscanf(position, "%d:%d:%d", &at, &size, &plain)
	ok(t, err)
	if magic := binary.LittleEndian.Uint32(blob[at-8:]); magic != 0x184d2a50 || int64(binary.LittleEndian.Uint32(blob[at-4:])) != size {
		t.Fatalf("no skippable frame of %d bytes around %s", size, position)
	}
	data := unzstd(t, blob[at:at+size])
	if int64(len(data)) != plain {
		t.Fatalf("%d bytes at %s", len(data), position)
	}
	return data
}

func TestParts(t *testing.T) {
	data, bodies := sample(t)
	blob, annotations := compress(t, data, 1000)
	if !bytes.Equal(unzstd(t, blob), data) {
		t.Error("to a plain reader of zstd it is another tar")
	}
	raw := part(t, blob, annotations[zstdchunked.AnnotationPosition])
	var table struct {
		Version        int
		TarSplitDigest string
		Entries        []struct {
			Type, Name, Linkname, Digest string
			Offset, EndOffset, Size      int64
			UID                          int
			ModTime                      string
			Xattrs                       map[string][]byte
		}
	}
	ok(t, json.Unmarshal(raw, &table))
	if table.Version != 1 || len(table.Entries) != 7 {
		t.Fatalf("table %s", raw)
	}
	if sh := table.Entries[1]; string(sh.Xattrs["user.x"]) != "y\x00" || sh.UID != 3 || sh.ModTime != "1970-01-01T00:00:00Z" {
		t.Errorf("entry %+v", sh)
	}
	for _, e := range table.Entries {
		if e.Type != "reg" || e.Size == 0 {
			if e.Digest != "" || e.Offset != 0 {
				t.Errorf("entry %+v has a place", e)
			}
			continue
		}
		body := string(unzstd(t, blob[e.Offset:e.EndOffset]))
		if body != bodies[e.Name] || e.Digest != fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(body))) {
			t.Errorf("%s: %d bytes, digest %s", e.Name, len(body), e.Digest)
		}
	}
	var again bytes.Buffer
	split := part(t, blob, annotations[zstdchunked.AnnotationTarSplit])
	ok(t, asm.WriteOutputTarStream(files(bodies), storage.NewJSONUnpacker(bytes.NewReader(split)), &again))
	if !bytes.Equal(again.Bytes(), data) {
		t.Error("tar-split and bodies make another tar")
	}
	footer := blob[len(blob)-64:]
	var at, size int64
	fmt.Sscanf(annotations[zstdchunked.AnnotationPosition], "%d:%d", &at, &size)
	if string(footer[56:]) != "GNUlInUx" || int64(binary.LittleEndian.Uint64(footer)) != at || int64(binary.LittleEndian.Uint64(footer[8:])) != size {
		t.Errorf("footer %x", footer)
	}
	if want := fmt.Sprintf("sha256:%x", sha256.Sum256(blob[at:at+size])); annotations[zstdchunked.AnnotationChecksum] != want {
		t.Errorf("annotations %v, want checksum %s", annotations, want)
	}
}

type files map[string]string

func (f files) Get(name string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(f[name])), nil
}

// TestSame: neither writes nor the time zone make a difference.
func TestSame(t *testing.T) {
	data, _ := sample(t)
	want, _ := compress(t, data, len(data))
	local := time.Local
	defer func() { time.Local = local }()
	time.Local = time.FixedZone("Kathmandu", 20700)
	for _, piece := range []int{1, 4096} {
		if got, _ := compress(t, data, piece); !bytes.Equal(got, want) {
			t.Errorf("pieces of %d bytes: another result", piece)
		}
	}
}

func TestBad(t *testing.T) {
	data, _ := sample(t)
	for name, bad := range map[string][]byte{"cut off": data[:2000], "no tar": bytes.Repeat([]byte("x"), 3000)} {
		w, err := zstdchunked.NewWriter(io.Discard, 3)
		ok(t, err)
		w.Write(bad)
		if err := w.Close(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	full := errors.New("full")
	w, err := zstdchunked.NewWriter(failing{full}, 3)
	ok(t, err)
	_, writeErr := w.Write(data)
	if err := w.Close(); !errors.Is(err, full) || writeErr != nil && !errors.Is(writeErr, full) {
		t.Errorf("a writer that fails: %v, %v", writeErr, err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
