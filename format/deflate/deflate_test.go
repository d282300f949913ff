package deflate_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/treenail/treenail/format/deflate"
)

// samples are data of all kinds: what zlib does with them has to be found out by it.
func samples() map[string][]byte {
	rnd := rand.New(rand.NewSource(1))
	noise := make([]byte, 200_000)
	rnd.Read(noise)
	var text bytes.Buffer
	for text.Len() < 300_000 {
		fmt.Fprintf(&text, "%s line %d of %x\n", []string{"this", "another", "some"}[rnd.Intn(3)], rnd.Intn(1000), noise[rnd.Intn(9999):][:rnd.Intn(9)])
	}
	// Matches of all lengths and distances, in between noise.
	copies := bytes.Clone(noise[:2000])
	for len(copies) < 300_000 {
		at := len(copies) - 1 - rnd.Intn(min(len(copies)-1, 1<<rnd.Intn(17)))
		n := min(1<<rnd.Intn(9)+rnd.Intn(9), len(copies)-at)
		copies = append(copies, copies[at:at+n]...)
		copies = append(copies, noise[rnd.Intn(1000):][:rnd.Intn(1<<rnd.Intn(6))]...)
	}
	// Codes of very different lengths.
	var skewed []byte
	for len(skewed) < 200_000 {
		skewed = append(skewed, byte(rnd.ExpFloat64()*3))
	}
	mixed := bytes.Join([][]byte{text.Bytes()[:150_000], noise[:90_000], copies[:150_000], make([]byte, 70_000), skewed[:100_000]}, nil)
	return map[string][]byte{
		"nothing": {}, "a byte": {1}, "two": {1, 2}, "word": []byte("abracadabra abracadabra"),
		"zeros": make([]byte, 200_000), "noise": noise, "text": text.Bytes(), "copies": copies, "skewed": skewed, "mixed": mixed,
		"a window": copies[:32768], "two windows": mixed[:65536], "almost two": text.Bytes()[:65530],
		"a block": mixed[:128<<10], "a block and a byte": mixed[:128<<10+1], "two blocks": mixed[100_000:][:256<<10],
	}
}

func compress(t testing.TB, as deflate.Program, level int, data []byte, chunk int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := deflate.NewWriter(&out, as, level)
	if err != nil {
		t.Fatal(err)
	}
	for len(data) > 0 {
		n := min(chunk, len(data))
		w.Write(data[:n])
		data = data[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

const zlibProgram = "import sys,zlib;c=zlib.compressobj(int(sys.argv[1]),8,-15);sys.stdout.buffer.write(c.compress(sys.stdin.buffer.read())+c.flush())"

// The streams are those of the programs, to the bit.
func TestSame(t *testing.T) {
	for _, p := range []struct {
		name  string
		as    deflate.Program
		frame int // size of the header before the stream
		first int // level
		args  []string
	}{
		{"zlib", deflate.Zlib, 0, 1, []string{"python3", "-c", zlibProgram, "%d"}},
		{"gzip", deflate.Gzip, 10, 1, []string{"gzip", "-n", "-%d"}},
		{"pigz", deflate.Pigz, 10, 1, []string{"pigz", "-n", "-p2", "-%d"}},
		{"pigz, one thread", deflate.Pigz, 10, 4, []string{"pigz", "-n", "-p1", "-%d"}},
	} {
		t.Run(p.name, func(t *testing.T) {
			if _, err := exec.LookPath(p.args[0]); err != nil {
				t.Skipf("%s is not installed", p.args[0])
			}
			t.Parallel()
			for kind, data := range samples() {
				for level := p.first; level <= 9; level++ {
					want := output(t, p.args, level, data)
					if p.frame > 0 {
						want = want[p.frame : len(want)-8]
					}
					if got := compress(t, p.as, level, data, 1<<20); !bytes.Equal(got, want) {
						t.Errorf("%s, level %d: %d bytes, want %d, the same up to %d", kind, level, len(got), len(want), common(got, want))
					}
				}
			}
		})
	}
}

func output(t *testing.T, args []string, level int, data []byte) []byte {
	t.Helper()
	last := len(args) - 1
	cmd := exec.Command(args[0], append(args[1:last:last], strings.Replace(args[last], "%d", strconv.Itoa(level), 1))...)
	cmd.Stdin = bytes.NewReader(data)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func common(a, b []byte) (n int) {
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

func TestLevels(t *testing.T) {
	for _, n := range []int{-1, 0, 10} {
		if _, err := deflate.NewWriter(io.Discard, deflate.Zlib, n); err == nil {
			t.Errorf("level %d is taken", n)
		}
	}
}

// The error of what it writes to comes out.
func TestError(t *testing.T) {
	r, w := io.Pipe()
	r.CloseWithError(io.ErrClosedPipe)
	for _, as := range []deflate.Program{deflate.Zlib, deflate.Pigz} {
		z, err := deflate.NewWriter(w, as, 6)
		if err != nil {
			t.Fatal(err)
		}
		z.Write(samples()["noise"])
		if err := z.Close(); err != io.ErrClosedPipe {
			t.Errorf("error %v", err)
		}
	}
}

// Any data comes back, whatever the sizes of the writes.
func FuzzWriter(f *testing.F) {
	f.Add([]byte("abracadabra"), 3, uint16(4), byte(1))
	f.Fuzz(func(t *testing.T, seed []byte, repeats int, chunk uint16, how byte) {
		data := bytes.Repeat(append(seed, byte(repeats)), 1+repeats&0x3ff)
		data = data[:min(len(data), 200_000)]
		as, level := deflate.Program(how%3), 1+int(how/3)%9
		got := compress(t, as, level, data, 1+int(chunk))
		if !bytes.Equal(got, compress(t, as, level, data, 1<<20)) {
			t.Error("depends on the sizes of the writes")
		}
		back, err := io.ReadAll(flate.NewReader(bytes.NewReader(got)))
		if err != nil || !bytes.Equal(back, data) {
			t.Errorf("%d bytes became %d: %v", len(data), len(back), err)
		}
	})
}

func BenchmarkWriter(b *testing.B) {
	data := samples()["mixed"]
	for _, level := range []int{1, 6, 9} {
		b.Run(strconv.Itoa(level), func(b *testing.B) {
			b.SetBytes(int64(len(data)))
			for b.Loop() {
				compress(b, deflate.Zlib, level, data, 1<<20)
			}
		})
	}
}
