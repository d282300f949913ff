// Package archive keeps a container image in a tar file that holds an OCI image
// layout. It reads blobs in place, without unpacking.
package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/treenail/treenail/oci"
)

const (
	indexFile  = "index.json"
	layoutFile = "oci-layout"
	blobsDir   = "blobs/sha256"

	// maxBlobs bounds the directory of an archive that is kept in memory.
	maxBlobs = 1 << 16
)

// A Source reads one image of an archive.
type Source struct {
	file  *os.File
	tag   string
	index *io.SectionReader
	blobs map[oci.Digest]*io.SectionReader
}

// OpenSource opens the image of the archive at path that has the given tag, or
// its only image if tag is empty. The tar file must not be compressed.
func OpenSource(path, tag string) (*Source, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	s := &Source{file: f, tag: tag, blobs: make(map[oci.Digest]*io.SectionReader)}
	if err := s.scan(); err != nil {
		f.Close()
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	return s, nil
}

// scan notes where index and blobs lie. As in any tar, a later entry stands for
// an earlier one of the same name.
func (s *Source) scan() error {
	if err := refuseCompressed(s.file); err != nil {
		return err
	}
	entries := tar.NewReader(s.file)
	for {
		h, err := entries.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		if err := s.note(h); err != nil {
			return err
		}
	}
	if s.index == nil {
		return errors.New("not an OCI archive: no index.json in it")
	}
	return nil
}

func (s *Source) note(h *tar.Header) error {
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	// The tar reader reads whole headers and no further.
	start, err := s.file.Seek(0, io.SeekCurrent)
	if err != nil {
		return err
	}
	name := strings.TrimPrefix(path.Clean("/"+h.Name), "/")
	if name == indexFile {
		s.index = io.NewSectionReader(s.file, start, h.Size)
		return nil
	}
	dir, base := path.Split(name)
	digest, err := oci.ParseDigest("sha256:" + base)
	if dir != blobsDir+"/" || err != nil {
		return nil
	}
	s.blobs[digest] = io.NewSectionReader(s.file, start, h.Size)
	if len(s.blobs) > maxBlobs {
		return fmt.Errorf("more than %d blobs", maxBlobs)
	}
	return nil
}

func refuseCompressed(f *os.File) error {
	magic := make([]byte, 4)
	n, err := f.ReadAt(magic, 0)
	if err != nil && err != io.EOF {
		return err
	}
	magic = magic[:n]
	if bytes.HasPrefix(magic, []byte{0x1f, 0x8b}) || bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
		return errors.New("the archive is compressed; decompress it first")
	}
	return nil
}

// Manifest returns the tagged manifest or index. Its digest has been verified.
func (s *Source) Manifest(ctx context.Context) ([]byte, string, error) {
	index, err := s.readDocument(indexFile, s.index)
	if err != nil {
		return nil, "", err
	}
	d, err := oci.FindInIndex(index, s.tag)
	if err != nil {
		return nil, "", err
	}
	blob, err := s.blob(d.Digest)
	if err != nil {
		return nil, "", err
	}
	raw, err := s.readDocument("blob "+string(d.Digest), blob)
	if err != nil {
		return nil, "", err
	}
	return raw, d.MediaType, d.Digest.Verify(raw)
}

func (s *Source) readDocument(what string, r *io.SectionReader) ([]byte, error) {
	if r.Size() > oci.MaxDocumentSize {
		return nil, fmt.Errorf("%s: %d bytes are more than the limit of %d", what, r.Size(), oci.MaxDocumentSize)
	}
	data := make([]byte, r.Size())
	if _, err := r.ReadAt(data, 0); err != nil && err != io.EOF {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return data, nil
}

func (s *Source) blob(d oci.Digest) (*io.SectionReader, error) {
	blob, ok := s.blobs[d]
	if !ok {
		return nil, fmt.Errorf("blob %s: %w", d, fs.ErrNotExist)
	}
	return blob, nil
}

// Blob opens a blob of the archive.
func (s *Source) Blob(ctx context.Context, d oci.Descriptor) (io.ReadCloser, error) {
	blob, err := s.blob(d.Digest)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(io.NewSectionReader(blob, 0, blob.Size())), nil
}

// Layer returns d: an archive keeps layers as they are.
func (s *Source) Layer(_ context.Context, d oci.Descriptor, _ oci.DiffID) (oci.Descriptor, error) {
	return d, nil
}

// Close closes the file.
func (s *Source) Close() error { return s.file.Close() }
