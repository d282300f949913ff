package export

const (
	blockSize = 512
	nameSize  = 100 // of the fields for name and link name
)

// block is a header, laid out as in POSIX ustar and GNU tar:
//
//	  0 name      100 mode    108 uid      116 gid    124 size  136 mtime
//	148 checksum  156 type    157 linkname 257 magic  265 user name
//	297 group name
type block [blockSize]byte

// Types of entries.
const (
	typeRegular  = '0'
	typeLink     = '1'
	typeSymlink  = '2'
	typeDir      = '5'
	typeLongName = 'L' // the next entry's name, GNU
	typeLongLink = 'K' // the next entry's link name, GNU
	typePAX      = 'x' // more about the next entry, POSIX
)

// The largest numbers that fit their fields in octal.
const (
	maxID   = 1<<21 - 1
	maxSize = 1<<33 - 1 // also of a time
)

// setName and setLinkname cut off what does not fit.
func (b *block) setName(name string)     { copy(b[0:nameSize], name) }
func (b *block) setLinkname(name string) { copy(b[157:157+nameSize], name) }

func (b *block) setMode(mode uint32)  { octal(b[100:107], uint64(mode)) }
func (b *block) setSize(size int64)   { number(b[124:136], uint64(size)) }
func (b *block) setTime(mtime uint64) { octal(b[136:147], min(mtime, maxSize)) }
func (b *block) setOwner(u, g uint32) { number(b[108:116], uint64(u)); number(b[116:124], uint64(g)) }

// seal puts in the checksum: the sum of all bytes, its own counted as spaces, in
// six digits before a NUL and a space.
func (b *block) seal() {
	copy(b[148:156], "        ")
	var sum uint64
	for _, c := range b {
		sum += uint64(c)
	}
	octal(b[148:154], sum)
	b[154] = 0
}

// octal fills field with digits.
func octal(field []byte, n uint64) {
	for i := len(field) - 1; i >= 0; i-- {
		field[i] = '0' + byte(n&7)
		n >>= 3
	}
}

// number writes n in octal before a NUL, or, when it has too many digits, in base
// 256 with the top bit set.
func number(field []byte, n uint64) {
	last := len(field) - 1
	if n < 1<<(3*last) {
		octal(field[:last], n)
		field[last] = 0
		return
	}
	for i := last; i >= 0; i-- {
		field[i] = byte(n)
		n >>= 8
	}
	field[0] |= 0x80
}
