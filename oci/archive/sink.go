package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/oci/internal/blobdir"
)

// A Sink writes one image into a new archive.
//
// Blobs are staged in a hidden directory beside the archive. PutManifest writes
// the archive there too and then renames it over what was at its path. A process
// killed before leaves the hidden directory and the old archive.
type Sink struct {
	path  string
	tag   string
	stage *blobdir.Dir
}

// OpenSink prepares to write an image to an archive at path, with the given tag
// if it is not empty. An archive that is there already is replaced, whatever
// images it holds.
func OpenSink(path, tag string) (*Sink, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: is not a regular file", path)
	}
	stage, err := blobdir.New(filepath.Dir(path), filepath.Base(path))
	if err != nil {
		return nil, err
	}
	return &Sink{path, tag, stage}, nil
}

// PutBlob stages a blob.
func (s *Sink) PutBlob(ctx context.Context, mediaType string, r io.Reader) (oci.Descriptor, error) {
	return s.stage.Put(ctx, mediaType, r)
}

// HasBlob reports whether a blob is staged.
func (s *Sink) HasBlob(ctx context.Context, d oci.Descriptor) (bool, error) {
	size, ok := s.stage.Size(d.Digest)
	return ok && size == d.Size, nil
}

// PutManifest writes the archive; a sink can do so once. Its entries are in a fixed order, the layout's
// documents before the layers, and carry neither times nor owners.
func (s *Sink) PutManifest(ctx context.Context, raw []byte, mediaType string) (oci.Digest, error) {
	blobs, err := s.blobs(raw)
	if err != nil {
		return "", err
	}
	var config []byte
	if len(blobs) > 0 && !blobs[0].IsManifest() {
		if config, err = s.document(blobs[0]); err != nil {
			return "", err
		}
	}
	desc := oci.DescribeManifest(raw, mediaType, config)
	index, err := oci.SetInIndex(nil, s.tag, desc)
	if err != nil {
		return "", err
	}
	temp := filepath.Join(s.stage.Path(), "archive.tar")
	if err := s.write(ctx, temp, blobs, index, raw); err != nil {
		return "", fmt.Errorf("write archive: %w", err)
	}
	if err := os.Rename(temp, s.path); err != nil {
		return "", err
	}
	return desc.Digest, syncDir(filepath.Dir(s.path))
}

// blobs returns all that a manifest or index needs, which must have been put: what
// an index lists comes before what that needs.
func (s *Sink) blobs(raw []byte) (all []oci.Descriptor, err error) {
	parts, isIndex, err := oci.Parts(raw)
	if err != nil {
		return nil, err
	}
	for _, d := range parts {
		if size, ok := s.stage.Size(d.Digest); !ok || size != d.Size {
			return nil, fmt.Errorf("manifest names a blob that was not put: %s of %d bytes", d.Digest, d.Size)
		}
	}
	if !isIndex {
		return parts, nil
	}
	all = parts
	for _, d := range parts {
		listed, err := s.document(d)
		if err != nil {
			return nil, err
		}
		below, err := s.blobs(listed)
		if err != nil {
			return nil, err
		}
		all = append(all, below...)
	}
	return all, nil
}

// document returns a raw config or manifest, or nothing if it is too large to be
// one.
func (s *Sink) document(d oci.Descriptor) ([]byte, error) {
	if d.Size > oci.MaxDocumentSize {
		return nil, nil
	}
	return os.ReadFile(s.stage.Blob(d.Digest))
}

func (s *Sink) write(ctx context.Context, path string, blobs []oci.Descriptor, index, raw []byte) (err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := tar.NewWriter(f)
	documents := []struct {
		name string
		data []byte
	}{
		{layoutFile, []byte(`{"imageLayoutVersion":"1.0.0"}`)},
		{indexFile, index},
		{blobName(oci.Sum(raw)), raw},
	}
	for _, d := range documents {
		if err := addEntry(w, d.name, int64(len(d.data)), bytes.NewReader(d.data)); err != nil {
			return err
		}
	}
	if err := s.addBlobs(ctx, w, blobs); err != nil {
		return err
	}
	return errors.Join(w.Close(), f.Sync())
}

// addBlobs adds blobs in their order, each once.
func (s *Sink) addBlobs(ctx context.Context, w *tar.Writer, blobs []oci.Descriptor) error {
	added := make(map[oci.Digest]bool)
	for _, d := range blobs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if added[d.Digest] {
			continue
		}
		added[d.Digest] = true
		if err := addFile(w, blobName(d.Digest), s.stage.Blob(d.Digest)); err != nil {
			return err
		}
	}
	return nil
}

// addFile moves the file at path into the archive, so that a whole image does
// not need space twice.
func addFile(w *tar.Writer, name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.Remove(path); err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return err
	}
	return addEntry(w, name, info.Size(), f)
}

func addEntry(w *tar.Writer, name string, size int64, r io.Reader) error {
	err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: size})
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return err
}

func blobName(d oci.Digest) string { return blobsDir + "/" + d.Hex() }

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// Close removes what was staged.
func (s *Sink) Close() error { return s.stage.Close() }
