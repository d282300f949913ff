package ostreerepo

import (
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"

	"github.com/treenail/treenail/format/object"
	"golang.org/x/sys/unix"
)

// ImportOptions are the choices of an Importer.
type ImportOptions struct {
	// Verify checks the objects that are taken over as they are, by hard link or
	// byte for byte. Without it they are trusted to be what they are called, as
	// libostree trusts a local repository. A content object that is converted for
	// a repository of another mode is always checked.
	Verify bool
	// BareUserOnlyFiles refuses regular files whose mode has bits that a
	// bare-user-only repository can't keep. The error is a *ModeError.
	BareUserOnlyFiles bool
}

// ModeError says that a regular file has mode bits outside of 0775.
type ModeError struct {
	Checksum object.Checksum
	Mode     uint32
}

func (e *ModeError) Error() string {
	return fmt.Sprintf("Content object %s: invalid mode 0%04o with bits 0%04o", e.Checksum, e.Mode, e.Mode&^bareUserOnlyBits)
}

const bareUserOnlyBits = object.ModeTypeMask | 0o775

// Importer takes objects over from another repository. Where both repositories
// store an object in the same way and lie on the same file system with the same
// owner, the two share one file; else it is copied, or converted. Its methods may
// be called from several goroutines.
type Importer struct {
	tx      *Tx
	o       ImportOptions
	sources []*importSource
}

// importSource is the repository that objects come from, or a parent of it.
type importSource struct {
	*Repo
	links atomic.Bool // hard links are possible as far as known
}

// NewImporter returns an Importer of the objects of src and its parents.
func (tx *Tx) NewImporter(src *Repo, o ImportOptions) (*Importer, error) {
	im := &Importer{tx: tx, o: o}
	for at := src; at != nil; at = at.parent {
		s := &importSource{Repo: at}
		together, err := livesWith(at, tx.repo)
		if err != nil {
			return nil, fmt.Errorf("repo %s: %w", at.path, err)
		}
		s.links.Store(together)
		im.sources = append(im.sources, s)
	}
	return im, nil
}

// livesWith reports whether two repositories have one device and one owner. With
// different owners, the one could change a shared object under the other's hands.
func livesWith(a, b *Repo) (bool, error) {
	var x, y unix.Stat_t
	if err := unix.Fstat(a.objectsFD(), &x); err != nil {
		return false, err
	}
	if err := unix.Fstat(b.objectsFD(), &y); err != nil {
		return false, err
	}
	return x.Dev == y.Dev && x.Uid == y.Uid, nil
}

// Metadata takes over a dirtree, dirmeta or commit and returns its bytes; created
// is false when the transaction had it. A missing object is a *NotFoundError.
// Whether the destination has it already is not looked up.
func (im *Importer) Metadata(n object.Name) (data []byte, created bool, err error) {
	im.tx.count(func(s *Stats) { s.MetadataTotal++ })
	for _, s := range im.sources {
		data, err := readFileAt(s.objectsFD(), s.loosePath(n), object.MaxMetadataSize)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil && im.o.Verify {
			err = object.VerifyMetadata(n, data)
		}
		if err == nil {
			created, err = im.metadata(s, n, data)
		}
		if err != nil {
			return nil, false, s.objectError(n, err)
		}
		return data, created, nil
	}
	return nil, false, &NotFoundError{n}
}

func (im *Importer) metadata(s *importSource, n object.Name, data []byte) (created bool, err error) {
	done, created, err := im.link(s, n)
	if err == nil && !done {
		created, err = im.tx.staging.write(im.tx.repo.loosePath(n), data)
	}
	if err == nil && created {
		im.tx.count(func(s *Stats) { s.MetadataWritten++ })
	}
	return created, err
}

// link makes the object another name of the source's file; done is false where
// that can't be.
func (im *Importer) link(s *importSource, n object.Name) (done, created bool, err error) {
	if !s.links.Load() {
		return false, false, nil
	}
	path := im.tx.repo.loosePath(n)
	if err := im.tx.staging.makeDir(path); err != nil {
		return false, false, err
	}
	err = unix.Linkat(s.objectsFD(), s.loosePath(n), im.tx.staging.fd(), path, 0)
	switch err {
	case nil:
		return true, true, nil
	case unix.EEXIST:
		return true, false, nil
	case unix.EXDEV, unix.ENOTSUP, unix.ENOSYS: // two mounts of one device, or a file system without
		s.links.Store(false)
		return false, false, nil
	case unix.EMLINK, unix.EPERM: // this file has too many names, or is protected
		return false, false, nil
	}
	return false, false, err
}
