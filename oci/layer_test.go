package oci_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/treenail/treenail/oci"
)

// sample returns n bytes that compress to about a third, from a seed.
func sample(n int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	data := make([]byte, 0, n+64)
	for len(data) < n {
		start := r.IntN(len(data) + 1)
		if r.IntN(3) > 0 && len(data)-start > 40 {
			data = append(data, data[start:start+40]...)
			continue
		}
		data = append(data, byte(r.Uint32()), byte(r.Uint32()), byte(r.IntN(16)))
	}
	return data[:n]
}

// write compresses data with writes of the given size.
func write(t *testing.T, data []byte, level, size int) (*oci.LayerWriter, []byte) {
	t.Helper()
	var out bytes.Buffer
	w := oci.NewLayerWriter(&out, oci.Compression{Level: level})
	for chunk := range slices.Chunk(data, size) {
		if n, err := w.Write(chunk); err != nil || n != len(chunk) {
			t.Fatal(n, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w, out.Bytes()
}

// TestLayerWriterGolden pins the compressor's output, which is part of every
// image's digest. A change here changes the digest of all images.
func TestLayerWriterGolden(t *testing.T) {
	data := sample(5<<20+12345, 1)
	if got := oci.Sum(data); got != "sha256:df12a06add8c34f02ed2967aa53bdd4ef40e63cd6a5d382bc80ecc2a76a8cfdf" {
		t.Fatalf("the sample itself changed: %s", got)
	}
	for level, want := range map[int]oci.Digest{
		1: "sha256:787ba189a24001ca0e183d0f2c80711c7c72f741d8b99047b1f490e26191abd2",
		6: "sha256:ccfeaeeb0b76ecbd8095ca2e5f4e000dea52801cd4e75685fcbee54eb7f5c59b",
		9: "sha256:9fc07ffa6bc24bbd12a1623442fc323c34950b983de18d4bc0b92319e47e245a",
	} {
		w, out := write(t, data, level, 1<<16)
		if got := oci.Sum(out); got != want {
			t.Errorf("level %d: digest is %s, want %s", level, got, want)
		}
		if got := w.DiffID(); got != oci.DiffID(oci.Sum(data)) {
			t.Errorf("diffID is %s", got)
		}
		if w.Uncompressed() != int64(len(data)) || w.Compressed() != int64(len(out)) {
			t.Errorf("sizes are %d and %d, want %d and %d", w.Uncompressed(), w.Compressed(), len(data), len(out))
		}
		zip, err := gzip.NewReader(bytes.NewReader(out))
		if err != nil {
			t.Fatal(err)
		}
		if back, err := io.ReadAll(zip); err != nil || !bytes.Equal(back, data) {
			t.Errorf("level %d: gzip reads something else (%v)", level, err)
		}
	}
	_, byDefault := write(t, data, 0, 1<<20)
	if _, out := write(t, data, 6, 1<<20); !bytes.Equal(out, byDefault) {
		t.Error("the default level is not 6")
	}
	if _, out := write(t, nil, 6, 1); len(out) == 0 || !bytes.HasPrefix(out, []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff}) {
		t.Errorf("empty layer is %x", out)
	}
}

func TestLayerWriterIsIndependentOfCoresAndWrites(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	data := sample(2<<20+7, 2)
	_, want := write(t, data, 6, 1<<20)
	for _, cores := range []int{1, 2, 8} {
		runtime.GOMAXPROCS(cores)
		for _, size := range []int{7777, 1<<20 + 1, len(data)} {
			if _, got := write(t, data, 6, size); !bytes.Equal(got, want) {
				t.Errorf("%d cores, writes of %d: other bytes", cores, size)
			}
		}
	}
}

func TestLayerWritersInParallel(t *testing.T) {
	data := sample(2<<20, 3)
	_, want := write(t, data, 6, len(data))
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			var out bytes.Buffer
			w := oci.NewLayerWriter(&out, oci.Compression{})
			w.Write(data)
			if err := w.Close(); err != nil || !bytes.Equal(out.Bytes(), want) {
				t.Errorf("other bytes (%v)", err)
			}
		})
	}
	group.Wait()
}

type failingWriter struct{ room int }

var errFull = errors.New("disk full")

