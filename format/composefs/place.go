package composefs

import (
	"math"
	"math/bits"

	"github.com/treenail/treenail/format/object"
)

const (
	superOffset = 1024 // of the superblock
	superSize   = 128
	blockBits   = 12
	blockSize   = 1 << blockBits
	slotSize    = 32 // inodes begin at multiples of it

	compactSize  = 32 // of an inode
	extendedSize = 64

	maxChunkBits = blockBits + 31
)

// placement is where an inode lies and what of its data is in it.
type placement struct {
	compact    bool   // of the two sizes of inodes the smaller one
	padding    uint64 // bytes before the inode
	slot       uint64 // the number by which entries refer to it
	xattrsSize uint64 // bytes, with their header
	tail       uint64 // bytes of the data behind the inode: the end, or all of it
	blocks     uint64 // of the data elsewhere
}

func alignUp(n, to uint64) uint64 { return (n + to - 1) / to * to }

// chunkBits is the binary logarithm of the size of the chunks of a file of holes:
// one chunk where that is possible.
func chunkBits(size uint64) int {
	return min(max(bits.Len64(size-1), blockBits), maxChunkBits)
}

func chunks(size uint64) uint64 {
	return (size-1)>>chunkBits(size) + 1
}

// place finds the places of all inodes, one after the other.
func (m *image) place() {
	pos := uint64(superOffset + superSize)
	for _, in := range m.inodes {
		in.measure()
		in.compact = in.fitsCompact(m.earliest)
		start := alignUp(pos, slotSize)
		start += in.keepTogether(start)
		in.padding, in.slot = start-pos, start/slotSize
		pos = start + in.headSize() + in.tail
		m.blocks += in.blocks
	}
	m.inodesEnd = alignUp(pos, slotSize)
}

// headSize is that of the inode and its xattrs.
func (in *inode) headSize() uint64 {
	if in.compact {
		return compactSize + in.xattrsSize
	}
	return extendedSize + in.xattrsSize
}

// measure finds what xattrs and data take, and where the data goes if there is
// room for it.
func (in *inode) measure() {
	shared, own := in.split()
	if len(in.xattrs) > 0 {
		in.xattrsSize = 12 + 4*uint64(len(shared))
		for _, a := range own {
			in.xattrsSize += a.size()
		}
	}
	switch {
	case in.kind() == object.ModeDir:
		blocks := in.direntBlocks()
		in.blocks = uint64(len(blocks)) - 1
		in.setTail(direntsSize(blocks[in.blocks]))
	case in.kind() == object.ModeSymlink:
		in.tail = in.size
	case in.isRemote():
		in.tail = 4 * chunks(in.size)
	case in.kind() == object.ModeRegular && in.size > 0:
		in.blocks = in.size / blockSize
		in.setTail(in.size % blockSize)
	}
}

// setTail puts the last part of the data behind the inode, unless it is more than
// half a block.
func (in *inode) setTail(size uint64) {
	if size > blockSize/2 {
		in.moveTail()
	} else {
		in.tail = size
	}
}

// moveTail puts the last part of the data into a block.
func (in *inode) moveTail() {
	in.tail = 0
	in.blocks++
}

// fitsCompact reports whether the smaller kind of inode can say all of it. That
// kind has no time: it is the file system's.
func (in *inode) fitsCompact(earliest *Node) bool {
	size := in.size
	if in.kind() == object.ModeDir {
		size = in.blocks*blockSize + in.tail
	}
	return in.Seconds == earliest.Seconds && in.Nanoseconds == earliest.Nanoseconds &&
		max(in.nlink, in.UID, in.GID) <= math.MaxUint16 && size <= math.MaxUint32
}

// keepTogether returns how many bytes to leave free before an inode that could be
// at start, so that what has to lie within one block does: the tail, of a symlink
// with the inode. What can't is moved out of the inode.
func (in *inode) keepTogether(start uint64) (padding uint64) {
	if in.kind() == object.ModeSymlink {
		end := start + in.headSize() + in.tail - 1
		if in.headSize()+in.tail >= blockSize {
			in.moveTail()
		}
		if start/blockSize != end/blockSize {
			return toNextBlock(start)
		}
		return 0
	}
	room := blockSize - (start+in.headSize())%blockSize
	if room >= in.tail {
		return 0
	}
	padding = alignUp(room, slotSize)
	if room = blockSize - (start+in.headSize()+padding)%blockSize; room >= in.tail {
		return padding
	}
	in.moveTail()
	return toNextBlock(start)
}

func toNextBlock(pos uint64) uint64 { return alignUp(pos, blockSize) - pos }

const direntSize = 12 // without the name

// direntBlocks cuts the entries of a directory into what fits a block each.
func (in *inode) direntBlocks() [][]entry {
	var blocks [][]entry
	first, size := 0, 0
	for i, e := range in.entries {
		n := direntSize + len(e.name)
		if size+n > blockSize {
			blocks = append(blocks, in.entries[first:i])
			first, size = i, 0
		}
		size += n
	}
	return append(blocks, in.entries[first:])
}

func direntsSize(entries []entry) uint64 {
	size := 0
	for _, e := range entries {
		size += direntSize + len(e.name)
	}
	return uint64(size)
}
