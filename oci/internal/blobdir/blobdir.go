// Package blobdir stages the blobs of an image in a temporary directory of the
// file system on which the image will be, so that nothing of it can be seen
// under its final name before it is whole.
package blobdir

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"

	"github.com/treenail/treenail/oci"
)

// A Dir is a temporary directory of blobs, each named by the hex digits of its
// digest. Its methods may be called from several goroutines.
type Dir struct {
	path string

	mu    sync.Mutex
	temps int                  // temporary names given out
	sizes map[oci.Digest]int64 // what has been put
}

// New makes a Dir in the existing directory parent, under a hidden name that
// contains label.
func New(parent, label string) (*Dir, error) {
	path, err := os.MkdirTemp(parent, "."+label+"-*")
	if err != nil {
		var cause *fs.PathError
		if errors.As(err, &cause) { // about a name that says nothing
			err = cause.Err
		}
		return nil, fmt.Errorf("stage blobs in %s: %w", parent, err)
	}
	return &Dir{path: path, sizes: make(map[oci.Digest]int64)}, nil
}

// Path returns the path of the directory.
func (d *Dir) Path() string { return d.path }

// Blob returns the path of a blob that has been put.
func (d *Dir) Blob(digest oci.Digest) string { return filepath.Join(d.path, digest.Hex()) }

// Size returns the size of a blob in bytes, and whether it has been put.
func (d *Dir) Size(digest oci.Digest) (size int64, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	size, ok = d.sizes[digest]
	return size, ok
}

// Digests returns the digests of all blobs, sorted.
func (d *Dir) Digests() []oci.Digest {
	d.mu.Lock()
	defer d.mu.Unlock()
	digests := make([]oci.Digest, 0, len(d.sizes))
	for digest := range d.sizes {
		digests = append(digests, digest)
	}
	slices.Sort(digests)
	return digests
}

// Put stores and syncs what r yields. After an error nothing of it is left.
func (d *Dir) Put(ctx context.Context, mediaType string, r io.Reader) (oci.Descriptor, error) {
	d.mu.Lock()
	d.temps++
	temp := filepath.Join(d.path, "tmp"+strconv.Itoa(d.temps))
	d.mu.Unlock()

	desc, err := write(ctx, temp, r)
	if err == nil {
		err = os.Rename(temp, d.Blob(desc.Digest))
	}
	if err != nil {
		os.Remove(temp)
		return oci.Descriptor{}, fmt.Errorf("put blob: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sizes[desc.Digest] = desc.Size
	desc.MediaType = mediaType
	return desc, nil
}

func write(ctx context.Context, path string, r io.Reader) (desc oci.Descriptor, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return desc, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(f, sum), &contextReader{ctx, r})
	if err != nil {
		return desc, err
	}
	// Not left to a sync at the end: the disk works while layers are compressed.
	if err := f.Sync(); err != nil {
		return desc, err
	}
	return oci.Descriptor{Digest: oci.Digest(fmt.Sprintf("sha256:%x", sum.Sum(nil))), Size: size}, nil
}

// A contextReader ends a copy when its context does.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}

// Close removes the directory and what is still in it.
func (d *Dir) Close() error { return os.RemoveAll(d.path) }
