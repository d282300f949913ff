package layout

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/treenail/treenail/internal/durable"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/oci/internal/blobdir"
)

// layoutVersion is the content of the file oci-layout (OCI image-spec,
// image-layout.md).
const layoutVersion = `{"imageLayoutVersion":"1.0.0"}`

// The hidden directory of what is staged has a name that begins with a dot and this.
const (
	stageLabel  = "treenail"
	stagePrefix = "." + stageLabel + "-"
)

// A Sink writes one image into a directory.
//
// Blobs are staged in a hidden directory inside of it, synced one by one.
// PutManifest renames them to their places and then replaces index.json, or the
// manifest.json of a flat one, which is the step that makes the image visible. A
// process killed before leaves the hidden directory and the images that were there.
type Sink struct {
	root    *os.Root
	path    string
	made    bool   // the directory did not exist before
	blobs   string // the directory of blobs
	stage   *blobdir.Dir
	publish func(s *Sink, dir *os.File, raw []byte, d oci.Descriptor) error
}

// OpenSink prepares to write an image into the layout at path, which is made if
// its parent exists. The image takes the place of the one with the same tag;
// with an empty tag, of all images in the layout's index. Blobs that are in the
// layout already stay.
func OpenSink(path, tag string) (*Sink, error) {
	return openSink(path, blobsDir, func(s *Sink, dir *os.File, _ []byte, d oci.Descriptor) error {
		return s.setInIndex(dir, tag, d)
	})
}

func openSink(path, blobs string, publish func(*Sink, *os.File, []byte, oci.Descriptor) error) (*Sink, error) {
	err := os.Mkdir(path, 0o755)
	made := err == nil
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	stage, err := blobdir.New(path, stageLabel)
	if err != nil {
		root.Close()
		return nil, err
	}
	return &Sink{root: root, path: path, made: made, blobs: blobs, stage: stage, publish: publish}, nil
}

// PutBlob stages a blob.
func (s *Sink) PutBlob(ctx context.Context, mediaType string, r io.Reader) (oci.Descriptor, error) {
	return s.stage.Put(ctx, mediaType, r)
}

// HasBlob reports whether a blob is staged or in the layout already. One in the
// layout is read and verified.
func (s *Sink) HasBlob(ctx context.Context, d oci.Descriptor) (bool, error) {
	if size, ok := s.stage.Size(d.Digest); ok {
		return size == d.Size, nil
	}
	f, err := openRegular(s.root, blobPath(s.blobs, d.Digest))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	_, err = io.Copy(io.Discard, oci.VerifyReader(f, d))
	if wrong := (*oci.DigestError)(nil); errors.As(err, &wrong) {
		return false, nil
	}
	return err == nil, err
}

// PutManifest moves all blobs to their places and makes the manifest known. A blob
// that it names and that is neither staged nor in the directory is an error.
func (s *Sink) PutManifest(ctx context.Context, raw []byte, mediaType string) (oci.Digest, error) {
	parts, isIndex, err := oci.Parts(raw)
	if err != nil {
		return "", err
	}
	if isIndex && s.blobs == flatDir {
		return "", errors.New("a directory of this kind holds no index, only an image")
	}
	for _, d := range parts {
		if err := s.checkBlob(d); err != nil {
			return "", err
		}
	}
	if s.blobs != flatDir {
		if _, err := s.stage.Put(ctx, mediaType, bytes.NewReader(raw)); err != nil {
			return "", err
		}
	}
	if err := s.publishBlobs(); err != nil {
		return "", err
	}
	var config []byte
	if !isIndex {
		if config, err = readFile(s.root, blobPath(s.blobs, parts[0].Digest)); err != nil {
			return "", err
		}
	}
	desc := oci.DescribeManifest(raw, mediaType, config)
	if err := s.publishManifest(raw, desc); err != nil {
		return "", err
	}
	s.made = false
	return desc.Digest, nil
}

func (s *Sink) checkBlob(d oci.Descriptor) error {
	size, ok := s.stage.Size(d.Digest)
	if !ok {
		info, err := s.root.Lstat(blobPath(s.blobs, d.Digest))
		if err != nil {
			return fmt.Errorf("manifest names a missing blob: %w", err)
		}
		size = info.Size()
	}
	if size != d.Size {
		return &oci.DigestError{Blob: d.Digest, What: "size", Want: fmt.Sprint(d.Size), Got: fmt.Sprint(size)}
	}
	return nil
}

func (s *Sink) publishBlobs() error {
	if err := s.root.MkdirAll(s.blobs, 0o755); err != nil {
		return err
	}
	stage := filepath.Base(s.stage.Path())
	for _, digest := range s.stage.Digests() {
		err := s.root.Rename(stage+"/"+digest.Hex(), blobPath(s.blobs, digest))
		// What is staged no more was published with an earlier manifest.
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return errors.Join(syncDir(s.root, s.blobs), syncDir(s.root, filepath.Dir(s.blobs)))
}

func syncDir(root *os.Root, name string) error {
	dir, err := root.Open(name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// publishManifest makes the image visible. Its lock keeps apart writers of different
// tags in one layout.
func (s *Sink) publishManifest(raw []byte, d oci.Descriptor) error {
	dir, err := s.root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close() // and unlock
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", s.path, err)
	}
	return s.publish(s, dir, raw, d)
}

// setInIndex replaces the index of a layout.
func (s *Sink) setInIndex(dir *os.File, tag string, d oci.Descriptor) error {
	index, err := readFile(s.root, indexFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if index, err = oci.SetInIndex(index, tag, d); err != nil {
		return err
	}
	if err := durable.WriteFileAt(dir, "oci-layout", []byte(layoutVersion), 0o644, true); err != nil {
		return err
	}
	return durable.WriteFileAt(dir, indexFile, index, 0o644, true)
}

// Close removes what is still staged and, if no image was written, a directory
// that the sink made.
func (s *Sink) Close() error {
	err := s.stage.Close()
	if s.made {
		os.Remove(s.path) // fails, rightly, if somebody else put something there
	}
	return errors.Join(err, s.root.Close())
}
