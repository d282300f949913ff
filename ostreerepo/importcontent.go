package ostreerepo

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sys/unix"
)

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
	case im.o.BareUserOnlyFiles:
		return err
	case im.tx.repo.mode == ModeBareUserOnly && s.mode != ModeBareUser:
		return fmt.Errorf("Writing content object: %w", err) //nolint:staticcheck // libostree's text
	}
	return nil
}

// keeps reports whether the destination would hold the same file as s does. The
// file of a bare-user object is also that of a bare-user-only one, unless it is
// one of those that had to be made readable: there libostree links a file whose
// mode is wrong.
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
