package importer

import (
	"context"
	"io"
	"sync"

	"github.com/treenail/treenail/oci"
)

// meter adds up the bytes that come from a source and tells the caller.
type meter struct {
	mu     sync.Mutex
	report func(done, total int64)
	done   int64
	total  int64
}

func (m *meter) add(n int64) {
	if n == 0 || m.report == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done = min(m.done+n, m.total) // a source may give layers larger than they are in the image
	m.report(m.done, m.total)
}

// meteredSource is a source whose blobs count for a meter.
type meteredSource struct {
	oci.Source
	meter *meter
}

func (s meteredSource) Blob(ctx context.Context, d oci.Descriptor) (io.ReadCloser, error) {
	blob, err := s.Source.Blob(ctx, d)
	if err != nil {
		return nil, err
	}
	return &meteredBlob{blob, s.meter}, nil
}

type meteredBlob struct {
	io.ReadCloser
	meter *meter
}

func (b *meteredBlob) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.meter.add(int64(n))
	return n, err
}
