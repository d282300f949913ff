package ostreetar

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/treenail/treenail/format/object"
)

// fileHeader reads owner, mode and target of a content object.
func fileHeader(h *tar.Header) (object.FileHeader, error) {
	typ := uint32(object.ModeRegular)
	switch h.Typeflag {
	case tar.TypeReg:
	case tar.TypeSymlink:
		typ = object.ModeSymlink
		if !utf8.ValidString(h.Linkname) {
			return object.FileHeader{}, fmt.Errorf("symlink target %.100q is not UTF-8", h.Linkname)
		}
	default:
		return object.FileHeader{}, errors.New("content object is neither a regular file nor a symlink")
	}
	if uid, gid := int64(h.Uid), int64(h.Gid); min(uid, gid) < 0 || max(uid, gid) > math.MaxUint32 {
		return object.FileHeader{}, fmt.Errorf("owner %d:%d out of range", h.Uid, h.Gid)
	}
	perm := h.Mode &^ object.ModeTypeMask
	if perm < 0 || perm > object.ModePerm || hasTypeBits(h) && uint32(h.Mode&object.ModeTypeMask) != typ {
		return object.FileHeader{}, fmt.Errorf("invalid mode 0%o", h.Mode)
	}
	header := object.FileHeader{UID: uint32(h.Uid), GID: uint32(h.Gid), Mode: typ | uint32(perm)}
	if typ == object.ModeSymlink {
		header.Target = h.Linkname
	}
	return header, nil
}

// hasTypeBits recognises format version 0, whose modes are those of stat(2).
func hasTypeBits(h *tar.Header) bool { return h.Mode&object.ModeTypeMask != 0 }

// symlinkHeader settles the mode of a symlink. It is 0777 practically always
// and importers don't look at the tar for it; but a commit made of a foreign
// tar can have another one. The checksum knows.
func symlinkHeader(c object.Checksum, h object.FileHeader) object.FileHeader {
	usual := h
	usual.Mode = object.ModeSymlink | 0o777
	if usual.Mode == h.Mode || h.Checksum(nil) != c {
		return usual
	}
	return h
}

// pendingXattrs are read and wait for their object, which comes next.
type pendingXattrs struct {
	owner  object.Checksum
	xattrs object.Xattrs
}

func (p *pendingXattrs) dangling() error {
	return fmt.Errorf("xattrs of object %s without the object", p.owner)
}

// objectXattrs reads the entry with the xattrs of object c: a regular file with
// the bytes, or, from older writers, a hard link to a shared file.
func (r *Reader) objectXattrs(h *tar.Header, c object.Checksum) error {
	if r.pending != nil {
		return r.pending.dangling()
	}
	if h.Typeflag == tar.TypeLink {
		x, err := r.shared.lookup(h.Linkname)
		r.pending = &pendingXattrs{c, x}
		return err
	}
	data, err := r.readAll(h, MaxXattrs)
	if err != nil {
		return err
	}
	x, err := object.DecodeXattrs(data)
	r.pending = &pendingXattrs{c, x}
	return err
}

// takeXattrs returns what waits for the object of h; checkOrder has seen that
// it is the right one.
func (r *Reader) takeXattrs(h *tar.Header) (object.Xattrs, error) {
	if r.pending == nil {
		if hasTypeBits(h) {
			return nil, nil // version 0 wrote nothing for no xattrs
		}
		return nil, errors.New("missing xattrs: no .file-xattrs-link entry before the object")
	}
	x := r.pending.xattrs
	r.pending = nil
	return x, nil
}

// maxShared bounds the memory for xattrs that many objects share, in bytes.
const maxShared = 64 << 20

// sharedXattrs are the xattrs that older writers stored once for all objects
// that have them, by the SHA-256 of their bytes in hexadecimal.
type sharedXattrs struct {
	sets map[string]object.Xattrs
	size int64
}

// cutV0Xattrs recognises where format version 0 kept shared xattrs.
func cutV0Xattrs(path string) (sum string, ok bool) {
	for _, dir := range []string{repoDir + "xattrs/", ostreeDir + "xattrs/"} {
		if sum, ok := strings.CutPrefix(path, dir); ok {
			return sum, true
		}
	}
	return "", false
}

func (r *Reader) shareXattrs(h *tar.Header, sum string) error {
	data, err := r.readAll(h, MaxXattrs)
	if err != nil {
		return err
	}
	actual := sha256.Sum256(data)
	if hex.EncodeToString(actual[:]) != sum {
		return fmt.Errorf("shared xattrs have checksum %x", actual)
	}
	x, err := object.DecodeXattrs(data)
	if err != nil {
		return err
	}
	return r.shared.add(sum, x, int64(len(data)))
}

func (s *sharedXattrs) add(sum string, x object.Xattrs, size int64) error {
	const entryCost = 256 // of an empty set in the map, about
	if s.size += size + entryCost; s.size > maxShared {
		return fmt.Errorf("more than %d bytes of shared xattrs", maxShared)
	}
	if s.sets == nil {
		s.sets = make(map[string]object.Xattrs)
	}
	s.sets[sum] = x
	return nil
}

// lookup finds the set that a hard link names, in the place of either version.
func (s *sharedXattrs) lookup(link string) (object.Xattrs, error) {
	path := strings.TrimPrefix(strings.TrimPrefix(link, "./"), "/")
	sum, ok := cutV0Xattrs(path)
	if place, isObject := strings.CutPrefix(path, objectsDir); isObject {
		c, suffix, err := splitPlace(place)
		if ok = err == nil && suffix == "file-xattrs"; ok {
			sum = c.String()
		}
	}
	x, found := s.sets[sum]
	if !ok || !found {
		return nil, fmt.Errorf("no xattrs at link target %.300q", link)
	}
	return x, nil
}
