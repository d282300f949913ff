package importer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/tarsplit"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
	"golang.org/x/sync/errgroup"
)

// UnknownCompressorError says that a layer was compressed by a program that is not
// known, so that it can be given back uncompressed only.
type UnknownCompressorError struct {
	Layer oci.Digest
}

func (e *UnknownCompressorError) Error() string {
	return fmt.Sprintf("layer %s was compressed in a way that cannot be repeated; pull the image with --keep-blobs to keep its layers as they are", e.Layer)
}

// ErrNotExact is the cause where a repository does not have what it takes to give
// an image back as it was, because another program pulled it.
var ErrNotExact = errors.New("the repository has not recorded how the image was made up")

// Export writes an image that was pulled into sink: manifest, config and layers
// are the bytes that they were, so all digests and signatures stay valid. It returns
// the manifest's digest, which differs from what it was only where the sink's medium
// has a form of its own for manifests. Progress may be nil; it hears how many bytes of
// the layers are written, and how many there are.
func Export(ctx context.Context, r *ostreerepo.Repo, s *Stored, sink oci.Sink, progress func(done, total int64)) (oci.Digest, error) {
	e := &export{repo: r, sink: sink, meter: &meter{report: progress, total: total(s.Manifest.Layers)}}
	digest, err := e.image(ctx, s)
	if err != nil {
		return "", fmt.Errorf("image %s: %w", s.Reference.Image(), err)
	}
	return digest, nil
}

func total(layers []oci.Descriptor) (n int64) {
	for _, l := range layers {
		n += l.Size
	}
	return n
}

// export is one Export.
type export struct {
	repo  *ostreerepo.Repo
	sink  oci.Sink
	meter *meter
}

func (e *export) image(ctx context.Context, s *Stored) (oci.Digest, error) {
	at, err := e.exact(exactImageRef(s.Digest))
	if err != nil {
		return "", err
	}
	manifest, err := at.read(fileManifest, oci.MaxDocumentSize)
	if err != nil {
		return "", err
	}
	config, err := at.read(fileConfig, oci.MaxDocumentSize)
	if err != nil {
		return "", err
	}
	m, err := oci.ParseManifest(manifest)
	if err != nil {
		return "", err
	}
	if err := e.layers(ctx, m.Layers, s.Config.RootFS.DiffIDs); err != nil {
		return "", err
	}
	if err := e.put(ctx, m.Config, bytes.NewReader(config)); err != nil {
		return "", err
	}
	return e.sink.PutManifest(ctx, manifest, mediaTypeOf(m))
}

// layers writes several layers at a time.
func (e *export) layers(ctx context.Context, layers []oci.Descriptor, diffIDs []oci.DiffID) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallelLayers)
	for i, l := range layers {
		g.Go(func() error {
			err := e.layer(ctx, l, diffIDs[i])
			if err == nil {
				e.meter.add(l.Size)
			}
			return err
		})
	}
	return g.Wait()
}

func mediaTypeOf(m *oci.Manifest) string {
	if m.MediaType != "" {
		return m.MediaType
	}
	return oci.MediaTypeManifest
}

// put writes a blob, which has to come out as the descriptor says.
func (e *export) put(ctx context.Context, want oci.Descriptor, r io.Reader) error {
	got, err := e.sink.PutBlob(ctx, want.MediaType, r)
	if err == nil && got.Digest != want.Digest {
		err = fmt.Errorf("blob came out as %s, not %s", got.Digest, want.Digest)
	}
	return err
}

// layer writes a layer: the blob that was kept, or what the compressor that made
// it makes again.
func (e *export) layer(ctx context.Context, d oci.Descriptor, diffID oci.DiffID) error {
	at, err := e.exact(exactLayerRef(d.Digest))
	if err != nil {
		return fmt.Errorf("layer %s: %w", d.Digest, err)
	}
	if blob, ok := at.files[fileBlob]; ok {
		f, err := e.repo.OpenFile(blob)
		if err != nil {
			return err
		}
		defer f.Close()
		return e.put(ctx, d, f)
	}
	var head []byte // none: the layer was read as a tar, so all compressors are tried
	if _, ok := at.files[fileHead]; ok {
		if head, err = at.read(fileHead, headSize); err != nil {
			return err
		}
	}
	for _, c := range oci.Compressors(d, diffID) {
		if ok, err := at.begins(ctx, c, head); err != nil {
			return err
		} else if !ok {
			continue
		}
		sum := sha256.New()
		if err := at.compress(ctx, c, sum, diffID); err != nil {
			return err
		}
		if oci.Digest(fmt.Sprintf("sha256:%x", sum.Sum(nil))) == d.Digest {
			return e.put(ctx, d, at.compressed(ctx, c, diffID))
		}
	}
	return &UnknownCompressorError{d.Digest}
}

