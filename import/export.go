package importer

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

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
	repo     *ostreerepo.Repo
	sink     oci.Sink
	meter    *meter
	programs oci.Recognizer
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
	var head []byte // none: the layer was read as a tar
	if _, ok := at.files[fileHead]; ok {
		if head, err = at.read(fileHead, oci.SampleHead); err != nil {
			return err
		}
	}
	start, err := at.start(ctx)
	if err != nil {
		return err
	}
	for c := range e.programs.Compressors(oci.NewSample(d, diffID, head, start)) {
		if head == nil { // it can be any of them: nothing is written before it is known
			r := at.compressed(ctx, c, diffID, d.Digest)
			_, err := io.Copy(io.Discard, r)
			if errors.Is(err, errOther) {
				continue
			}
			if err != nil {
				return err
			}
		}
		r := at.compressed(ctx, c, diffID, d.Digest)
		err := e.put(ctx, d, r)
		r.Close()
		if !errors.Is(err, errOther) {
			return err
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

// compressed is what compress writes, to be read. If that is not the blob with the
// digest, errOther comes in place of the end.
func (at *exactTree) compressed(ctx context.Context, c oci.Compressor, diffID oci.DiffID, want oci.Digest) io.ReadCloser {
	r, w := io.Pipe()
	go func() {
		sum := sha256.New()
		err := at.compress(ctx, c, io.MultiWriter(sum, w), diffID)
		if err == nil && fmt.Sprintf("sha256:%x", sum.Sum(nil)) != string(want) {
			err = errOther
		}
		w.CloseWithError(err)
	}()
	return r
}

var errOther = errors.New("another compressor made the layer")

// start is how the tar of a layer begins.
func (at *exactTree) start(ctx context.Context) ([]byte, error) {
	w := &limitedBuffer{limit: oci.SampleTar}
	err := at.tar(ctx, w)
	if errors.Is(err, errFull) {
		err = nil
	}
	return w.data, err
}

// limitedBuffer takes no more than limit bytes.
type limitedBuffer struct {
	data  []byte
	limit int
}

var errFull = errors.New("buffer is full")

func (b *limitedBuffer) Write(p []byte) (int, error) {
	n := min(len(p), b.limit-len(b.data))
	b.data = append(b.data, p[:n]...)
	if len(b.data) == b.limit {
		return n, errFull
	}
	return n, nil
}
