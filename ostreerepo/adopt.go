package ostreerepo

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sys/unix"
)

// AdoptFile is PutFile for an open file that its owner gives away: where the file
// is already what the repository would make of it, it becomes the object, by one
// more hard link. Until the transaction is committed nothing about it changes; then
// its modification time becomes that of all objects. Like libostree's, the
// statistics do not count it.
func (tx *Tx) AdoptFile(h object.FileHeader, f *os.File) (object.Checksum, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return object.Checksum{}, err
	}
	p := put{tx: tx, header: &h, size: st.Size}
	if done, err := p.adopt(f, &st); done || err != nil {
		return p.name.Checksum, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return object.Checksum{}, err
	}
	return tx.PutFile(h, st.Size, f)
}

// adopt returns false where the file has to be copied.
func (p *put) adopt(f *os.File, st *unix.Stat_t) (done bool, err error) {
	if ok, err := p.adoptable(f, st); !ok || err != nil {
		return false, err
	}
	sum := p.header.NewHash()
	if err := copyBody(sum, f, p.size); err != nil {
		return false, err
	}
	var now unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &now); err != nil {
		return false, err
	}
	if now.Size != st.Size || now.Mtim != st.Mtim || now.Ctim != st.Ctim {
		return false, nil // it is being changed
	}
	if missing, err := p.settle(object.SumOf(sum)); !missing || err != nil {
		return true, err
	}
	return p.linkInto(f)
}

func (p *put) linkInto(f *os.File) (done bool, err error) {
	s, path := p.tx.staging, p.tx.repo.loosePath(p.name)
	if err := s.syncObject(f); err != nil {
		return false, p.wrap(err)
	}
	if err := s.makeDir(path); err != nil {
		return false, p.wrap(err)
	}
	switch err := linuxfs.Link(f, s.fd(), path); {
	case errors.Is(err, fs.ErrExist):
		return true, nil
	case err != nil: // another device, too many links, …
		return false, nil
	}
	p.tx.mu.Lock()
	defer p.tx.mu.Unlock()
	p.tx.adopted = append(p.tx.adopted, p.name)
	return true, nil
}

// adoptable reports whether the file has the owner, mode and xattrs that the
// object's would get. A bare-user object has an xattr that nobody's file has, and
// other modes keep no plain files.
func (p *put) adoptable(f *os.File, st *unix.Stat_t) (bool, error) {
	var repo unix.Stat_t
	if err := unix.Fstat(p.tx.repo.objectsFD(), &repo); err != nil {
		return false, err
	}
	h, uid, gid := p.header, p.header.UID, p.header.GID
	switch {
	case st.Dev != repo.Dev || h.IsSymlink():
		return false, nil
	case p.tx.repo.mode == ModeBareUserOnly:
		uid, gid = repo.Uid, st.Gid
	case p.tx.repo.mode != ModeBare:
		return false, nil
	}
	if st.Uid != uid || st.Gid != gid || uint32(st.Mode) != h.Mode {
		return false, nil
	}
	xattrs, err := CaptureXattrs(int(f.Fd()))
	return err == nil && object.Sum(xattrs.Encode()) == object.Sum(h.Xattrs.Encode()), err
}

// disown takes adopted files out of the staging directory: their owner did not lose
// them, and may change them.
func (tx *Tx) disown() error {
	for _, n := range tx.adopted {
		if err := tx.staging.unlink(tx.repo.loosePath(n)); err != nil {
			return err
		}
	}
	return nil
}

// resetTimes gives adopted files the time of objects. They are as good without.
func (tx *Tx) resetTimes() {
	for _, n := range tx.adopted {
		linuxfs.SetModTimeAt(tx.repo.objectsFD(), tx.repo.loosePath(n), time.Unix(0, 0))
	}
}
