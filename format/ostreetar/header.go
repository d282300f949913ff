package ostreetar

import (
	"strings"
	"unicode/utf8"
)

const (
	blockSize = 512
	slotSize  = 100
)

// block is one tar header. The layout is that of POSIX ustar and of GNU tar,
// which agree in the fields used here:
//
//	  0 name      100 mode    108 uid      116 gid    124 size  136 mtime
//	148 checksum  156 type    157 linkname 257 magic  263 version
type block [blockSize]byte

func (b *block) name() []byte     { return b[0:100] }
func (b *block) linkname() []byte { return b[157:257] }

// Type flags.
const (
	typeRegular  = '0'
	typeLink     = '1'
	typeSymlink  = '2'
	typeDir      = '5'
	typeLongName = 'L' // the next entry's name, GNU
	typeLongLink = 'K' // the next entry's link name, GNU
	typePAX      = 'x'
)

// newBlock returns a GNU header without a name.
func newBlock(typ byte, uid, gid, mode uint32, size int64) *block {
	b := new(block)
	octal(b[100:108], uint64(mode))
	b.setOwner(uid, gid)
	b.setSize(size)
	octal(b[136:148], 0)
	b.setType(typ)
	copy(b[257:], "ustar  \x00")
	return b
}

// newPAXBlock returns the header of an extended header of size bytes.
func newPAXBlock(size int64) *block {
	b := new(block)
	b.setSize(size)
	octal(b[136:148], 0)
	b.setType(typePAX)
	copy(b[257:], "ustar\x0000")
	return b
}

func (b *block) setType(typ byte)   { b[156] = typ }
func (b *block) setSize(size int64) { number(b[124:136], uint64(size)) }
func (b *block) setOwner(uid, gid uint32) {
	number(b[108:116], uint64(uid))
	number(b[116:124], uint64(gid))
}

// seal puts in the checksum: the sum of all bytes with the field itself as
// spaces, in 7 octal digits where other writers have 6, NUL and space.
func (b *block) seal() {
	copy(b[148:156], "        ")
	var sum uint64
	for _, c := range b {
		sum += uint64(c)
	}
	octal(b[148:156], sum)
}

// octal fills field with leading zeros, the digits of n, and a NUL.
func octal(field []byte, n uint64) {
	last := len(field) - 1
	field[last] = 0
	for i := last - 1; i >= 0; i-- {
		field[i] = '0' + byte(n&7)
		n >>= 3
	}
}

// number is octal, or base 256 with the top bit set when n has too many digits.
func number(field []byte, n uint64) {
	if n < 1<<(3*(len(field)-1)) {
		octal(field, n)
		return
	}
	for i := len(field) - 1; i >= 0; i-- {
		field[i] = byte(n)
		n >>= 8
	}
	field[0] |= 0x80
}

// slot is a name or linkname field being filled the way tar-rs does it: piece by
// piece, one NUL after each piece if there is room, nothing else ever cleared.
type slot struct {
	field []byte
	used  int
}

func (s *slot) put(piece string) bool {
	if len(piece) > len(s.field)-s.used {
		return false
	}
	s.used += copy(s.field[s.used:], piece)
	if s.used < len(s.field) {
		s.field[s.used] = 0
	}
	return true
}

func (s *slot) putPath(parts []string) bool {
	for i, part := range parts {
		if i > 0 && parts[i-1] != "/" && !s.put("/") {
			return false
		}
		if !s.put(part) {
			return false
		}
	}
	return true
}

// fillName writes path to the name field and reports whether it fits. What was
// written before the first piece that doesn't fit stays.
func fillName(field []byte, path string) bool {
	parts := components(path)
	if len(parts) > 1 && parts[0] == "." {
		parts = parts[1:]
	}
	return fillSlot(field, path, parts)
}

// fillLink writes a link's target to the linkname field likewise.
func fillLink(field []byte, target string) bool {
	return fillSlot(field, target, components(target))
}

func fillSlot(field []byte, path string, parts []string) bool {
	s := slot{field: field}
	return s.putPath(parts) && (!strings.HasSuffix(path, "/") || s.put("/"))
}

// components splits a path: "/" for the root, no empty parts, "." only in front.
func components(path string) []string {
	var parts []string
	if strings.HasPrefix(path, "/") {
		parts = append(parts, "/")
	}
	for part := range strings.SplitSeq(path, "/") {
		if part != "" && (part != "." || len(parts) == 0) {
			parts = append(parts, part)
		}
	}
	return parts
}

// truncated is the part of a path that goes into the name field when the whole
// is in an "L" entry.
func truncated(path string) string {
	cut := path[:min(slotSize, len(path))]
	for i, r := range cut {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(cut[i:]); n == 1 {
				return cut[:i]
			}
		}
	}
	return cut
}

// text is what a reader takes from a slot: all before the first NUL.
func text(field []byte) string {
	s, _, _ := strings.Cut(string(field), "\x00")
	return s
}
