package composefs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/treenail/treenail/format/composefs"
	"github.com/treenail/treenail/format/fsverity"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
	"github.com/treenail/treenail/ostreerepo"
	"golang.org/x/sys/unix"
)

// DigestKey is the key of a commit's metadata under which the fs-verity digest of
// its image is, an ay of 32 bytes.
const DigestKey = "ostree.composefs.digest.v0"

// Options are the choices of Write and Digest. The zero value is libostree's
// default.
type Options struct {
	// NoVerity leaves the digests of the files out of the image. That is another
	// image then: its own digest is not compared with the commit's.
	NoVerity bool
	// NoSync does not wait until an image is on disk.
	NoSync bool
	// Progress, if not nil, is called with the files and directories seen so far;
	// their total is not known (-1).
	Progress func(done, total int64)
}

// DigestError is that of a commit whose image is not the one that its metadata
// promises.
type DigestError struct {
	Expected, Actual [fsverity.Size]byte
}

func (e *DigestError) Error() string {
	return fmt.Sprintf("Generated composefs image digest (%x) doesn't match expected digest (%x)", e.Actual, e.Expected)
}

// Digest returns the fs-verity digest of the image of a tree.
func Digest(ctx context.Context, r *ostreerepo.Repo, tree, meta object.Checksum, o Options) (digest [fsverity.Size]byte, err error) {
	root, err := newTree(ctx, r, tree, meta, o)
	if err != nil {
		return digest, err
	}
	return composefs.Write(io.Discard, root)
}

// Write makes the image of a commit the file at path, with mode 0644, in the place
// of what is there already; after an error that is as it was. The image gets
// fs-verity itself where the repository's config asks for it for objects. One that
// is not what the commit's metadata promises is a *DigestError.
func Write(ctx context.Context, r *ostreerepo.Repo, commit object.Checksum, path string, o Options) error {
	c, err := r.Commit(commit)
	if err != nil {
		return err
	}
	expected, err := promised(c)
	if err != nil {
		return err
	}
	root, err := newTree(ctx, r, c.Tree, c.Meta, o)
	if err != nil {
		return fmt.Errorf("commit %s: %w", commit, err)
	}
	check := func(actual [fsverity.Size]byte) error {
		if expected == nil || o.NoVerity || *expected == actual {
			return nil
		}
		return &DigestError{*expected, actual}
	}
	return writeFile(r, root, path, !o.NoSync, check)
}

// promised is the digest of the image that the commit's metadata has, or nil.
func promised(c *object.Commit) (*[fsverity.Size]byte, error) {
	value, ok := c.Metadata.Lookup(DigestKey)
	if !ok || value.Type() != "ay" {
		return nil, nil
	}
	digest := value.Bytes()
	if len(digest) != fsverity.Size {
		return nil, errors.New("Expected composefs fs-verity in metadata has the wrong size") //nolint:staticcheck // libostree's text
	}
	return (*[fsverity.Size]byte)(digest), nil
}

// writeFile writes an image under no name first. check is given its digest before
// anybody sees it.
func writeFile(r *ostreerepo.Repo, root *composefs.Node, path string, sync bool, check func([fsverity.Size]byte) error) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	temp, err := linuxfs.CreateTemp(int(dir.Fd()), 0o600)
	if err != nil {
		return &os.PathError{Op: "create", Path: path, Err: err}
	}
	defer func() { temp.Close() }() // of the file that it has then
	if err := fill(temp.File, root, sync, check); err != nil {
		return err
	}
	if temp.File, err = r.Seal(temp.File); err != nil {
		return err
	}
	if err := replace(temp, int(dir.Fd()), filepath.Base(path)); err != nil {
		return &os.PathError{Op: "rename", Path: path, Err: err}
	}
	if !sync {
		return nil
	}
	return dir.Sync()
}

// fill writes the image to a new file.
func fill(f *os.File, root *composefs.Node, sync bool, check func([fsverity.Size]byte) error) error {
	digest, err := composefs.Write(f, root)
	if err != nil {
		return fmt.Errorf("Writing composefs: %w", err) //nolint:staticcheck // libostree's text
	}
	if err := check(digest); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil { // whatever the umask
		return err
	}
	if !sync {
		return nil
	}
	return f.Sync()
}

// replace gives a file a name that may be taken.
func replace(temp *linuxfs.Temp, dirfd int, name string) error {
	other := linuxfs.TempName(".tmp-")
	if err := temp.Link(dirfd, other); err != nil {
		return err
	}
	err := unix.Renameat(dirfd, other, dirfd, name)
	if err != nil {
		unix.Unlinkat(dirfd, other, 0)
	}
	return err
}
