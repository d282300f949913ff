package object

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/bits"
	"strings"

	"github.com/treenail/treenail/format/gvariant"
)

// The bits of a Unix mode that objects record.
const (
	ModeTypeMask = 0o170000
	ModeFIFO     = 0o010000
	ModeChar     = 0o020000
	ModeDir      = 0o040000
	ModeBlock    = 0o060000
	ModeRegular  = 0o100000
	ModeSymlink  = 0o120000
	ModeSocket   = 0o140000
	ModePerm     = 0o7777
)

// MaxMetadataSize bounds a metadata object and an archive header, in bytes
// (OSTREE_MAX_METADATA_SIZE).
const MaxMetadataSize = 128 << 20

const (
	typeXattrs        gvariant.Type = "a(ayay)"
	typeFileHeader    gvariant.Type = "(uuuusa(ayay))"
	typeArchiveHeader gvariant.Type = "(tuuuusa(ayay))"
	typeDirMeta       gvariant.Type = "(uuua(ayay))"
)

// FileHeader is what a content object says of its file besides the body.
type FileHeader struct {
	UID, GID uint32
	Mode     uint32 // with the type bits: a regular file or a symlink
	Target   string // of a symlink
	Xattrs   Xattrs // in canonical form
}

// IsSymlink reports whether the object is a symbolic link.
func (h *FileHeader) IsSymlink() bool { return h.Mode&ModeTypeMask == ModeSymlink }

// Validate reports what no content object may be: neither a regular file nor a
// symlink, a mode with unknown bits, a target that no file system can hold.
func (h *FileHeader) Validate() error {
	switch h.Mode & ModeTypeMask {
	case ModeRegular:
		if h.Target != "" {
			return errors.New("regular file with a symlink target")
		}
	case ModeSymlink:
		if h.Target == "" || strings.IndexByte(h.Target, 0) >= 0 {
			return fmt.Errorf("invalid symlink target %q", h.Target)
		}
	default:
		return fmt.Errorf("invalid mode 0%o: neither regular file nor symlink", h.Mode)
	}
	if h.Mode&^(ModeTypeMask|ModePerm) != 0 {
		return fmt.Errorf("invalid mode 0%o", h.Mode)
	}
	return h.Xattrs.checkCanonical()
}

// NewHash returns a SHA-256 that has taken in the framed header. Write the body
// of a regular file to it, then SumOf is the object's checksum.
func (h *FileHeader) NewHash() hash.Hash {
	sum := sha256.New()
	sum.Write(frame(h.variant()))
	return sum
}

// Checksum is the name of the object with this header and body.
func (h *FileHeader) Checksum(body []byte) Checksum {
	sum := h.NewHash()
	sum.Write(body)
	return SumOf(sum)
}

func (h *FileHeader) variant() gvariant.Value {
	return gvariant.NewTuple(be32(h.UID), be32(h.GID), be32(h.Mode), be32(0),
		gvariant.NewString(h.Target), h.Xattrs.variant())
}

// EncodeArchive returns all that precedes the raw deflate stream in a .filez
// object: the framed header with the size of the body in bytes, 0 for a symlink.
func (h *FileHeader) EncodeArchive(size uint64) []byte {
	return frame(gvariant.NewTuple(be64(size), be32(h.UID), be32(h.GID), be32(h.Mode), be32(0),
		gvariant.NewString(h.Target), h.Xattrs.variant()))
}

// ReadArchiveHeader reads what EncodeArchive writes and leaves r at the start of
// the deflate stream.
func ReadArchiveHeader(r io.Reader) (FileHeader, uint64, error) {
	var prefix [8]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return FileHeader{}, 0, fmt.Errorf("archive header: %w", noEOF(err))
	}
	n := binary.BigEndian.Uint32(prefix[:])
	if n == 0 || n > MaxMetadataSize {
		return FileHeader{}, 0, fmt.Errorf("archive header: invalid length %d", n)
	}
	data, err := readBounded(r, int64(n))
	if err != nil {
		return FileHeader{}, 0, fmt.Errorf("archive header of %d bytes: %w", n, err)
	}
	v := gvariant.FromBytes(typeArchiveHeader, data)
	if err := v.CheckNormal(); err != nil {
		return FileHeader{}, 0, fmt.Errorf("archive header: %w", err)
	}
	h, err := headerOf(v, 1)
	if err != nil {
		return FileHeader{}, 0, fmt.Errorf("archive header: %w", err)
	}
	size := bits.ReverseBytes64(v.At(0).Uint64())
	if size > 1<<62 || h.IsSymlink() && size != 0 {
		return FileHeader{}, 0, fmt.Errorf("archive header: invalid size %d", size)
	}
	return h, size, nil
}

// readBounded reads n bytes; the memory it takes grows with what is really
// there, not with what a header claims.
func readBounded(r io.Reader, n int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, n))
	if err == nil && int64(len(data)) < n {
		err = io.ErrUnexpectedEOF
	}
	return data, err
}

func headerOf(v gvariant.Value, first int) (FileHeader, error) {
	xattrs, err := headerXattrs(v.At(first + 5))
	if err != nil {
		return FileHeader{}, err
	}
	h := FileHeader{
		UID:    fromBE32(v.At(first)),
		GID:    fromBE32(v.At(first + 1)),
		Mode:   fromBE32(v.At(first + 2)),
		Target: v.At(first + 4).Str(),
		Xattrs: xattrs,
	}
	if rdev := fromBE32(v.At(first + 3)); rdev != 0 {
		return FileHeader{}, fmt.Errorf("invalid rdev %d", rdev)
	}
	return h, h.Validate()
}

// EncodeUserMeta returns the value of the xattr user.ostreemeta, in which a
// bare-user repository keeps owner, mode and xattrs: (uuua(ayay)).
func (h *FileHeader) EncodeUserMeta() []byte {
	return gvariant.NewTuple(be32(h.UID), be32(h.GID), be32(h.Mode), h.Xattrs.variant()).Bytes()
}

// DecodeUserMeta reads what EncodeUserMeta writes. The target of a symlink is
// not part of it and stays empty.
func DecodeUserMeta(data []byte) (FileHeader, error) {
	v := gvariant.FromBytes(typeDirMeta, data)
	if err := v.CheckNormal(); err != nil {
		return FileHeader{}, fmt.Errorf("user.ostreemeta: %w", err)
	}
	xattrs, err := headerXattrs(v.At(3))
	if err != nil {
		return FileHeader{}, fmt.Errorf("user.ostreemeta: %w", err)
	}
	return FileHeader{UID: fromBE32(v.At(0)), GID: fromBE32(v.At(1)), Mode: fromBE32(v.At(2)), Xattrs: xattrs}, nil
}

// frame puts the length and four zero bytes before a header.
func frame(v gvariant.Value) []byte {
	data := v.Bytes()
	out := make([]byte, 8, 8+len(data))
	binary.BigEndian.PutUint32(out, uint32(len(data)))
	return append(out, data...)
}

func be32(n uint32) gvariant.Value { return gvariant.NewUint32(bits.ReverseBytes32(n)) }
func be64(n uint64) gvariant.Value { return gvariant.NewUint64(bits.ReverseBytes64(n)) }

func fromBE32(v gvariant.Value) uint32 { return bits.ReverseBytes32(v.Uint32()) }
func fromBE64(v gvariant.Value) uint64 { return bits.ReverseBytes64(v.Uint64()) }

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