func (w *failingWriter) Write(p []byte) (int, error) {
	if w.room -= len(p); w.room < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestLayerWriterErrors(t *testing.T) {
	before := runtime.NumGoroutine()
	data := sample(4<<20, 4)
	for _, room := range []int{0, 10, 1 << 20} {
		w := oci.NewLayerWriter(&failingWriter{room}, oci.Compression{})
		w.Write(data)
		for range 2 {
			if err := w.Close(); !errors.Is(err, errFull) {
				t.Errorf("room for %d: error is %v", room, err)
			}
		}
		if _, err := w.Write(data); !errors.Is(err, errFull) {
			t.Errorf("room for %d: error of Write is %v", room, err)
		}
	}
	for range 100 { // a goroutine is counted until it has quite ended
		if runtime.NumGoroutine() <= before {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if after := runtime.NumGoroutine(); after > before {
		t.Errorf("%d goroutines are left", after-before)
	}
	w := oci.NewLayerWriter(io.Discard, oci.Compression{Level: 10})
	_, err := w.Write(data)
	checkError(t, err, "layer writer: gzip level 10 is not between 1 and 9")
	checkError(t, w.Close(), "layer writer: gzip level 10 is not between 1 and 9")

	w = oci.NewLayerWriter(io.Discard, oci.Compression{})
	checkError(t, w.Close(), "")
	checkError(t, w.Close(), "")
	_, err = w.Write(data)
	checkError(t, err, "layer writer: closed")
}

func gzipped(data []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	w.Write(data)
	w.Close()
	return out.Bytes()
}

func zstded(data []byte) []byte {
	w, _ := zstd.NewWriter(nil)
	return w.EncodeAll(data, nil)
}

// skippable is a zstd frame that decoders must pass over.
var skippable = []byte{0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c'}

func readLayer(t *testing.T, mediaType string, blob []byte, diffID oci.DiffID) ([]byte, error) {
	t.Helper()
	src := new(fakeSource)
	layer, err := oci.OpenLayer(t.Context(), src, src.put(mediaType, blob), diffID)
	if err != nil {
		return nil, err
	}
	defer layer.Close()
	return io.ReadAll(layer)
}

func TestOpenLayer(t *testing.T) {
	data := sample(300_000, 5)
	a, b := data[:100_000], data[100_000:]
	tests := []struct {
		name, mediaType string
		blob            []byte
	}{
		{"tar", oci.MediaTypeLayer, data},
		{"docker tar", oci.MediaTypeDockerLayer, data},
		{"gzip", oci.MediaTypeLayerGzip, gzipped(data)},
		{"docker gzip", oci.MediaTypeDockerLayerGzip, gzipped(data)},
		{"gzip of several members", oci.MediaTypeLayerGzip, slices.Concat(gzipped(a), gzipped(nil), gzipped(b))},
		{"gzip with padding", oci.MediaTypeLayerGzip, slices.Concat(gzipped(data), make([]byte, 100_000))},
		{"gzip with one more byte", oci.MediaTypeLayerGzip, append(gzipped(data), 0x1f)},
		{"zstd", oci.MediaTypeLayerZstd, zstded(data)},
		{"docker zstd", oci.MediaTypeDockerLayerZstd, zstded(data)},
		{"zstd of several frames", oci.MediaTypeLayerZstd, slices.Concat(skippable, zstded(a), skippable, zstded(b), skippable)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := readLayer(t, test.mediaType, test.blob, oci.DiffID(oci.Sum(data)))
			if err != nil || !bytes.Equal(got, data) {
				t.Errorf("read %d bytes, %v", len(got), err)
			}
			_, err = readLayer(t, test.mediaType, test.blob, digestA)
			var mismatch *oci.DigestError
			if !errors.As(err, &mismatch) || mismatch.What != "diffID" || mismatch.Got != string(oci.Sum(data)) {
				t.Errorf("wrong diffID: error is %v", err)
			}
		})
	}
}

func TestOpenLayerUnhandledType(t *testing.T) {
	_, err := readLayer(t, oci.MediaTypeLayerGzip+"+encrypted", nil, digestA)
	checkError(t, err, "fake: unhandled layer type: application/vnd.oci.image.layer.v1.tar+gzip+encrypted")
}

func TestOpenLayerDamaged(t *testing.T) {
	data := sample(200_000, 6)
	for mediaType, blob := range map[string][]byte{
		oci.MediaTypeLayer: data, oci.MediaTypeLayerGzip: gzipped(data), oci.MediaTypeLayerZstd: zstded(data),
	} {
		flipped := bytes.Clone(blob)
		flipped[len(blob)/2] ^= 0x40
		for name, test := range map[string]struct {
			bytes []byte
			want  string
		}{
			"flipped": {flipped, "digest is " + string(oci.Sum(flipped)) + ", expected " + string(oci.Sum(blob))},
			"cut":     {blob[:len(blob)/2], fmt.Sprintf("size is %d, expected %d", len(blob)/2, len(blob))},
			"empty":   {nil, fmt.Sprintf("size is 0, expected %d", len(blob))},
			"longer":  {append(bytes.Clone(blob), 0), fmt.Sprintf("size is more, expected %d", len(blob))},
			"other":   {gzipped([]byte("x")), fmt.Sprintf("size is %d, expected %d", len(gzipped([]byte("x"))), len(blob))},
		} {
			src := new(fakeSource)
			d := src.put(mediaType, blob)
			src.blobs[d.Digest] = test.bytes
			layer, err := oci.OpenLayer(t.Context(), src, d, oci.DiffID(oci.Sum(data)))
			if err != nil {
				t.Fatal(err)
			}
			_, err = io.Copy(io.Discard, layer)
			layer.Close()
			t.Run(mediaType+" "+name, func(t *testing.T) {
				checkError(t, err, "fake: blob "+string(d.Digest)+": wrong content: "+test.want)
			})
		}
	}
}

func TestOpenLayerNotCompressed(t *testing.T) {
	for mediaType, want := range map[string]string{
		oci.MediaTypeLayerGzip: "decompress: gzip: invalid header",
		oci.MediaTypeLayerZstd: "decompress: invalid input: magic number mismatch",
	} {
		_, err := readLayer(t, mediaType, []byte("this is neither gzip nor zstd"), digestA)
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: error is %v", mediaType, err)
		}
	}
	_, err := readLayer(t, oci.MediaTypeLayerGzip, nil, digestA)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("empty gzip: error is %v", err)
	}
}

func TestOpenLayerBoundsZstdWindow(t *testing.T) {
	// A frame header that asks for a window of 1 TiB, then one empty block.
	frame := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 30 << 3, 1, 0, 0}
	_, err := readLayer(t, oci.MediaTypeLayerZstd, frame, digestA)
	if !errors.Is(err, zstd.ErrWindowSizeExceeded) {
		t.Errorf("error is %v", err)
	}
}

