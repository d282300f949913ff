package ostreerepo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync/atomic"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
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
	case unix.EXDEV: // one device, but two mounts of it
		s.links.Store(false)
		return false, false, nil
	case unix.EMLINK, unix.EPERM: // this file has too many names, or is protected
		return false, false, nil
	}
	return false, false, err
}

// Content takes over a content object; created is false when the transaction had
// it. A missing object is a *NotFoundError. Whether the destination has it
// already is not looked up.
func (im *Importer) Content(c object.Checksum) (created bool, err error) {
	im.tx.count(func(s *Stats) { s.ContentTotal++ })
	n := object.Name{Checksum: c, Type: object.TypeFile}
	for _, s := range im.sources {
		created, err := im.content(s, n)
		if !errors.Is(err, fs.ErrNotExist) {
			return created, err
		}
	}
	return false, &NotFoundError{n}
}

// content takes the object over from s; fs.ErrNotExist says that s lacks it.
func (im *Importer) content(s *importSource, n object.Name) (created bool, err error) {
	if im.blind(s) {
		if done, created, err := im.share(s, n); done || err != nil {
			return created, err
		}
	}
	f := &File{name: n, repo: s.Repo}
	defer f.Close()
	if err := f.open(); err != nil {
		return false, s.objectError(n, err)
	}
	if err := im.checkMode(s, f); err != nil {
		return false, err
	}
	if im.keeps(s, f) {
		if done, created, err := im.takeOver(s, f); done || err != nil {
			return created, err
		}
	}
	return im.convert(f)
}

// blind reports whether an object of s may be linked without a look at it.
func (im *Importer) blind(s *importSource) bool {
	return s.mode == im.tx.repo.mode && s.mode != ModeBareSplitXattrs && !im.o.Verify && !im.o.BareUserOnlyFiles
}

func (im *Importer) share(s *importSource, n object.Name) (done, created bool, err error) {
	done, created, err = im.link(s, n)
	if err != nil {
		return done, created, s.objectError(n, err)
	}
	if created {
		im.tx.count(func(s *Stats) { s.ContentWritten++ })
		err = im.tx.rememberPayload(n.Checksum)
	}
	return done, created, err
}

// checkMode refuses a file that loses mode bits. As in libostree, a bare-user
// repository feeds a bare-user-only one without this, unless asked for.
func (im *Importer) checkMode(s *importSource, f *File) error {
	h := &f.Header
	if h.IsSymlink() || h.Mode&^bareUserOnlyBits == 0 {
		return nil
	}
	err := &ModeError{f.name.Checksum, h.Mode}
	switch {
	case im.tx.repo.mode == ModeBareUserOnly && s.mode != ModeBareUser:
		return fmt.Errorf("Writing content object: %w", err) //nolint:staticcheck // libostree's text
	case im.o.BareUserOnlyFiles:
		return err
	}
	return nil
}

// keeps reports whether the destination would hold the same file as s does. The
// file of a bare-user object is also that of a bare-user-only one, unless it is
// one of those that had to be made readable.
func (im *Importer) keeps(s *importSource, f *File) bool {
	to := im.tx.repo.mode
	if s.mode == to {
		return true
	}
	if s.mode != ModeBareUser || to != ModeBareUserOnly || f.Header.IsSymlink() {
		return false
	}
	var st unix.Stat_t
	err := unix.Fstat(int(f.file.Fd()), &st)
	return err == nil && uint32(st.Mode)&object.ModePerm == f.Header.Mode&0o775
}

// takeOver gives the destination the same file: shared, or a copy of it where
// converting would take longer. done is false where that can't be.
func (im *Importer) takeOver(s *importSource, f *File) (done, created bool, err error) {
	if im.o.Verify {
		if err := s.verifyHere(f.name); err != nil {
			return false, false, err
		}
	}
	p := im.put(f)
	if err := p.putSplitXattrs(); err != nil {
		return false, false, p.wrap(err)
	}
	if done, created, err := im.share(s, f.name); done || err != nil {
		return done, created, err
	}
	if s.mode != ModeArchive {
		return false, false, nil
	}
	created, err = im.copyArchive(p, f)
	if err != nil {
		return false, false, s.objectError(f.name, err)
	}
	return true, created, nil
}

func (im *Importer) put(f *File) *put {
	return &put{tx: im.tx, header: &f.Header, size: f.Size, name: f.name, known: true}
}

// verifyHere verifies a content object of this repository, not of its parents.
func (r *Repo) verifyHere(n object.Name) error {
	f := &File{name: n, repo: r}
	defer f.Close()
	if err := f.open(); err != nil {
		return r.objectError(n, err)
	}
	f.sum = f.Header.NewHash()
	return f.Verify()
}

// copyArchive copies the file of an archive object, without inflating it.
func (im *Importer) copyArchive(p *put, f *File) (created bool, err error) {
	if err := im.tx.space.take(p.size); err != nil {
		return false, err
	}
	path := im.tx.repo.loosePath(p.name)
	out, err := im.tx.staging.open(path)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err = im.fill(out, f.file); err == nil {
		out, err = im.tx.staging.verity.seal(out)
	}
	out.Close()
	if err != nil {
		im.tx.staging.unlink(path)
	}
	return err == nil, p.written(true, err)
}

func (im *Importer) fill(out, in *os.File) error {
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := linuxfs.Copy(out, in); err != nil {
		return err
	}
	if err := unix.Fchmod(int(out.Fd()), 0o644); err != nil {
		return err
	}
	return im.tx.staging.syncObject(out)
}

// convert writes the object in the destination's way.
func (im *Importer) convert(f *File) (created bool, err error) {
	if err := f.Header.Validate(); err != nil {
		return false, f.repo.objectError(f.name, err)
	}
	p := im.put(f)
	done := false
	if raw, ok := f.body.(*os.File); ok && f.Size > smallFile {
		done, err = p.storeClone(raw)
	}
	if !done && err == nil {
		err = p.store(f.body)
	}
	if err != nil {
		return false, fmt.Errorf("import from %s: %w", f.repo.path, err)
	}
	return true, nil
}
