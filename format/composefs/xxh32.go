package composefs

import (
	"encoding/binary"
	"math/bits"
)

const (
	xxhPrime1 = 2654435761
	xxhPrime2 = 2246822519
	xxhPrime3 = 3266489917
	xxhPrime4 = 668265263
	xxhPrime5 = 374761393
)

// xxh32 is the 32-bit variant of the hash xxHash, with which EROFS makes Bloom
// filters of the names of xattrs.
func xxh32(data string, seed uint32) uint32 {
	b, h := []byte(data), seed+xxhPrime5
	if len(b) >= 16 {
		h, b = xxhLanes(b, seed)
	}
	h += uint32(len(data))
	for ; len(b) >= 4; b = b[4:] {
		h = bits.RotateLeft32(h+binary.LittleEndian.Uint32(b)*xxhPrime3, 17) * xxhPrime4
	}
	for _, c := range b {
		h = bits.RotateLeft32(h+uint32(c)*xxhPrime5, 11) * xxhPrime1
	}
	h = (h ^ h>>15) * xxhPrime2
	h = (h ^ h>>13) * xxhPrime3
	return h ^ h>>16
}

// xxhLanes takes in all whole groups of 16 bytes and returns the rest.
func xxhLanes(b []byte, seed uint32) (uint32, []byte) {
	prime1 := uint32(xxhPrime1)
	lanes := [4]uint32{seed + prime1 + xxhPrime2, seed + xxhPrime2, seed, seed - prime1}
	for ; len(b) >= 16; b = b[16:] {
		for i := range lanes {
			lanes[i] = bits.RotateLeft32(lanes[i]+binary.LittleEndian.Uint32(b[4*i:])*xxhPrime2, 13) * prime1
		}
	}
	h := bits.RotateLeft32(lanes[0], 1) + bits.RotateLeft32(lanes[1], 7)
	return h + bits.RotateLeft32(lanes[2], 12) + bits.RotateLeft32(lanes[3], 18), b
}
