// Package fsverity computes the digests under which Linux verifies files, without
// the kernel's help: those of SHA-256 over blocks of 4096 bytes without a salt,
// which OSTree and composefs use.
//
// The file is a row of blocks, the last one filled up with zeros. The row of their
// hashes is cut into blocks again, and so on until one hash is left, the root. The
// digest is the hash of a descriptor that says how that was done, how long the file
// is, and the root. The facts are those of the kernel's documentation of fs-verity
// (struct fsverity_descriptor).
package fsverity

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

const (
	// Size is that of a digest, in bytes.
	Size = sha256.Size
	// blockSize is that of the blocks that are hashed, in bytes.
	blockSize = 4096
)

// Sum returns the digest of a file with these contents.
func Sum(data []byte) [Size]byte {
	var d digest
	_, _ = d.Write(data)
	return d.sum()
}

// New returns a hash.Hash of what is written to it. It keeps a block for each
// level of the tree, of which there are few: five for a terabyte.
func New() hash.Hash {
	return &digest{}
}

// digest is a file that is being hashed. levels[0] holds the end of the file's
// data that is not hashed yet, levels[n+1] the hashes of the blocks of level n. A
// block that is full stays until more comes: it could be the last.
type digest struct {
	size   uint64
	levels []*block
}

type block struct {
	n    int
	data [blockSize]byte
}

// Write takes in more of the file. It never fails.
func (d *digest) Write(p []byte) (int, error) {
	d.size += uint64(len(p))
	for rest := p; len(rest) > 0; {
		if d.empty() && len(rest) > blockSize {
			d.push(1, sha256.Sum256(rest[:blockSize]))
			rest = rest[blockSize:]
			continue
		}
		rest = rest[d.fill(rest):]
	}
	return len(p), nil
}

// empty reports whether all data is hashed.
func (d *digest) empty() bool { return len(d.levels) == 0 || d.levels[0].n == 0 }

// fill copies into the block of data and returns how much.
func (d *digest) fill(p []byte) int {
	b := d.level(0)
	if b.n == blockSize {
		b.n = 0
		d.push(1, sha256.Sum256(b.data[:]))
		if len(p) > blockSize {
			return 0
		}
	}
	n := copy(b.data[b.n:], p)
	b.n += n
	return n
}

func (d *digest) level(n int) *block {
	for len(d.levels) <= n {
		d.levels = append(d.levels, &block{})
	}
	return d.levels[n]
}

// push appends a hash to a level.
func (d *digest) push(level int, sum [Size]byte) {
	b := d.level(level)
	if b.n == blockSize {
		b.n = 0
		d.push(level+1, sha256.Sum256(b.data[:]))
	}
	b.n += copy(b.data[b.n:], sum[:])
}

// Sum appends the digest of what was written to b.
func (d *digest) Sum(b []byte) []byte {
	sum := d.sum()
	return append(b, sum[:]...)
}

// sum is the digest. The levels are left as they are, for more to come.
func (d *digest) sum() [Size]byte {
	root := d.root()
	var descriptor [256]byte
	descriptor[0] = 1  // version
	descriptor[1] = 1  // SHA-256
	descriptor[2] = 12 // binary logarithm of the block size
	binary.LittleEndian.PutUint64(descriptor[8:], d.size)
	copy(descriptor[16:], root[:])
	return sha256.Sum256(descriptor[:])
}

// root is the hash that is left at the top; that of an empty file is zero.
func (d *digest) root() (root [Size]byte) {
	if d.size == 0 {
		return root
	}
	rest := digest{levels: make([]*block, len(d.levels))}
	for i, b := range d.levels {
		c := *b
		rest.levels[i] = &c
	}
	for i := 0; ; i++ {
		b := rest.levels[i]
		if i > 0 && i == len(rest.levels)-1 && b.n == Size {
			return [Size]byte(b.data[:Size])
		}
		clear(b.data[b.n:])
		rest.push(i+1, sha256.Sum256(b.data[:]))
	}
}

// Reset makes it the hash of an empty file.
func (d *digest) Reset() { *d = digest{} }

// Size is Size.
func (d *digest) Size() int { return Size }

// BlockSize is that of the blocks that are hashed, in bytes.
func (d *digest) BlockSize() int { return blockSize }
