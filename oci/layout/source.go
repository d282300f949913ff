// Package layout keeps container images in a directory: the image layout of the
// OCI image-spec, with an index.json of manifests and a file for each blob.
//
// What a layout's index names is read through an [os.Root], so that nothing
// outside the directory can be reached. A write goes to a hidden directory
// inside the layout first; see [Sink].
package layout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/treenail/treenail/oci"
)

const (
	indexFile = "index.json"
	blobsDir  = "blobs/sha256"
)

// A Source reads one image of a layout.
type Source struct {
	root *os.Root
	tag  string
}

// OpenSource opens the image of the layout at path that has the given tag, or
// its only image if tag is empty.
func OpenSource(path, tag string) (*Source, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &Source{root, tag}, nil
}

// Manifest returns the tagged manifest or index. Its digest has been verified.
func (s *Source) Manifest(ctx context.Context) ([]byte, string, error) {
	index, err := readFile(s.root, indexFile)
	if err != nil {
		return nil, "", err
	}
	d, err := oci.FindInIndex(index, s.tag)
	if err != nil {
		return nil, "", err
	}
	raw, err := readFile(s.root, blobPath(d.Digest))
	if err != nil {
		return nil, "", err
	}
	return raw, d.MediaType, d.Digest.Verify(raw)
}

// Blob opens a blob of the layout.
func (s *Source) Blob(ctx context.Context, d oci.Descriptor) (io.ReadCloser, error) {
	f, err := openRegular(s.root, blobPath(d.Digest))
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Close closes the directory.
func (s *Source) Close() error { return s.root.Close() }

func blobPath(d oci.Digest) string { return blobsDir + "/" + d.Hex() }

// openRegular does not wait for a writer of a FIFO that somebody put in the
// place of a blob.
func openRegular(root *os.Root, name string) (*os.File, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: name, Err: errors.New("not a regular file")}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// readFile reads a file that must not be larger than a document may be.
func readFile(root *os.Root, name string) ([]byte, error) {
	f, err := openRegular(root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, oci.MaxDocumentSize+1))
	if err == nil && len(data) > oci.MaxDocumentSize {
		err = fmt.Errorf("read %s: larger than %d bytes", name, oci.MaxDocumentSize)
	}
	return data, err
}