// exactTree is the files of a commit that says how something was.
type exactTree struct {
	repo  *ostreerepo.Repo
	files map[string]object.Checksum
}

func (e *export) exact(ref string) (*exactTree, error) {
	c, err := e.repo.Resolve(ref)
	if errors.Is(err, ostreerepo.ErrNotFound) {
		return nil, ErrNotExact
	}
	if err != nil {
		return nil, err
	}
	commit, err := e.repo.Commit(c)
	if err != nil {
		return nil, err
	}
	tree, err := e.repo.DirTree(commit.Tree)
	if err != nil {
		return nil, err
	}
	at := &exactTree{e.repo, map[string]object.Checksum{}}
	for _, f := range tree.Files {
		at.files[f.Name] = f.Checksum
	}
	return at, nil
}

// read reads a file that has no more than limit bytes.
func (at *exactTree) read(name string, limit int64) ([]byte, error) {
	f, err := at.open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has more than %d bytes", name, limit)
	}
	return data, err
}

func (at *exactTree) open(name string) (*ostreerepo.File, error) {
	c, ok := at.files[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, ErrNotExact)
	}
	return at.repo.OpenFile(c)
}

// tar writes the tar of a layer.
func (at *exactTree) tar(ctx context.Context, w io.Writer) error {
	framing, err := at.open(fileFraming)
	if err != nil {
		return err
	}
	defer framing.Close()
	pieces, err := zstd.NewReader(framing, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		return err
	}
	defer pieces.Close()
	bodies, err := at.open(fileBodies)
	if err != nil {
		return err
	}
	defer bodies.Close()
	return tarsplit.Assemble(w, pieces, func(string, int64) (io.ReadCloser, error) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		var c object.Checksum
		if _, err := io.ReadFull(bodies, c[:]); err != nil {
			return nil, fmt.Errorf("%s: %w", fileBodies, err)
		}
		return at.repo.OpenFile(c)
	})
}

// compress writes the layer as c compresses it. Its diffID is verified.
func (at *exactTree) compress(ctx context.Context, c oci.Compressor, w io.Writer, diffID oci.DiffID) error {
	zip, err := c.New(w)
	if err != nil {
		return err
	}
	sum := sha256.New()
	err = at.tar(ctx, io.MultiWriter(sum, zip))
	if closeErr := zip.Close(); err == nil {
		err = closeErr
	}
	if got := fmt.Sprintf("sha256:%x", sum.Sum(nil)); err == nil && got != string(diffID) {
		err = fmt.Errorf("layer came out with the diffID %s, not %s", got, diffID)
	}
	return err
}

// compressed is what compress writes, to be read.
func (at *exactTree) compressed(ctx context.Context, c oci.Compressor, diffID oci.DiffID) io.Reader {
	r, w := io.Pipe()
	go func() { w.CloseWithError(at.compress(ctx, c, w, diffID)) }()
	return r
}

// errHead ends the comparison with a head.
var errHead = errors.New("head compared")

// begins reports whether a layer that c compressed begins with head.
func (at *exactTree) begins(ctx context.Context, c oci.Compressor, head []byte) (bool, error) {
	cmp := &headWriter{head: head}
	zip, err := c.New(cmp)
	if err != nil {
		return false, err
	}
	err = at.tar(ctx, stopping{zip, cmp})
	zip.Close()
	if err != nil && !errors.Is(err, errHead) {
		return false, err
	}
	return !cmp.differs, nil
}

// headWriter compares what is written with a head, as far as that goes. It never
// fails, because compressors that write from goroutines of their own do not take
// errors well.
type headWriter struct {
	head    []byte
	n       int
	differs bool
	over    atomic.Bool
}

func (h *headWriter) Write(p []byte) (int, error) {
	if !h.over.Load() {
		n := min(len(h.head)-h.n, len(p))
		h.differs = !bytes.Equal(h.head[h.n:h.n+n], p[:n])
		h.n += n
		h.over.Store(h.differs || h.n == len(h.head))
	}
	return len(p), nil
}

// stopping ends the tar once the comparison is over.
type stopping struct {
	zip io.Writer
	cmp *headWriter
}

func (s stopping) Write(p []byte) (int, error) {
	if s.cmp.over.Load() {
		return 0, errHead
	}
	return s.zip.Write(p)
}
