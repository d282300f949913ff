package importer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

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

// ingest is the way of the layers of a commit into a repository.
type ingest struct {
	src       oci.Source
	want      object.Checksum // what the label promises; zero: nothing
	inventory *inventory

	jobs chan job
	free chan []byte // one place for each object under way; the bytes are reused

	// Written by the goroutine of the commit layer, read when all have ended.
	found  object.Checksum
	commit *object.Commit
}

// intake is a layer on its way into a transaction.
type intake struct {
	*Layer
	tx       *ostreerepo.Tx
	stored   sync.WaitGroup    // of what is with workers
	contents []object.Checksum // the content objects in the layer, in its order
	bodies   []object.Checksum // those that have a body

	rec ostreetar.Recorder // may be nil
}

// job is an object for a worker.
type job struct {
	to   *intake
	item ostreetar.Item
	buf  []byte // what item.Body reads from
}

func newIngest(src oci.Source, want object.Checksum) *ingest {
	in := &ingest{
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

// layers has take called for each of the layers, a few at a time, in their order.
// What take puts is stored by workers.
func (in *ingest) layers(ctx context.Context, layers []Layer, take func(context.Context, *Layer) error) error {
	g, ctx := errgroup.WithContext(ctx)
	for range max(2, runtime.GOMAXPROCS(0)) {
		g.Go(in.work)
	}
	g.Go(func() error {
		defer close(in.jobs)
		readers, ctx := errgroup.WithContext(ctx)
		readers.SetLimit(parallelLayers)
		for i := range layers {
			readers.Go(func() error {
				if ctx.Err() != nil {
					return context.Cause(ctx) // another layer has failed
				}
				return take(ctx, &layers[i])
			})
		}
		return readers.Wait()
	})
	return g.Wait()
}

// work stores objects until there are no more.
func (in *ingest) work() error {
	for j := range in.jobs {
		err := in.store(j.to.tx, j.item)
		in.free <- j.buf
		j.to.stored.Done()
		if err != nil {
			return fmt.Errorf("%s: %w", j.to, err)
		}
	}
	return nil
}

// layer reads one layer. When it returns without an error, all is stored that did
// not fail with a worker.
func (in *ingest) layer(ctx context.Context, to *intake) error {
	err := withLayer(ctx, in.src, to.Layer, func(r *ostreetar.Reader) error {
		if to.rec != nil {
			r.Record(to.rec)
		}
		if to.Kind == KindOSTree {
			if err := in.readCommit(to.tx, r); err != nil {
				return err
			}
		}
		for {
			item, err := r.Next()
			if err == io.EOF {
				return nil
			}
			if err == nil {
				err = in.take(ctx, to, item)
			}
			if err != nil {
				return err
			}
		}
	})
	to.stored.Wait()
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", to, err)
	}
	return nil
}

// readCommit takes the first object of the commit layer, which is the commit.
func (in *ingest) readCommit(tx *ostreerepo.Tx, r *ostreetar.Reader) error {
	item, err := firstCommit(r, in.want)
	if err != nil {
		return err
	}
	if in.commit, err = object.DecodeCommit(item.Data); err != nil {
		return fmt.Errorf("object %s: %w", item.Name, err)
	}
	in.found = item.Name.Checksum
	return in.store(tx, item)
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
func (in *ingest) take(ctx context.Context, to *intake, item ostreetar.Item) error {
	if to.Kind != KindOSTree && item.Name.Type != object.TypeFile {
		return fmt.Errorf("object %s in a layer for content objects", item.Name)
	}
	if item.Name.Type == object.TypeFile {
		to.contents = append(to.contents, item.Name.Checksum)
		if item.Size > 0 {
			to.bodies = append(to.bodies, item.Name.Checksum)
		}
	}
	if item.Size > maxBuffered || len(item.Data) > maxBuffered {
		return in.store(to.tx, item)
	}
	j := job{to: to, item: item}
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
	to.stored.Add(1)
	select {
	case in.jobs <- j:
		return nil
	case <-ctx.Done():
		to.stored.Done()
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
func (in *ingest) store(tx *ostreerepo.Tx, item ostreetar.Item) error {
	switch item.Name.Type {
	case object.TypeFile:
		if err := tx.PutFileAs(item.Name.Checksum, item.Header, item.Size, item.Body); err != nil {
			return err
		}
	case object.TypeDirTree:
		return in.storeTree(tx, item)
	default:
		if err := object.VerifyMetadata(item.Name, item.Data); err != nil {
			return err
		}
		if err := putMetadata(tx, item); err != nil {
			return err
		}
	}
	in.inventory.add(item.Name)
	return nil
}

func putMetadata(tx *ostreerepo.Tx, item ostreetar.Item) error {
	if item.Name.Type == object.TypeCommitMeta {
		return tx.PutDetached(item.Name.Checksum, gvariant.FromBytes("a{sv}", item.Data))
	}
	_, err := tx.PutMetadata(item.Name.Type, item.Data)
	return err
}

func (in *ingest) storeTree(tx *ostreerepo.Tx, item ostreetar.Item) error {
	if actual := object.Sum(item.Data); actual != item.Name.Checksum {
		return &object.ChecksumError{Name: item.Name, Actual: actual}
	}
	tree, err := object.DecodeDirTree(item.Data)
	if err != nil {
		return fmt.Errorf("object %s: %w", item.Name, err)
	}
	if err := putMetadata(tx, item); err != nil {
		return err
	}
	return in.inventory.addTree(item.Name.Checksum, tree)
}

// detachedOnly gives a commit that is there already the detached metadata of the
// image if it has none. It reports whether the layer was read to its end, which
// is only done for a layer that has some: nothing short of the layer's digest
// vouches for it.
func (in *ingest) detachedOnly(ctx context.Context, tx *ostreerepo.Tx, l *Layer) (fetched bool, err error) {
	_, ok, err := tx.Repo().DetachedMetadata(in.want)
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
		return in.store(tx, item)
	})
	if err != nil {
		return false, fmt.Errorf("%s: %w", l, err)
	}
	return fetched, nil
}
