package composefs

import (
	"bufio"
	"encoding/binary"
	"io"

	"github.com/treenail/treenail/format/fsverity"
	"github.com/treenail/treenail/format/object"
)

// Write writes the image of a tree and returns its fs-verity digest, which is also
// to be had with io.Discard. An error of the tree, a name or a size that can't be,
// comes before anything is written.
func Write(w io.Writer, root *Node) (digest [fsverity.Size]byte, err error) {
	m, err := newImage(root)
	if err != nil {
		return digest, err
	}
	m.place()
	sum := fsverity.New()
	out := &writer{w: bufio.NewWriterSize(io.MultiWriter(sum, w), 64<<10), nextBlock: m.dataStart() / blockSize}
	out.image(m)
	err = out.w.Flush() // the first error of all
	return [fsverity.Size]byte(sum.Sum(nil)), err
}

// dataStart is the offset of the blocks.
func (m *image) dataStart() uint64 { return alignUp(m.inodesEnd+m.attrs.size, blockSize) }

// writer writes the parts of an image in their order.
type writer struct {
	w         *bufio.Writer
	pos       uint64
	buf       []byte // what is being put together
	nextBlock uint64 // for the data of the next inode that has some outside
}

// flush writes what was put together.
func (w *writer) flush() {
	w.pos += uint64(len(w.buf))
	_, _ = w.w.Write(w.buf) // the error stays for the last Flush
	w.buf = w.buf[:0]
}

// pad appends zeros up to a multiple of to bytes.
func (w *writer) pad(to uint64) {
	pos := w.pos + uint64(len(w.buf))
	w.zeros(alignUp(pos, to) - pos)
}

func (w *writer) zeros(n uint64) { w.buf = append(w.buf, make([]byte, n)...) }

func (w *writer) u16(v uint64) { w.buf = binary.LittleEndian.AppendUint16(w.buf, uint16(v)) }
func (w *writer) u32(v uint64) { w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(v)) }
func (w *writer) u64(v uint64) { w.buf = binary.LittleEndian.AppendUint64(w.buf, v) }

func (w *writer) image(m *image) {
	w.header(m)
	w.pad(superOffset)
	w.superblock(m)
	w.flush()
	for _, in := range m.inodes {
		w.inode(m, in)
		w.flush()
	}
	w.pad(slotSize)
	for _, a := range m.attrs.shared {
		w.xattr(a)
		w.flush()
	}
	w.pad(blockSize)
	for _, in := range m.inodes {
		w.data(in)
		w.flush()
	}
}

// header is what composefs puts before the file system.
func (w *writer) header(m *image) {
	w.u32(0xd078629a)
	w.u32(1) // version of this header
	flags := uint64(0)
	if m.attrs.hasACL() {
		flags = 1
	}
	w.u32(flags)
	w.u32(uint64(m.version))
}

func (w *writer) superblock(m *image) {
	start := len(w.buf)
	w.u32(0xe0f5e1e2)
	w.u32(0)         // checksum: there is none
	w.u32(2 | 4)     // features: times, filters of names of xattrs
	w.u16(blockBits) // and no extensions
	w.u16(m.inodes[0].slot)
	w.u64(uint64(len(m.inodes)))
	w.u64(uint64(m.earliest.Seconds))
	w.u32(uint64(m.earliest.Nanoseconds))
	w.u32(m.dataStart()/blockSize + m.blocks)
	w.u32(0) // the block at which slots are counted from
	w.u32(m.inodesEnd / blockSize)
	w.zeros(superSize - uint64(len(w.buf)-start))
}

// inode writes the inode, its xattrs, and the data that lies behind it.
func (w *writer) inode(m *image, in *inode) {
	w.zeros(in.padding)
	if in.compact {
		w.compact(in)
	} else {
		w.extended(in)
	}
	w.xattrs(m, in)
	if in.tail == 0 {
		return
	}
	switch {
	case in.kind() == object.ModeDir:
		blocks := in.direntBlocks()
		w.dirents(blocks[len(blocks)-1])
	case in.kind() == object.ModeSymlink:
		w.buf = append(w.buf, in.Payload...)
	case in.isRemote():
		w.holes(in.tail)
	default:
		w.buf = append(w.buf, in.Content[in.size-in.tail:]...)
	}
}

func (w *writer) compact(in *inode) {
	w.u16(in.format())
	w.u16(in.xattrCount())
	w.u16(uint64(in.mode))
	w.u16(uint64(in.nlink))
	w.u32(in.dataSize())
	w.u32(0)
	w.u32(w.location(in))
	w.u32(uint64(in.number))
	w.u16(uint64(in.UID))
	w.u16(uint64(in.GID))
	w.u32(0)
}

