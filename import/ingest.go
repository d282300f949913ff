package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/ostreetar"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
	"golang.org/x/sync/errgroup"
)

const (
	// parallelLayers is how many layers are read at a time: enough to keep a
	// connection busy while one waits, few enough to bound memory.
	parallelLayers = 3

	// maxBuffered is the size in bytes of the largest body that goes to a worker.
	maxBuffered = 1 << 20

	// buffers is how many objects are under way to workers. Together they hold
	// no more than buffers times maxBuffered bytes of bodies.
	buffers = 24
)

// ingest is the way of layers into one transaction.
type ingest struct {
	tx        *ostreerepo.Tx
	src       oci.Source
	want      object.Checksum // what the label promises; zero: nothing
	inventory *inventory

	jobs chan job
	free chan []byte // one place for each object under way; the bytes are reused

	// Written by the goroutine of the commit layer, read when all have ended.
	found  object.Checksum
	commit *object.Commit
}

// job is an object for a worker.
type job struct {
	layer *Layer
	item  ostreetar.Item
	buf   []byte // what item.Body reads from
}

func newIngest(tx *ostreerepo.Tx, src oci.Source, want object.Checksum) *ingest {
	in := &ingest{
		tx:        tx,
		src:       src,
		want:      want,
		inventory: newInventory(),
		jobs:      make(chan job),
		free:      make(chan []byte, buffers),
	}
	for range buffers {
		in.free <- nil
	}
	return in
}

// layers reads all layers of a commit and puts their objects.
func (in *ingest) layers(ctx context.Context, layers []Layer) error {
	g, ctx := errgroup.WithContext(ctx)
	for range max(2, runtime.GOMAXPROCS(0)) {
		g.Go(in.work)
	}
	g.Go(func() error {
		defer close(in.jobs)
		readers, ctx := errgroup.WithContext(ctx)
		readers.SetLimit(parallelLayers)
		for i := range layers {
			readers.Go(func() error { return in.layer(ctx, &layers[i]) })
		}
		return readers.Wait()
	})
	return g.Wait()
}

// work stores objects until there are no more.
func (in *ingest) work() error {
	for j := range in.jobs {
		err := in.store(j.item)
		in.free <- j.buf
		if err != nil {
			return fmt.Errorf("%s: %w", j.layer, err)
		}
	}
	return nil
}

// layer reads one layer.
func (in *ingest) layer(ctx context.Context, l *Layer) error {
	if ctx.Err() != nil {
		return context.Cause(ctx) // another layer has failed
	}
	err := withLayer(ctx, in.src, l, func(r *ostreetar.Reader) error {
		if l.Kind == KindOSTree {
			if err := in.readCommit(r); err != nil {
				return err
			}
		}
		for {
			item, err := r.Next()
			if err == io.EOF {
				return nil
			}
			if err == nil {
				err = in.take(ctx, l, item)
			}
			if err != nil {
				return err
			}
		}
	})
	if err != nil {
		return fmt.Errorf("%s: %w", l, err)
	}
	return nil
}

// readCommit takes the first object of the commit layer, which is the commit.
func (in *ingest) readCommit(r *ostreetar.Reader) error {
	item, err := firstCommit(r, in.want)
	if err != nil {
		return err
	}
	if in.commit, err = object.DecodeCommit(item.Data); err != nil {
		return fmt.Errorf("object %s: %w", item.Name, err)
	}
	in.found = item.Name.Checksum
	return in.store(item)
}

func firstCommit(r *ostreetar.Reader, want object.Checksum) (ostreetar.Item, error) {
	item, err := r.Next()
	switch {
	case err == io.EOF:
		return item, errors.New("commit object not found: the layer has no objects")
	case err != nil:
		return item, err
	case item.Name.Type != object.TypeCommit:
		return item, fmt.Errorf("expected commit object, not %s", item.Name)
	case !want.IsZero() && item.Name.Checksum != want:
		return item, fmt.Errorf("commit is %s, but label %s promises %s", item.Name.Checksum, ostreetar.LabelCommit, want)
	}
	return item, nil
}

// take hands an object to a worker or, if it is large, stores it.
func (in *ingest) take(ctx context.Context, l *Layer, item ostreetar.Item) error {
	if l.Kind != KindOSTree && item.Name.Type != object.TypeFile {
		return fmt.Errorf("object %s in a layer for content objects", item.Name)
	}
	if item.Size > maxBuffered || len(item.Data) > maxBuffered {
		return in.store(item)
	}
	j := job{layer: l, item: item}
	select {
	case j.buf = <-in.free:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if item.Body != nil {
		j.buf = sized(j.buf, int(item.Size))
		if _, err := io.ReadFull(item.Body, j.buf); err != nil {
			return fmt.Errorf("object %s: read body: %w", item.Name, noEOF(err))
		}
		j.item.Body = bytes.NewReader(j.buf)
	}
	select {
	case in.jobs <- j:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// sized returns size bytes, those of buf if it has them. A new buffer has room
// for most other bodies too.
func sized(buf []byte, size int) []byte {
	if cap(buf) >= size {
		return buf[:size]
	}
	room := 64 << 10
	for room < size {
		room *= 2
	}
	return make([]byte, size, room)
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// store verifies an object and puts it.
func (in *ingest) store(item ostreetar.Item) error {
	switch item.Name.Type {
	case object.TypeFile:
		if err := in.tx.PutFileAs(item.Name.Checksum, item.Header, item.Size, item.Body); err != nil {
			return err
		}
	case object.TypeDirTree:
		return in.storeTree(item)
	default:
		if err := object.VerifyMetadata(item.Name, item.Data); err != nil {
			return err
		}
		if err := in.putMetadata(item); err != nil {
			return err
		}
	}
	in.inventory.add(item.Name)
	return nil
}

func (in *ingest) putMetadata(item ostreetar.Item) error {
	if item.Name.Type == object.TypeCommitMeta {
		return in.tx.PutDetached(item.Name.Checksum, gvariant.FromBytes("a{sv}", item.Data))
	}
	_, err := in.tx.PutMetadata(item.Name.Type, item.Data)
	return err
}

func (in *ingest) storeTree(item ostreetar.Item) error {
	if actual := object.Sum(item.Data); actual != item.Name.Checksum {
		return &object.ChecksumError{Name: item.Name, Actual: actual}
	}
	tree, err := object.DecodeDirTree(item.Data)
	if err != nil {
		return fmt.Errorf("object %s: %w", item.Name, err)
	}
	if err := in.putMetadata(item); err != nil {
		return err
	}
	return in.inventory.addTree(item.Name.Checksum, tree)
}

// detachedOnly gives a commit that is there already the detached metadata of the
// image if it has none. It reports whether the layer was read to its end, which
// is only done for a layer that has some: nothing short of the layer's digest
// vouches for it.
func (in *ingest) detachedOnly(ctx context.Context, l *Layer) (fetched bool, err error) {
	_, ok, err := in.tx.Repo().DetachedMetadata(in.want)
	if ok || err != nil {
		return false, err
	}
	err = withLayer(ctx, in.src, l, func(r *ostreetar.Reader) error {
		if _, err := firstCommit(r, in.want); err != nil {
			return err
		}
		item, err := r.Next()
		if err == io.EOF || err == nil && item.Name.Type != object.TypeCommitMeta {
			return nil
		}
		for fetched = true; err == nil; {
			_, err = r.Next()
		}
		if err != io.EOF {
			return err
		}
		return in.store(item)
	})
	if err != nil {
		return false, fmt.Errorf("%s: %w", l, err)
	}
	return fetched, nil
}
