package encapsulate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/ostreetar"
	"github.com/treenail/treenail/oci"
	"golang.org/x/sync/errgroup"
)

// layer is a layer to be written.
type layer struct {
	LayerInfo
	size  int64 // of its content, in bytes
	write func(*layerWriter) error
}

// layers lists them all, the first first.
func (e *encapsulation) layers(chunks []Chunk) []*layer {
	rest := e.tree.remainder(chunks)
	layers := []*layer{{
		LayerInfo: LayerInfo{Name: e.commit.description()},
		size:      e.tree.size(rest),
		write:     func(w *layerWriter) error { return w.commit(e.commit, rest) },
	}}
	for _, c := range chunks {
		layers = append(layers, &layer{
			LayerInfo: LayerInfo{Name: c.Name, Components: c.Components},
			size:      c.Size,
			write:     func(w *layerWriter) error { return w.chunk(c.Objects) },
		})
	}
	return layers
}

// putLayers writes all layers, some at a time. The largest come first, so that
// none of them is what the others end up waiting for.
func (e *encapsulation) putLayers(chunks []Chunk) ([]LayerInfo, error) {
	layers := e.layers(chunks)
	queue := slices.SortedStableFunc(slices.Values(layers), func(a, b *layer) int { return cmp.Compare(b.size, a.size) })
	group, ctx := errgroup.WithContext(e.ctx)
	group.SetLimit(min(4, runtime.GOMAXPROCS(0)+1))
	for _, l := range queue {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := e.putLayer(ctx, l); err != nil {
				return fmt.Errorf("layer %d (%s): %w", slices.Index(layers, l), l.Name, err)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	infos := make([]LayerInfo, len(layers))
	for i, l := range layers {
		infos[i] = l.LayerInfo
	}
	return infos, nil
}

// putLayer streams one layer from the repository into the sink.
func (e *encapsulation) putLayer(ctx context.Context, l *layer) error {
	blob, in := io.Pipe()
	zip := oci.NewLayerWriter(in, e.options.CompressionLevel)
	written := make(chan error, 1)
	go func() {
		err := e.writeTar(ctx, l, zip)
		if err != nil {
			in.CloseWithError(err) // before the stream could look complete
		}
		err = cmp.Or(err, zip.Close()) // in any case: it frees the compressor
		in.CloseWithError(err)
		written <- err
	}()
	d, err := e.sink.PutBlob(ctx, oci.MediaTypeLayerGzip, blob)
	blob.CloseWithError(cmp.Or(err, errStopped))
	if err := cmp.Or(<-written, err); err != nil {
		return err
	}
	if d.Size != zip.Compressed() {
		return fmt.Errorf("blob %s has %d bytes, %d were written", d.Digest, d.Size, zip.Compressed())
	}
	l.Descriptor, l.DiffID, l.Uncompressed = d, zip.DiffID(), zip.Uncompressed()
	if l.Components != nil {
		l.Descriptor.Annotations = map[string]string{ostreetar.AnnotationComponents: strings.Join(l.Components, ",")}
	}
	return nil
}

var errStopped = errors.New("the sink stopped reading")

func (e *encapsulation) writeTar(ctx context.Context, l *layer, out io.Writer) error {
	w := &layerWriter{
		ctx: ctx, tree: e.tree, tar: ostreetar.NewWriter(out), parentDirs: e.options.ParentDirs, progress: e.progress,
		dirs: make(map[*dir]bool), metadata: make(map[object.Name]struct{}),
	}
	if err := l.write(w); err != nil {
		return err
	}
	return w.tar.Close()
}

func (t *Tree) size(objects []object.Checksum) (n int64) {
	for _, sum := range objects {
		n += t.contents[t.index[sum]].size
	}
	return n
}
