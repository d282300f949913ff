package tree

import (
	"archive/tar"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/treenail/treenail/format/object"
)

// The place of the magic "ustar" in a header block (POSIX.1 pax).
const tarMagicAt, tarMagicEnd = 257, 262

func isTar(head []byte) bool {
	return len(head) >= tarMagicEnd && string(head[tarMagicAt:tarMagicEnd]) == "ustar"
}

// Types of entries that archive/tar has no names for (GNU tar).
const (
	tarDumpDir = 'D' // a directory, its listing as the body
	tarVolume  = 'V' // a label
)

type tarReader struct {
	*tar.Reader
	in *countReader
}

func newTarReader(r io.Reader) *tarReader {
	in := &countReader{r: r}
	return &tarReader{tar.NewReader(in), in}
}

// countReader knows how many bytes were read.
type countReader struct {
	r io.Reader
	n int64
}

func (c *countReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

const tarBlock = 512

func (t *tarReader) next() (*archiveEntry, error) {
	for {
		h, err := t.Next()
		if err == io.EOF && t.in.n%tarBlock != 0 {
			// An archive may lack its end, but not the end of a block: package tar
			// does not mind when that was only padding.
			err = io.ErrUnexpectedEOF
		}
		if errors.Is(err, tar.ErrInsecurePath) {
			err = nil // the tree has its own opinion
		}
		if err != nil {
			return nil, err
		}
		if h.Typeflag == tarVolume || h.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		return tarEntry(h)
	}
}

func tarEntry(h *tar.Header) (*archiveEntry, error) {
	e := &archiveEntry{path: h.Name, sparse: isSparse(h)}
	kind, err := tarType(h)
	if err != nil {
		return e, err
	}
	if int64(h.Uid) != int64(uint32(h.Uid)) || int64(h.Gid) != int64(uint32(h.Gid)) {
		return e, fmt.Errorf("owner %d:%d is out of range", h.Uid, h.Gid)
	}
	e.header = object.FileHeader{UID: uint32(h.Uid), GID: uint32(h.Gid), Mode: kind | uint32(h.Mode)&object.ModePerm}
	switch {
	case h.Typeflag == tar.TypeLink && h.Linkname == "":
		return e, errors.New("hard link to an empty name")
	case h.Typeflag == tar.TypeLink:
		e.link = h.Linkname
	case kind == object.ModeSymlink:
		e.header.Target = h.Linkname
	case kind == object.ModeRegular:
		e.size = h.Size
	}
	e.header.Xattrs, err = tarXattrs(h.PAXRecords)
	return e, err
}

// isSparse knows the sparse files of GNU tar, old form and pax form.
func isSparse(h *tar.Header) bool {
	if h.Typeflag == tar.TypeGNUSparse {
		return true
	}
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// tarType returns the type bits of an entry's mode. A pre-POSIX tar marks a
// directory by the slash at the end of its name alone.
func tarType(h *tar.Header) (uint32, error) {
	if h.Name == "" {
		return 0, errors.New("empty name")
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeCont, tar.TypeGNUSparse:
		if !strings.HasSuffix(h.Name, "/") {
			return object.ModeRegular, nil
		}
		if h.Size > 0 {
			return 0, fmt.Errorf("directory with a body of %d bytes", h.Size)
		}
		return object.ModeDir, nil
	case tar.TypeLink:
		return object.ModeRegular, nil
	case tar.TypeDir, tarDumpDir:
		return object.ModeDir, nil
	case tar.TypeSymlink:
		return object.ModeSymlink, nil
	case tar.TypeChar, tar.TypeBlock, tar.TypeFifo:
		return 0, nil // the tree refuses it
	}
	return 0, fmt.Errorf("unsupported entry type %q", h.Typeflag)
}

// Prefixes of the pax records that hold xattrs: star's, also GNU tar's, with the
// value as it is, and libarchive's, with the name URL-encoded and the value in
// base64. GNU tar has SELinux labels in a record of their own.
const (
	paxXattr           = "SCHILY.xattr."
	paxLibarchiveXattr = "LIBARCHIVE.xattr."
	paxSELinux         = "RHT.security.selinux"
)

func tarXattrs(records map[string]string) (object.Xattrs, error) {
	var x object.Xattrs
	for key, value := range records {
		if name, ok := strings.CutPrefix(key, paxXattr); ok {
			x = append(x, object.Xattr{Name: name, Value: []byte(value)})
		}
	}
	for key, value := range records {
		a := object.Xattr{Name: "security.selinux", Value: []byte(value)}
		if encoded, ok := strings.CutPrefix(key, paxLibarchiveXattr); ok {
			var err error
			if a, err = libarchiveXattr(encoded, value); err != nil {
				return nil, err
			}
		} else if key != paxSELinux {
			continue
		}
		if _, ok := x.Lookup(a.Name); !ok { // libarchive writes both
			x = append(x, a)
		}
	}
	if _, ok := x.Lookup(""); ok {
		return nil, errors.New("xattr with an empty name")
	}
	return x.Canonical(), nil
}

func libarchiveXattr(name, value string) (object.Xattr, error) {
	decoded, err := url.PathUnescape(name)
	if err != nil {
		return object.Xattr{}, fmt.Errorf("pax record %s%s: %w", paxLibarchiveXattr, name, err)
	}
	data, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(value, "="))
	if err != nil {
		return object.Xattr{}, fmt.Errorf("pax record %s%s: %w", paxLibarchiveXattr, name, err)
	}
	return object.Xattr{Name: decoded, Value: data}, nil
}
