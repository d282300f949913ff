package importer

import (
	"context"
	"io"

	"github.com/treenail/treenail/format/ostreetar"
	"github.com/treenail/treenail/oci"
)

// withLayer lets read have the objects of a layer. What ends before the reader
// said io.EOF has not been verified.
func withLayer(ctx context.Context, src oci.Source, l *Layer, read func(*ostreetar.Reader) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	layer, err := oci.OpenLayer(ctx, src, l.Descriptor, l.DiffID)
	if err != nil {
		return err
	}
	defer layer.Close()
	ahead := newReadAhead(ctx, layer)
	defer func() {
		cancel()
		ahead.wait()
	}()
	return read(ostreetar.NewReader(ahead))
}

const (
	chunkSize   = 256 << 10
	chunksAhead = 4
)

// readAhead reads from another reader in a goroutine of its own, so that
// decompressing and hashing a layer have a core for themselves.
type readAhead struct {
	ctx  context.Context // ends the goroutine
	full chan chunk      // closed by the goroutine when it ends
	free chan []byte
	at   chunk  // being read
	buf  []byte // of at, whole
}

type chunk struct {
	data []byte
	err  error // behind data
}

func newReadAhead(ctx context.Context, r io.Reader) *readAhead {
	a := &readAhead{ctx: ctx, full: make(chan chunk, chunksAhead), free: make(chan []byte, chunksAhead)}
	for range chunksAhead {
		a.free <- make([]byte, chunkSize)
	}
	go a.fill(r)
	return a
}

func (a *readAhead) fill(r io.Reader) {
	defer close(a.full)
	for {
		var c chunk
		select {
		case buf := <-a.free:
			c = readChunk(r, buf)
		case <-a.ctx.Done():
			return
		}
		a.full <- c // has room for all there are
		if c.err != nil {
			return
		}
	}
}

// readChunk fills buf as far as the reader goes.
func readChunk(r io.Reader, buf []byte) (c chunk) {
	n := 0
	for n < len(buf) && c.err == nil {
		var m int
		m, c.err = r.Read(buf[n:])
		n += m
	}
	c.data = buf[:n]
	return c
}

func (a *readAhead) Read(p []byte) (int, error) {
	for len(a.at.data) == 0 {
		if a.at.err != nil {
			return 0, a.at.err
		}
		if a.buf != nil {
			a.free <- a.buf
			a.buf = nil
		}
		next, ok := <-a.full
		if !ok {
			next.err = context.Cause(a.ctx)
		}
		a.at = next
		a.buf = next.data[:cap(next.data)]
	}
	n := copy(p, a.at.data)
	a.at.data = a.at.data[n:]
	return n, nil
}

// wait returns when the goroutine has ended, for which its context must have.
func (a *readAhead) wait() {
	for range a.full {
	}
}
