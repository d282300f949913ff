package ostreerepo

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sys/unix"
)

// A payload link, objects/xx/rest.payload-link, is named by the SHA-256 of a
// file's body alone and is a symlink to an object with that body, ../yy/rest.file.
// By it a file that differs from one that is here in owner, mode or xattrs finds
// that and shares its blocks. Links are made for files of at least
// core.payload-link-threshold bytes, where the file system can share blocks.

// payload hashes a body for its payload link; the zero value does nothing.
type payload struct{ sum hash.Hash }

// payload returns what hashes the body beside the object's own checksum.
func (p *put) newPayload() payload {
	r := p.tx.repo
	keepsFiles := r.mode.Bare() && r.mode != ModeBareSplitXattrs
	if !keepsFiles || p.header.IsSymlink() || p.size < r.payloadThreshold || !p.tx.sharing() {
		return payload{}
	}
	return payload{sha256.New()}
}

// probeSharing reports whether files of the repository can share blocks. Any error
// but that they can't may be a passing one.
func (tx *Tx) probeSharing() bool {
	config, err := linuxfs.Open(tx.repo.fd(), "config", unix.O_RDONLY, 0)
	if err != nil {
		return true
	}
	defer config.Close()
	temp, err := linuxfs.CreateTemp(tx.staging.fd(), 0o600)
	if err != nil {
		return true
	}
	defer temp.Close()
	return !errors.Is(linuxfs.Clone(temp.File, config), errors.ErrUnsupported)
}

func (l payload) Write(data []byte) (int, error) {
	if l.sum != nil {
		l.sum.Write(data)
	}
	return len(data), nil
}

func (l payload) name() object.Name {
	return object.Name{Checksum: object.SumOf(l.sum), Type: object.TypePayloadLink}
}

// share makes the file of an object, which has its body, share the blocks of
// another object with that body. What is shared is read back: the other object may
// be damaged.
func (l payload) share(w *objectWriter) error {
	if l.sum == nil {
		return nil
	}
	other := w.tx.openPayload(l.name())
	if other == nil {
		return nil
	}
	defer other.Close()
	first, err := linuxfs.CreateTemp(w.tx.staging.fd(), 0o600)
	if err != nil {
		return err
	}
	defer first.Close()
	if linuxfs.Clone(first.File, other) != nil || !w.isBody(first.File) {
		return nil
	}
	if err := linuxfs.Clone(w.file, first.File); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return fmt.Errorf("share blocks: %w", err)
	}
	return nil
}

// isBody reports whether f holds the object's body and nothing else.
func (w *objectWriter) isBody(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Size() != w.size {
		return false
	}
	sum := w.header.NewHash()
	return copyBody(sum, f, w.size) == nil && object.SumOf(sum) == w.name.Checksum
}

// openPayload opens the object that a payload link of the transaction, the
// repository or a parent leads to, nil for none. A link whose object is gone is removed,
// but not from a parent.
func (tx *Tx) openPayload(link object.Name) *os.File {
	for at := tx.view; at != nil; at = at.parent {
		c, ok := at.payloadTarget(link)
		if !ok {
			continue
		}
		gone := true
		f := &File{name: object.Name{Checksum: c, Type: object.TypeFile}}
		for f.repo = tx.view; f.repo != nil; f.repo = f.repo.parent {
			file, err := f.openLoose(0)
			if err == nil {
				return file
			}
			gone = gone && errors.Is(err, fs.ErrNotExist)
		}
		if gone && (at == tx.view || at == tx.repo) {
			unix.Unlinkat(at.objectsFD(), at.loosePath(link), 0)
		}
	}
	return nil
}

// rememberPayload makes the payload link to an object that came as a whole.
func (tx *Tx) rememberPayload(c object.Checksum) error {
	if tx.repo.payloadThreshold == noPayloadLinks {
		return nil
	}
	f, err := tx.view.openContent(c)
	if err != nil {
		return err
	}
	defer f.Close()
	p := &put{tx: tx, header: &f.Header, size: f.Size, name: f.name}
	link := p.newPayload()
	if link.sum == nil {
		return nil
	}
	if err := copyBody(link, f.body, f.Size); err != nil {
		return p.wrap(err)
	}
	return link.remember(p)
}

// remember makes the payload link to an object that is in the repository, or will be.
func (l payload) remember(p *put) error {
	if l.sum == nil {
		return nil
	}
	link := l.name()
	if ok, err := p.tx.Has(link); ok || err != nil {
		return err
	}
	s, path := p.tx.staging, link.LoosePath(false)
	if err := s.makeDir(path); err != nil {
		return err
	}
	err := unix.Symlinkat("../"+p.name.LoosePath(false), s.fd(), path)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}