func (w *writer) extended(in *inode) {
	w.u16(in.format())
	w.u16(in.xattrCount())
	w.u16(uint64(in.mode))
	w.u16(0)
	w.u64(in.dataSize())
	w.u32(w.location(in))
	w.u32(uint64(in.number))
	w.u32(uint64(in.UID))
	w.u32(uint64(in.GID))
	w.u64(uint64(in.Seconds))
	w.u32(uint64(in.Nanoseconds))
	w.u32(uint64(in.nlink))
	w.zeros(16)
}

// format says which kind of inode it is and where the data lies.
func (in *inode) format() uint64 {
	const plain, inline, chunked = 0, 2, 4
	format := uint64(plain)
	switch {
	case in.isRemote():
		format = chunked
	case in.tail > 0:
		format = inline
	}
	format <<= 1
	if !in.compact {
		format |= 1
	}
	return format
}

// xattrCount is the size of the xattrs as inodes say it.
func (in *inode) xattrCount() uint64 {
	if in.xattrsSize == 0 {
		return 0
	}
	return (in.xattrsSize-12)/4 + 1
}

// dataSize is the size that the inode says.
func (in *inode) dataSize() uint64 {
	switch in.mode & object.ModeTypeMask {
	case object.ModeDir:
		return in.blocks*blockSize + in.tail
	case object.ModeRegular, object.ModeSymlink:
		return in.size
	}
	return 0
}

// location is the field of an inode that says where the data outside begins, which
// chunks a file of holes has, or which device it is.
func (w *writer) location(in *inode) uint64 {
	var v uint64
	switch in.mode & object.ModeTypeMask {
	case object.ModeChar, object.ModeBlock:
		return uint64(in.Rdev)
	case object.ModeDir, object.ModeRegular, object.ModeSymlink:
		if in.blocks > 0 {
			v = w.nextBlock
			w.nextBlock += in.blocks
		}
	}
	if in.isRemote() {
		v = v&^0xffff | uint64(chunkBits(in.size)-blockBits)
	}
	return v
}

// xattrs writes those of an inode: the numbers of the shared ones, then its own.
func (w *writer) xattrs(m *image, in *inode) {
	if len(in.xattrs) == 0 {
		return
	}
	shared, own := in.split()
	w.u32(uint64(in.filter()))
	w.u64(uint64(len(shared)))
	for _, a := range shared {
		w.u32((m.inodesEnd%blockSize + a.offset) / 4)
	}
	for _, a := range own {
		w.xattr(a)
	}
}

func (w *writer) xattr(a *attr) {
	w.buf = append(w.buf, byte(len(a.suffix)), a.index)
	w.u16(uint64(len(a.value)))
	w.buf = append(w.buf, a.suffix...)
	w.buf = append(w.buf, a.value...)
	w.pad(4)
}

// dirents writes a part of a directory: entries, then their names.
func (w *writer) dirents(entries []entry) {
	name := direntSize * len(entries)
	for _, e := range entries {
		w.u64(e.slot)
		w.u16(uint64(name))
		w.u16(fileType(e.mode))
		name += len(e.name)
	}
	for _, e := range entries {
		w.buf = append(w.buf, e.name...)
	}
}

// fileType is the type of a file as directories say it.
func fileType(mode uint32) uint64 {
	switch mode & object.ModeTypeMask {
	case object.ModeRegular:
		return 1
	case object.ModeDir:
		return 2
	case object.ModeChar:
		return 3
	case object.ModeBlock:
		return 4
	case object.ModeFIFO:
		return 5
	case object.ModeSocket:
		return 6
	}
	return 7 // symlink
}

// holes writes n bytes of numbers of chunks that are not there.
func (w *writer) holes(n uint64) {
	for range n {
		w.buf = append(w.buf, 0xff)
	}
}

// data writes the blocks of an inode.
func (w *writer) data(in *inode) {
	switch {
	case in.blocks == 0:
	case in.kind() == object.ModeDir:
		for _, block := range in.direntBlocks()[:in.blocks] {
			w.dirents(block)
			w.pad(blockSize)
		}
	case in.kind() == object.ModeSymlink:
		w.buf = append(w.buf, in.Payload...)
	case in.isRemote():
		w.holes(blockSize)
	default:
		w.buf = append(w.buf, in.Content[:min(in.size, in.blocks*blockSize)]...)
	}
	w.pad(blockSize)
}
