package tree

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/treenail/treenail/format/object"
)

// The three ASCII formats of cpio, by magic number: newc is hexadecimal with
// padding to 4 bytes, crc is newc with a sum of each body's bytes, odc (POSIX.1)
// is octal without padding (cpio(5)).
const (
	cpioNewc = "070701"
	cpioCRC  = "070702"
	cpioODC  = "070707"

	cpioTrailer = "TRAILER!!!" // the name of the last entry
	cpioMaxName = 64 << 10     // bytes; also of a symlink's target
)

func isCpio(head []byte) bool {
	if len(head) < 6 {
		return false
	}
	magic := string(head[:6])
	return magic == cpioNewc || magic == cpioCRC || magic == cpioODC
}

type cpioReader struct {
	in   *bufio.Reader
	left int64 // bytes of the body not read yet
	pad  int64 // after the body

	sum, want uint32 // of the body of a crc entry
	check     bool

	links map[inode]*cpioLink
}

// cpioLink is the first name of a file that has several. Each further name is an
// entry of its own, and any of them may have the body.
type cpioLink struct {
	name string
	left uint64 // names to come
}

func newCpioReader(in *bufio.Reader) *cpioReader {
	return &cpioReader{in: in, links: map[inode]*cpioLink{}}
}

// cpioHeader is an entry's header without what a tree has no use for.
type cpioHeader struct {
	dev, ino, nlink, mode, uid, gid uint64
	size, nameSize, sum             uint64
}

func (c *cpioReader) next() (*archiveEntry, error) {
	if _, err := io.CopyN(io.Discard, c.in, c.left+c.pad); err != nil {
		return nil, orUnexpectedEOF(err)
	}
	c.left, c.pad, c.check = 0, 0, false
	h, align, err := c.readHeader()
	if err != nil {
		return nil, err
	}
	name, err := c.readName(h, align)
	if err != nil {
		return nil, err
	}
	if name == cpioTrailer {
		return nil, io.EOF
	}
	c.left, c.pad = int64(h.size), padding(int64(h.size), align)
	return c.entry(h, name)
}

// readHeader also returns the alignment of what follows it.
func (c *cpioReader) readHeader() (h cpioHeader, align int64, err error) {
	var magic [6]byte
	if _, err := io.ReadFull(c.in, magic[:]); err != nil {
		return h, 0, orUnexpectedEOF(err)
	}
	f := cpioFields{in: c.in}
	switch string(magic[:]) {
	case cpioNewc, cpioCRC:
		h = f.newc()
		align = 4
	case cpioODC:
		h = f.odc()
		align = 1
	default:
		return h, 0, fmt.Errorf("invalid cpio magic %q", magic[:])
	}
	if string(magic[:]) == cpioCRC {
		c.check, c.want, c.sum = true, uint32(h.sum), 0
	}
	return h, align, f.err
}

// cpioFields reads numbers in ASCII and keeps the first error.
type cpioFields struct {
	in  io.Reader
	err error
}

func (f *cpioFields) number(digits, base int) uint64 {
	var text [11]byte
	if f.err != nil {
		return 0
	}
	if _, err := io.ReadFull(f.in, text[:digits]); err != nil {
		f.err = orUnexpectedEOF(err)
		return 0
	}
	n, err := strconv.ParseUint(string(text[:digits]), base, 64)
	if err != nil {
		f.err = fmt.Errorf("invalid number %q in cpio header", text[:digits])
	}
	return n
}

func (f *cpioFields) newc() (h cpioHeader) {
	hex := func() uint64 { return f.number(8, 16) }
	h.ino, h.mode, h.uid, h.gid, h.nlink = hex(), hex(), hex(), hex(), hex()
	hex() // mtime
	h.size = hex()
	h.dev = hex()<<32 | hex()
	hex() // device number of a device node
	hex()
	h.nameSize, h.sum = hex(), hex()
	return h
}

func (f *cpioFields) odc() (h cpioHeader) {
	oct := func() uint64 { return f.number(6, 8) }
	h.dev, h.ino, h.mode, h.uid, h.gid, h.nlink = oct(), oct(), oct(), oct(), oct(), oct()
	oct()           // device number of a device node
	f.number(11, 8) // mtime
	h.nameSize = oct()
	h.size = f.number(11, 8)
	return h
}

const cpioNewcHeader = 6 + 13*8 // bytes

func padding(n, align int64) int64 { return (align - n%align) % align }

func (c *cpioReader) readName(h cpioHeader, align int64) (string, error) {
	if h.nameSize < 2 || h.nameSize > cpioMaxName {
		return "", fmt.Errorf("cpio entry with a name of %d bytes", h.nameSize)
	}
	name := make([]byte, h.nameSize)
	if _, err := io.ReadFull(c.in, name); err != nil {
		return "", orUnexpectedEOF(err)
	}
	if _, err := c.in.Discard(int(padding(cpioNewcHeader+int64(h.nameSize), align))); err != nil {
		return "", orUnexpectedEOF(err)
	}
	text, ok := strings.CutSuffix(string(name), "\x00")
	if !ok || strings.IndexByte(text, 0) >= 0 {
		return "", fmt.Errorf("cpio entry %q: name does not end at its only NUL", name)
	}
	return text, nil
}

func (c *cpioReader) entry(h cpioHeader, name string) (*archiveEntry, error) {
	mode := uint32(h.mode)
	e := &archiveEntry{path: name, size: int64(h.size)}
	e.header = object.FileHeader{UID: uint32(h.uid), GID: uint32(h.gid), Mode: mode & (object.ModeTypeMask | object.ModePerm)}
	switch mode & object.ModeTypeMask {
	case object.ModeSymlink:
		target, err := c.readTarget(h.size)
		if err != nil {
			return e, err
		}
		e.header.Target, e.size = target, 0
	case object.ModeRegular:
	case object.ModeDir:
		if h.size > 0 {
			return e, fmt.Errorf("directory with a body of %d bytes", h.size)
		}
		return e, nil
	default:
		return e, nil // the tree refuses it
	}
	e.link = c.firstName(h, name)
	return e, nil
}

func (c *cpioReader) readTarget(size uint64) (string, error) {
	if size > cpioMaxName {
		return "", fmt.Errorf("symlink target of %d bytes", size)
	}
	target := make([]byte, size)
	if _, err := io.ReadFull(c, target); err != nil {
		return "", orUnexpectedEOF(err)
	}
	return string(target), nil
}

// firstName returns the name that an earlier entry has given to the same file,
// "" if there is none.
func (c *cpioReader) firstName(h cpioHeader, name string) string {
	if h.nlink < 2 {
		return ""
	}
	key := inode{h.dev, h.ino}
	l := c.links[key]
	if l == nil {
		c.links[key] = &cpioLink{name, h.nlink - 1}
		return ""
	}
	if l.left--; l.left == 0 {
		delete(c.links, key)
	}
	return l.name
}

var errCpioSum = errors.New("wrong checksum of the body")

func (c *cpioReader) Read(p []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	n, err := c.in.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	if c.check {
		for _, b := range p[:n] {
			c.sum += uint32(b)
		}
	}
	switch {
	case err != nil:
		err = orUnexpectedEOF(err)
	case c.check && c.left == 0 && c.sum != c.want:
		err = errCpioSum
	}
	return n, err
}
