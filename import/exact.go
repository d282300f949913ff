package importer

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/tarsplit"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
)

// Prefixes of the refs that hold what it takes to give an image back as it was:
// commits whose trees are files of that.
const (
	exactPrefix      = "treenail/container/"
	exactLayerPrefix = exactPrefix + "layer/"
	exactImagePrefix = exactPrefix + "image/"
)

// Files in the tree of the commit of an exact layer.
const (
	fileFraming = "tar-split.zst" // the pieces of the tar, see package tarsplit
	fileBodies  = "bodies"        // 32 bytes for each body: the checksum of an object that has it
	dirObjects  = "objects"       // these objects, under their checksums
	fileHead    = "head"          // how the layer begins as it is stored in the image
	fileBlob    = "blob"          // or all of it
)

// Files in the tree of the commit of an exact image.
const (
	fileManifest = "manifest.json"
	fileConfig   = "config.json"
)

func exactLayerRef(d oci.Digest) string { return exactLayerPrefix + escape(string(d)) }
func exactImageRef(d oci.Digest) string { return exactImagePrefix + escape(string(d)) }

// recording is the framing of a layer while that is read.
type recording struct {
	*tarsplit.Recorder
	zip    *zstd.Encoder
	file   *os.File // without a name
	bodies []object.Checksum
	start  []byte // of the tar, as much as a sample needs
}

// Write records bytes of the tar.
func (rec *recording) Write(p []byte) (int, error) {
	rec.start = append(rec.start, p[:min(len(p), oci.SampleTar-len(rec.start))]...)
	return rec.Recorder.Write(p)
}

func newRecording(r *ostreerepo.Repo) (*recording, error) {
	f, err := os.CreateTemp(filepath.Join(r.Path(), "tmp"), "treenail-framing-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	zip, err := zstd.NewWriter(f, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		f.Close()
		return nil, err
	}
	return &recording{Recorder: tarsplit.NewRecorder(zip), zip: zip, file: f}, nil
}

func (rec *recording) Close() error {
	rec.zip.Close()
	return rec.file.Close()
}

// put stores what was recorded of a layer.
func (rec *recording) put(tx *ostreerepo.Tx, l *Layer, blob *blobCopy) error {
	if err := rec.Recorder.Close(); err != nil {
		return err
	}
	if err := rec.zip.Close(); err != nil {
		return err
	}
	size, err := rec.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	d := &object.DirTree{}
	put := func(name string, size int64, body io.ReadSeeker) error {
		if _, err := body.Seek(0, io.SeekStart); err != nil {
			return err
		}
		c, err := tx.PutFile(object.FileHeader{Mode: object.ModeRegular | 0o644}, size, body)
		d.Files = append(d.Files, object.FileEntry{Name: name, Checksum: c})
		return err
	}
	if err := put(fileFraming, size, rec.file); err != nil {
		return err
	}
	if err := put(fileBodies, int64(len(rec.bodies))*32, bytes.NewReader(flatten(rec.bodies))); err != nil {
		return err
	}
	if err := blob.put(put); err != nil {
		return err
	}
	objects, err := putObjects(tx, rec.bodies)
	if err != nil {
		return err
	}
	meta, err := putPlainMeta(tx)
	if err != nil {
		return err
	}
	d.Dirs = []object.DirEntry{{Name: dirObjects, Tree: objects, Meta: meta}}
	return putExact(tx, d, meta, exactLayerRef(l.Descriptor.Digest))
}

func flatten(sums []object.Checksum) []byte {
	var out []byte
	for _, c := range sums {
		out = append(out, c[:]...)
	}
	return out
}

// putObjects stores a directory of objects under the names of their checksums.
func putObjects(tx *ostreerepo.Tx, contents []object.Checksum) (object.Checksum, error) {
	contents = slices.Clone(contents)
	slices.SortFunc(contents, object.Checksum.Compare)
	set := &object.DirTree{}
	for _, c := range slices.Compact(contents) {
		set.Files = append(set.Files, object.FileEntry{Name: c.String(), Checksum: c})
	}
	return tx.PutMetadata(object.TypeDirTree, set.Encode())
}

func putPlainMeta(tx *ostreerepo.Tx) (object.Checksum, error) {
	return tx.PutMetadata(object.TypeDirMeta, object.DirMeta{Mode: object.ModeDir | 0o755}.Encode())
}

