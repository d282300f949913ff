package tarsplit_test

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/treenail/treenail/format/tarsplit"
)

// archive is a tar with bodies of the sizes, and where they begin.
func archive(t testing.TB, sizes ...int) (data []byte, bodies [][]byte) {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for i, size := range sizes {
		body := bytes.Repeat([]byte{byte('a' + i)}, size)
		if err := w.WriteHeader(&tar.Header{Name: fmt.Sprintf("f%d\xff", i%3), Mode: 0o644, Size: int64(size), Format: tar.FormatGNU}); err != nil {
			t.Fatal(err)
		}
		w.Write(body)
		bodies = append(bodies, body)
	}
	w.Close()
	return append(out.Bytes(), "trailing junk"...), bodies
}

// record reads the tar as a reader of layers does.
func record(t testing.TB, data []byte, chunk int) []byte {
	t.Helper()
	var pieces bytes.Buffer
	rec := tarsplit.NewRecorder(&pieces)
	in := io.TeeReader(&slow{data, chunk}, rec)
	r := tar.NewReader(in)
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		rec.Payload(h.Name, h.Size)
	}
	io.Copy(io.Discard, in)
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	return pieces.Bytes()
}

type slow struct {
	data  []byte
	chunk int
}

func (s *slow) Read(p []byte) (int, error) {
	if len(s.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), s.chunk)], s.data)
	s.data = s.data[n:]
	return n, nil
}

func TestRoundTrip(t *testing.T) {
	data, bodies := archive(t, 0, 1, 511, 512, 513, 100_000, 0, 7)
	for _, chunk := range []int{1, 100, 512, 1 << 20} {
		pieces := record(t, data, chunk)
		if len(pieces) > 30_000 {
			t.Errorf("%d bytes of pieces: bodies are in them", len(pieces))
		}
		i := 0
		var out bytes.Buffer
		err := tarsplit.Assemble(&out, bytes.NewReader(pieces), func(_ string, size int64) (io.ReadCloser, error) {
			for len(bodies[i]) == 0 {
				i++
			}
			i++
			return io.NopCloser(bytes.NewReader(bodies[i-1])), nil
		})
		if err != nil || !bytes.Equal(out.Bytes(), data) {
			t.Errorf("chunks of %d: %v", chunk, err)
		}
		i = 0
	}
}

func TestAssembleBad(t *testing.T) {
	data, _ := archive(t, 5)
	good := string(record(t, data, 512))
	for _, c := range []struct{ name, pieces, body, err string }{
		{"wrong body", good, "aaaab", "not the body"},
		{"short body", good, "aaaa", "not the body"},
		{"no JSON", "hello\n", "aaaaa", "pieces of a tar"},
		{"unknown type", `{"type":7}` + "\n", "aaaaa", "unknown type"},
	} {
		err := tarsplit.Assemble(io.Discard, strings.NewReader(c.pieces), func(string, int64) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader(c.body)), nil
		})
		if err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestRecorderMisuse(t *testing.T) {
	rec := tarsplit.NewRecorder(io.Discard)
	rec.Payload("a", 10)
	rec.Write([]byte("abc"))
	if err := rec.Close(); err == nil {
		t.Error("a body that ends too early is no error")
	}
}

func FuzzAssemble(f *testing.F) {
	data, _ := archive(f, 5, 600)
	f.Add(record(f, data, 512))
	f.Fuzz(func(t *testing.T, pieces []byte) {
		tarsplit.Assemble(io.Discard, bytes.NewReader(pieces), func(string, int64) (io.ReadCloser, error) {
			return io.NopCloser(strings.NewReader("body")), nil
		})
	})
}
