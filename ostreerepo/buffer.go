package ostreerepo

import (
	"bufio"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// bufReaders keeps buffered readers. The inflater is at its fastest when it reads
// from a *bufio.Reader itself.
var bufReaders = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, 64<<10) }}

func newBufReader(r io.Reader) *bufio.Reader {
	b := bufReaders.Get().(*bufio.Reader)
	b.Reset(r)
	return b
}

func releaseBufReader(b *bufio.Reader) {
	b.Reset(nil)
	bufReaders.Put(b)
}

// flatePool keeps deflate writers of the repository's compression level; one
// takes about a megabyte.
type flatePool struct{ pool sync.Pool }

func (p *flatePool) get(w io.Writer, level int) (*flate.Writer, error) {
	if z, ok := p.pool.Get().(*flate.Writer); ok {
		z.Reset(w)
		return z, nil
	}
	return flate.NewWriter(w, level)
}

func (p *flatePool) put(z *flate.Writer) { p.pool.Put(z) }