// TestOpenLayerStreams reads the first bytes of a layer that would expand to
// 256 MiB.
func TestOpenLayerStreams(t *testing.T) {
	var bomb bytes.Buffer
	w := oci.NewLayerWriter(&bomb, oci.Compression{Level: 1})
	zeros := make([]byte, 1<<20)
	for range 256 {
		w.Write(zeros)
	}
	w.Close()
	src := new(fakeSource)
	layer, err := oci.OpenLayer(t.Context(), src, src.put(oci.MediaTypeLayerGzip, bomb.Bytes()), w.DiffID())
	if err != nil {
		t.Fatal(err)
	}
	defer layer.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if n, err := io.Copy(io.Discard, io.LimitReader(layer, 64<<20)); n != 64<<20 || err != nil {
		t.Fatal(n, err)
	}
	runtime.ReadMemStats(&after)
	if taken := after.TotalAlloc - before.TotalAlloc; taken > 8<<20 {
		t.Errorf("reading 64 MiB took %d bytes of memory", taken)
	}
}

func FuzzOpenLayer(f *testing.F) {
	data := sample(2000, 7)
	types := []string{oci.MediaTypeLayer, oci.MediaTypeLayerGzip, oci.MediaTypeLayerZstd}
	for i, blob := range [][]byte{data, append(gzipped(data), gzipped(nil)...), append(zstded(data), skippable...)} {
		f.Add(uint8(i), blob)
	}
	f.Fuzz(func(t *testing.T, kind uint8, blob []byte) {
		mediaType := types[int(kind)%len(types)]
		src := new(fakeSource)
		d := src.put(mediaType, blob)
		layer, err := oci.OpenLayer(t.Context(), src, d, digestA)
		if err != nil {
			t.Fatal(err)
		}
		defer layer.Close()
		tar, err := io.ReadAll(io.LimitReader(layer, 64<<20))
		if err == nil && len(tar) < 64<<20 {
			t.Fatal("accepted with the wrong diffID")
		}
		var mismatch *oci.DigestError
		if errors.As(err, &mismatch) && (mismatch.What != "diffID" || mismatch.Got != string(oci.Sum(tar))) {
			t.Errorf("error is %v for a tar of %s", err, oci.Sum(tar))
		}
	})
}