func putExact(tx *ostreerepo.Tx, d *object.DirTree, meta object.Checksum, ref string) error {
	tree, err := tx.PutMetadata(object.TypeDirTree, d.Encode())
	if err != nil {
		return err
	}
	c, err := tx.PutCommit(&object.Commit{Metadata: gvariant.NewVardict(), Tree: tree, Meta: meta})
	if err != nil {
		return err
	}
	return tx.SetRef(ref, c)
}

// putImage keeps manifest and config byte for byte.
func putExactImage(tx *ostreerepo.Tx, img *oci.Image) error {
	d := &object.DirTree{}
	for name, data := range map[string][]byte{fileManifest: img.RawManifest, fileConfig: img.RawConfig} {
		c, err := tx.PutFile(object.FileHeader{Mode: object.ModeRegular | 0o644}, int64(len(data)), bytes.NewReader(data))
		if err != nil {
			return err
		}
		d.Files = append(d.Files, object.FileEntry{Name: name, Checksum: c})
	}
	meta, err := putPlainMeta(tx)
	if err != nil {
		return err
	}
	return putExact(tx, d, meta, exactImageRef(img.Digest))
}

// copySource copies the beginnings of blobs, or all of them, while they are read.
type copySource struct {
	oci.Source
	whole bool
	dir   string

	mu     sync.Mutex
	copies map[oci.Digest]*blobCopy
}

// blobCopy is the copy of one blob: its head in memory, or all of it in a file
// without a name.
type blobCopy struct {
	head []byte
	file *os.File
	err  error
}

func (s *copySource) Blob(ctx context.Context, d oci.Descriptor) (io.ReadCloser, error) {
	body, err := s.Source.Blob(ctx, d)
	if err != nil {
		return nil, err
	}
	c := &blobCopy{}
	if s.whole {
		if c.file, err = os.CreateTemp(s.dir, "treenail-blob-"); err == nil {
			err = os.Remove(c.file.Name())
		}
		if err != nil {
			body.Close()
			return nil, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.copies[d.Digest] = c
	return struct {
		io.Reader
		io.Closer
	}{io.TeeReader(body, c), body}, nil
}

func newCopySource(src oci.Source, r *ostreerepo.Repo, whole bool) *copySource {
	return &copySource{Source: src, whole: whole, dir: filepath.Join(r.Path(), "tmp"), copies: map[oci.Digest]*blobCopy{}}
}

// exactly reads a layer in a transaction of its own, and keeps what it takes to
// give it back.
func (p *pull) exactly(ctx context.Context, l *Layer, read func(*ostreerepo.Tx, *recording) error) error {
	rec, err := newRecording(p.repo)
	if err != nil {
		return err
	}
	defer rec.Close()
	return p.repo.Update(ctx, ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		err := read(tx, rec)
		blob := p.src.take(l)
		defer blob.close()
		if err != nil {
			return err
		}
		p.recognize(l, rec, blob)
		return rec.put(tx, l, blob)
	})
}

// recognize notes whether a layer can be given back as it was. Of one that was read as
// a tar that can't be known.
func (p *pull) recognize(l *Layer, rec *recording, blob *blobCopy) {
	if p.KeepBlobs || blob == nil {
		return
	}
	for range p.programs.Compressors(oci.NewSample(l.Descriptor, l.DiffID, blob.head, rec.start)) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.result.Unrecognized = append(p.result.Unrecognized, l.Descriptor.Digest)
}

// take gives away the copy of a layer that was read, or nothing if it was read as a tar
// instead of as it is stored in the image.
func (s *copySource) take(l *Layer) *blobCopy {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, stored := s.copies[l.Descriptor.Digest]
	delete(s.copies, l.Descriptor.Digest)
	if tar := oci.Digest(l.DiffID); !stored {
		s.copies[tar].close()
		delete(s.copies, tar)
	}
	return c
}

func (c *blobCopy) Write(p []byte) (int, error) {
	if c.file != nil {
		if _, err := c.file.Write(p); err != nil && c.err == nil {
			c.err = err
		}
		return len(p), nil
	}
	c.head = append(c.head, p[:min(len(p), oci.SampleHead-len(c.head))]...)
	return len(p), nil
}

func (c *blobCopy) put(put func(name string, size int64, body io.ReadSeeker) error) error {
	if c == nil {
		return nil
	}
	if c.file == nil {
		return put(fileHead, int64(len(c.head)), bytes.NewReader(c.head))
	}
	if c.err != nil {
		return c.err
	}
	size, err := c.file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	return put(fileBlob, size, c.file)
}

func (c *blobCopy) close() {
	if c != nil && c.file != nil {
		c.file.Close()
	}
}
