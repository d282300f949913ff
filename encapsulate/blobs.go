package encapsulate

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/ostreetar"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/oci/layercache"
	"golang.org/x/sync/errgroup"
)

// layer is a layer to be written.
type layer struct {
	LayerInfo
	commit  *commit // of the first layer, else nil
	objects []object.Checksum
	size    int64 // of its content, in bytes
}

// layers lists them all, the first first.
func (e *encapsulation) layers(chunks []Chunk) []*layer {
	rest := e.tree.remainder(chunks)
	layers := []*layer{{
		LayerInfo: LayerInfo{Name: e.commit.description()},
		commit:    e.commit,
		objects:   rest,
		size:      e.tree.size(rest),
	}}
	for _, c := range chunks {
		layers = append(layers, &layer{
			LayerInfo: LayerInfo{Name: c.Name, Components: c.Components},
			objects:   c.Objects,
			size:      c.Size,
		})
	}
	return layers
}

// each does something with all layers, some at a time. The largest come first, so
// that none of them is what the others end up waiting for.
func (e *encapsulation) each(layers []*layer, do func(context.Context, *layer) error) error {
	queue := slices.SortedStableFunc(slices.Values(layers), func(a, b *layer) int { return cmp.Compare(b.size, a.size) })
	group, ctx := errgroup.WithContext(e.ctx)
	group.SetLimit(min(4, runtime.GOMAXPROCS(0)+1))
	for _, l := range queue {
		group.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := do(ctx, l); err != nil {
				return fmt.Errorf("layer %d (%s): %w", slices.Index(layers, l), l.Name, err)
			}
			return nil
		})
	}
	return group.Wait()
}

// putLayer brings one layer into the sink: it is there already, or in the cache, or
// made of the repository.
func (e *encapsulation) putLayer(ctx context.Context, l *layer) error {
	key := e.key(l)
	made, reused, err := e.reuse(ctx, key)
	if err != nil {
		return err
	}
	if reused {
		e.progress.add(l.size)
	} else if made, err = e.makeLayer(ctx, l, key); err != nil {
		return err
	}
	l.Descriptor, l.DiffID, l.Uncompressed, l.Reused = made.Descriptor, made.DiffID, made.Uncompressed, reused
	if l.Components != nil {
		annotations := maps.Clone(made.Descriptor.Annotations)
		if annotations == nil {
			annotations = make(map[string]string)
		}
		l.Descriptor.Annotations = annotations
		annotations[ostreetar.AnnotationComponents] = strings.Join(l.Components, ",")
	}
	return nil
}

// reuse finds the layer with a key in the sink or brings it there from the cache.
// A cache that is damaged is as good as none.
func (e *encapsulation) reuse(ctx context.Context, key string) (l layercache.Layer, ok bool, err error) {
	if e.options.Cache == nil {
		return l, false, nil
	}
	if l, ok = e.options.Cache.Layer(key); !ok {
		return l, false, nil
	}
	// Who cannot say what is there can still take it.
	if has, err := oci.HasBlob(ctx, e.sink, l.Descriptor); has && err == nil {
		return l, true, nil
	}
	blob, err := e.options.Cache.Open(l)
	if err != nil {
		return l, false, nil
	}
	defer blob.Close()
	source := &sourceReader{r: blob}
	_, err = e.sink.PutBlob(ctx, l.Descriptor.MediaType, source)
	if source.err != nil {
		return l, false, nil
	}
	return l, err == nil, err
}

// A sourceReader remembers whether it was the source that failed.
type sourceReader struct {
	r   io.Reader
	err error
}

func (s *sourceReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// makeLayer streams one layer from the repository into the sink, and into the
// cache on the way.
func (e *encapsulation) makeLayer(ctx context.Context, l *layer, key string) (made layercache.Layer, err error) {
	blob, in := io.Pipe()
	out := io.Writer(in)
	var kept *layercache.Writer
	if e.options.Cache != nil {
		kept = e.options.Cache.Create()
		defer kept.Discard() // after Commit it does nothing
		out = io.MultiWriter(in, kept)
	}
	zip := oci.NewLayerWriter(out, e.options.Compression)
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
	d, err := e.sink.PutBlob(ctx, e.options.Compression.MediaType(), blob)
	blob.CloseWithError(cmp.Or(err, errStopped))
	if err := cmp.Or(<-written, err); err != nil {
		return made, err
	}
	if d.Size != zip.Compressed() {
		return made, fmt.Errorf("blob %s has %d bytes, %d were written", d.Digest, d.Size, zip.Compressed())
	}
	d.Annotations = zip.Annotations()
	made = layercache.Layer{Descriptor: d, DiffID: zip.DiffID(), Uncompressed: zip.Uncompressed()}
	if kept != nil {
		kept.Commit(key, made)
	}
	return made, nil
}

var errStopped = errors.New("the sink stopped reading")

// layerRevision is raised when the bytes of layers change for the same tree.
const layerRevision = "treenail layer 1"

// key names all that determines the bytes of a layer: which objects are in it,
// under which paths, and how it is written.
func (e *encapsulation) key(l *layer) string {
	sum := sha256.New()
	if l.commit != nil {
		sum.Write(l.commit.sum[:])
		fmt.Fprintf(sum, "%t %x\n", l.commit.isDetached, sha256.Sum256(l.commit.detached))
	}
	for _, o := range l.objects {
		c := &e.tree.contents[e.tree.index[o]]
		sum.Write(o[:])
		binary.Write(sum, binary.LittleEndian, uint32(len(c.links)))
		for _, link := range c.links {
			e.hashLink(sum, link)
		}
	}
	kind := "chunk"
	if l.commit != nil {
		kind = "commit"
	}
	return fmt.Sprintf("%s, %s, parents %t, %s %x", layerRevision, kind, e.options.ParentDirs, e.options.Compression.Identity(), sum.Sum(nil))
}

// hashLink adds a path, and what is written of its directories.
func (e *encapsulation) hashLink(sum hash.Hash, l link) {
	io.WriteString(sum, l.path()+"\x00")
	if e.options.ParentDirs {
		for d := l.dir; d != nil; d = d.parent {
			sum.Write(d.meta[:])
		}
	}
}

func (e *encapsulation) writeTar(ctx context.Context, l *layer, out io.Writer) error {
	w := &layerWriter{
		ctx: ctx, tree: e.tree, tar: ostreetar.NewWriter(out), parentDirs: e.options.ParentDirs, progress: e.progress,
		dirs: make(map[*dir]bool), metadata: make(map[object.Name]struct{}),
	}
	write := w.chunk
	if l.commit != nil {
		write = func(rest []object.Checksum) error { return w.commit(l.commit, rest) }
	}
	if err := write(l.objects); err != nil {
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
