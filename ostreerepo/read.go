package ostreerepo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sys/unix"
)

// Has reports whether the repository or one of its parents has the object.
func (r *Repo) Has(n object.Name) (bool, error) {
	for ; r != nil; r = r.parent {
		ok, err := r.hasHere(n)
		if ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func (r *Repo) hasHere(n object.Name) (bool, error) { return existsAt(r.objectsFD(), r.loosePath(n)) }

func existsAt(dirfd int, path string) (bool, error) {
	var st unix.Stat_t
	err := unix.Fstatat(dirfd, path, &st, unix.AT_SYMLINK_NOFOLLOW)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Loose says where the object lies as a file: a directory descriptor, which
// stays the Repo's, and a path below it.
func (r *Repo) Loose(n object.Name) (dirfd int, path string, err error) {
	for at := r; at != nil; at = at.parent {
		ok, err := at.hasHere(n)
		if err != nil {
			return 0, "", r.objectError(n, err)
		}
		if ok {
			return at.objectsFD(), at.loosePath(n), nil
		}
	}
	return 0, "", &NotFoundError{n}
}

func (r *Repo) objectError(n object.Name, err error) error {
	var notFound *NotFoundError
	var mismatch *object.ChecksumError
	if errors.As(err, &notFound) || errors.As(err, &mismatch) {
		return fmt.Errorf("repo %s: %w", r.path, err)
	}
	return fmt.Errorf("repo %s: object %s: %w", r.path, n, err)
}

// Metadata returns the bytes of a dirtree, dirmeta or commit object after
// checking them. A missing object is a *NotFoundError, a damaged one an
// *object.ChecksumError.
func (r *Repo) Metadata(n object.Name) ([]byte, error) {
	data, err := r.rawMetadata(n)
	if err != nil {
		return nil, err
	}
	if actual := object.Sum(data); actual != n.Checksum && n.Type != object.TypeTombstoneCommit {
		return nil, r.objectError(n, &object.ChecksumError{Name: n, Actual: actual})
	}
	return data, nil
}

func (r *Repo) rawMetadata(n object.Name) ([]byte, error) {
	if !n.Type.IsMeta() {
		return nil, r.objectError(n, errors.New("not a metadata object"))
	}
	for at := r; at != nil; at = at.parent {
		data, err := readFileAt(at.objectsFD(), at.loosePath(n), object.MaxMetadataSize)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, r.objectError(n, err)
		}
		return data, nil
	}
	return nil, &NotFoundError{n}
}

// readFileAt reads a regular file of at most limit bytes.
func readFileAt(dirfd int, path string, limit int64) ([]byte, error) {
	f, err := linuxfs.Open(dirfd, path, unix.O_RDONLY|unix.O_NOFOLLOW, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, err
	}
	if st.Size > limit {
		return nil, fmt.Errorf("%d bytes exceed the limit of %d", st.Size, limit)
	}
	data := make([]byte, st.Size)
	if _, err := io.ReadFull(f, data); err != nil {
		return nil, err
	}
	return data, nil
}

// Commit loads and checks a commit.
func (r *Repo) Commit(c object.Checksum) (*object.Commit, error) {
	return load(r, object.Name{Checksum: c, Type: object.TypeCommit}, object.DecodeCommit)
}

// DirTree loads and checks a dirtree.
func (r *Repo) DirTree(c object.Checksum) (*object.DirTree, error) {
	return load(r, object.Name{Checksum: c, Type: object.TypeDirTree}, object.DecodeDirTree)
}

// DirMeta loads and checks a dirmeta.
func (r *Repo) DirMeta(c object.Checksum) (object.DirMeta, error) {
	return load(r, object.Name{Checksum: c, Type: object.TypeDirMeta}, object.DecodeDirMeta)
}

func load[T any](r *Repo, n object.Name, decode func([]byte) (T, error)) (T, error) {
	data, err := r.Metadata(n)
	if err != nil {
		var zero T
		return zero, err
	}
	v, err := decode(data)
	if err != nil {
		return v, r.objectError(n, err)
	}
	return v, nil
}

// DetachedMetadata returns the a{sv} that was attached to a commit after it was
// made; ok is false when there is none.
func (r *Repo) DetachedMetadata(c object.Checksum) (v gvariant.Value, ok bool, err error) {
	n := object.Name{Checksum: c, Type: object.TypeCommitMeta}
	data, err := r.rawMetadata(n)
	if errors.Is(err, ErrNotFound) {
		return gvariant.Value{}, false, nil
	}
	if err != nil {
		return gvariant.Value{}, false, err
	}
	v = gvariant.FromBytes("a{sv}", data)
	if err := v.CheckNormal(); err != nil {
		return gvariant.Value{}, false, r.objectError(n, err)
	}
	return v, true, nil
}

// Partial reports whether objects of the commit may be missing.
func (r *Repo) Partial(c object.Checksum) (bool, error) {
	partial, err := existsAt(r.fd(), partialPath(c))
	if err != nil {
		return false, fmt.Errorf("repo %s: commit %s: %w", r.path, c, err)
	}
	return partial, nil
}

func partialPath(c object.Checksum) string { return "state/" + c.String() + ".commitpartial" }
