package export

import (
	"io"

	"github.com/treenail/treenail/format/object"
)

// archive writes entries in the form that libarchive gives them.
type archive struct {
	w      io.Writer
	format Format
	mtime  uint64 // of all entries, in seconds
}

// newArchive makes an archive whose entries are of the time of a commit. Times
// too late for a signed number are 0, as libarchive has them.
func newArchive(w io.Writer, format Format, timestamp uint64) *archive {
	if int64(timestamp) < 0 {
		timestamp = 0
	}
	return &archive{w: w, format: format, mtime: timestamp}
}

// header begins a file or directory. The body of a regular file is next.
func (a *archive) header(name string, h object.FileHeader, size int64) error {
	typ := byte(typeRegular)
	switch h.Mode & object.ModeTypeMask {
	case object.ModeDir:
		typ = typeDir
	case object.ModeSymlink:
		typ = typeSymlink
	}
	return a.entry(&member{name: name, linkname: h.Target, typ: typ, header: h, size: size})
}

// link writes a hard link to an earlier entry.
func (a *archive) link(name string, h object.FileHeader, target string) error {
	h.Xattrs = nil // the target's
	return a.entry(&member{name: name, linkname: target, typ: typeLink, header: h})
}

// member is what the header of an entry says.
type member struct {
	name, linkname string
	typ            byte
	header         object.FileHeader // owner, permissions and xattrs
	size           int64
}

func (a *archive) entry(m *member) error {
	extend := a.extendGNU
	if a.format == FormatPAX {
		extend = a.extendPAX
	}
	if err := extend(m); err != nil {
		return err
	}
	b := a.newBlock(m.typ, m.size)
	b.setName(m.name)
	b.setLinkname(m.linkname)
	b.setOwner(m.header.UID, m.header.GID)
	b.setMode(m.header.Mode & object.ModePerm)
	b.setTime(a.mtime)
	return a.block(b)
}

func (a *archive) newBlock(typ byte, size int64) *block {
	b := &block{}
	copy(b[257:265], "ustar  \x00")
	if a.format == FormatPAX {
		copy(b[257:265], "ustar\x0000")
	}
	b.setMode(0)
	b.setOwner(0, 0)
	b.setTime(0)
	b.setSize(size)
	b[156] = typ
	return b
}

func (a *archive) block(b *block) error {
	b.seal()
	_, err := a.w.Write(b[:])
	return err
}

// body writes size bytes and fills the last block. r is read to its end, where a
// content object says whether it was sound.
func (a *archive) body(r io.Reader, size int64) error {
	n, err := io.Copy(a.w, r)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	return a.pad(size)
}

func (a *archive) pad(size int64) error {
	var zeros [blockSize]byte
	_, err := a.w.Write(zeros[:-size&(blockSize-1)])
	return err
}

// end writes the two empty blocks that end an archive.
func (a *archive) end() error {
	_, err := a.w.Write(make([]byte, 2*blockSize))
	return err
}

// extendGNU writes entries with the link name and the name of m where those are
// too long for the header.
func (a *archive) extendGNU(m *member) error {
	if len(m.linkname) > nameSize {
		if err := a.longName(typeLongLink, m.linkname, m); err != nil {
			return err
		}
	}
	if len(m.name) > nameSize {
		return a.longName(typeLongName, m.name, m)
	}
	return nil
}

func (a *archive) longName(typ byte, name string, m *member) error {
	b := a.newBlock(typ, int64(len(name))+1)
	b.setName("././@LongLink")
	b.setLinkname(m.linkname) // of no use, but libarchive does it
	copy(b[265:], "root")
	copy(b[297:], "wheel")
	if err := a.block(b); err != nil {
		return err
	}
	if _, err := io.WriteString(a.w, name+"\x00"); err != nil {
		return err
	}
	return a.pad(int64(len(name)) + 1)
}
