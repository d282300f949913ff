// Package layout keeps container images in a directory. It has two forms of that: the
// image layout of the OCI image-spec, with an index.json of manifests and a file for
// each blob; and what containers/image calls a directory (containers-transports(5),
// "dir:"), which holds one image, with its manifest.json beside the blobs.
//
// What a directory names is read through an [os.Root], so that nothing outside of it
// can be reached. A write goes to a hidden directory inside first; see [Sink].
package layout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"github.com/treenail/treenail/oci"
)

const (
	indexFile = "index.json"
	blobsDir  = "blobs/sha256"
)

// A Source reads one image of a directory.
type Source struct {
	root     *os.Root
	blobs    string // the directory of blobs
	manifest func(root *os.Root) (raw []byte, mediaType string, err error)
}

// OpenSource opens the image of the layout at path that has the given tag, or
// its only image if tag is empty.
func OpenSource(path, tag string) (*Source, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &Source{root, blobsDir, func(root *os.Root) ([]byte, string, error) { return tagged(root, tag) }}, nil
}

// Manifest returns the manifest or index. In a layout it is the tagged one, and its
// digest has been verified.
func (s *Source) Manifest(ctx context.Context) ([]byte, string, error) { return s.manifest(s.root) }

func tagged(root *os.Root, tag string) ([]byte, string, error) {
	index, err := readFile(root, indexFile)
	if err != nil {
		return nil, "", err
	}
	d, err := oci.FindInIndex(index, tag)
	if err != nil {
		return nil, "", err
	}
	raw, err := readFile(root, blobPath(blobsDir, d.Digest))
	if err != nil {
		return nil, "", err
	}
	return raw, d.MediaType, d.Digest.Verify(raw)
}

// Blob opens a blob of the directory.
func (s *Source) Blob(ctx context.Context, d oci.Descriptor) (io.ReadCloser, error) {
	name := blobPath(s.blobs, d.Digest)
	if s.blobs == flatDir && d.IsManifest() {
		name += instanceSuffix
	}
	f, err := openRegular(s.root, name)
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Layer returns d: a directory keeps layers as they are.
func (s *Source) Layer(_ context.Context, d oci.Descriptor, _ oci.DiffID) (oci.Descriptor, error) {
	return d, nil
}

// Close closes the directory.
func (s *Source) Close() error { return s.root.Close() }

func blobPath(dir string, d oci.Digest) string { return path.Join(dir, d.Hex()) }

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
