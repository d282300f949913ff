package ostreetar

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/treenail/treenail/format/object"
)

const bufferSize = 128 << 10

var zeros [2 * blockSize]byte

// Writer writes the tar stream of one layer. It decides about bytes, not about
// order: the caller gives the entries in the order of the layer.
//
// A first layer is Dir("./"), Structure, the commit, its detached metadata, and
// then metadata objects and directories; after them, like in every other layer
// after Structure, each content object with the paths it has. Close ends it.
//
// The first error stays: all later calls return it.
type Writer struct {
	w   io.Writer
	buf []byte
	err error

	object     block  // header of the object last given to Content
	objectPath string // empty before the first
	objectSize int64
}

// NewWriter returns a Writer to w. It has a buffer of its own.
func NewWriter(w io.Writer) *Writer {
	return &Writer{w: w, buf: make([]byte, 0, bufferSize)}
}

// Structure writes the directories and the config of the repository in the
// layer, 138240 bytes that are the same in every layer.
func (w *Writer) Structure() error {
	w.write(structure())
	return w.err
}

var structure = sync.OnceValue(func() []byte {
	var out bytes.Buffer
	w := NewWriter(&out)
	for _, dir := range structureDirs() {
		w.entry(newBlock(typeDir, 0, 0, 0o755, 0), dir, "")
	}
	w.file(repoDir+"config", []byte(repoConfig))
	w.flush()
	return out.Bytes()
})

// Dir writes a directory. The path is relative; "./" is the root. Type bits in
// mode are dropped.
func (w *Writer) Dir(path string, uid, gid, mode uint32) error {
	if w.valid(path) {
		w.entry(newBlock(typeDir, uid, gid, mode&object.ModePerm, 0), path, "")
	}
	return w.err
}

// Metadata writes a commit, commitmeta, dirtree or dirmeta object.
func (w *Writer) Metadata(name object.Name, data []byte) error {
	switch {
	case !name.Type.IsMeta() || name.Type == object.TypeTombstoneCommit:
		w.fail(fmt.Errorf("object %s: not a metadata object of a layer", name))
	case len(data) > MaxMetadata:
		w.fail(fmt.Errorf("object %s: %d bytes, importers take no more than %d", name, len(data), MaxMetadata))
	default:
		w.file(ObjectPath(name), data)
	}
	return w.err
}

// Content writes a content object: its xattrs, then the file with size bytes of
// body, which is read to its end. The body of a symlink may be nil. Each object
// is written once; Link gives it its paths.
func (w *Writer) Content(c object.Checksum, h object.FileHeader, size int64, body io.Reader) error {
	if err := w.content(c, &h, size, body); err != nil {
		w.fail(fmt.Errorf("object %s: %w", object.Name{Checksum: c, Type: object.TypeFile}, err))
	}
	return w.err
}

func (w *Writer) content(c object.Checksum, h *object.FileHeader, size int64, body io.Reader) error {
	if err := h.Validate(); err != nil {
		return err
	}
	if !utf8.ValidString(h.Target) {
		return fmt.Errorf("symlink target %q is not UTF-8", h.Target)
	}
	xattrs := h.Xattrs.Encode()
	if len(xattrs) > MaxXattrs {
		return fmt.Errorf("%d bytes of xattrs, importers take no more than %d", len(xattrs), MaxXattrs)
	}
	records, err := paxRecords(h.Xattrs)
	if err != nil {
		return err
	}
	w.file(ObjectPath(object.Name{Checksum: c, Type: object.TypeFileXattrsLink}), xattrs)
	if len(records) > 0 {
		w.pax(records)
	}
	w.objectPath = ObjectPath(object.Name{Checksum: c, Type: object.TypeFile})
	w.objectSize = size
	if h.IsSymlink() {
		w.objectSize = 0
		w.object = *newBlock(typeSymlink, h.UID, h.GID, h.Mode&object.ModePerm, 0)
		w.entry(&w.object, w.objectPath, h.Target)
		return w.err
	}
	w.object = *newBlock(typeRegular, h.UID, h.GID, h.Mode&object.ModePerm, size)
	w.entry(&w.object, w.objectPath, "")
	return w.copy(size, body)
}

// Link gives a path to the object last given to Content, as a hard link. An
// empty regular file is written as a file of its own instead, so that touching
// it in a container build leaves the object alone.
func (w *Writer) Link(path string) error {
	if w.objectPath == "" {
		w.fail(fmt.Errorf("link %q: no content object written yet", path))
	}
	if !w.valid(path) {
		return w.err
	}
	// A copy of the object's header: this is where the bytes behind the NUL
	// in the name field come from.
	h := w.object
	target := ""
	if h[156] != typeRegular || w.objectSize > 0 {
		h.setType(typeLink)
		h.setSize(0)
		target = w.objectPath
	}
	w.entry(&h, path, target)
	return w.err
}

// Close writes the end of the archive. It does not close the underlying writer.
func (w *Writer) Close() error {
	w.write(zeros[:2*blockSize])
	w.flush()
	err := w.err
	w.fail(errors.New("ostreetar: write after close"))
	return err
}

// valid fails the writer when path can't stand in a layer.
func (w *Writer) valid(path string) bool {
	if err := checkPath(path); err != nil {
		w.fail(fmt.Errorf("path %q: %w", path, err))
	}
	return w.err == nil
}

func (w *Writer) fail(err error) {
	if w.err == nil {
		w.err = err
	}
}

// file writes a whole regular file of root with mode 0644.
func (w *Writer) file(path string, data []byte) {
	w.entry(newBlock(typeRegular, 0, 0, 0o644, int64(len(data))), path, "")
	w.write(data)
	w.pad(int64(len(data)))
}

// entry puts the names into h and writes it, after "L" and "K" entries for what
// the fields can't hold. It leaves h as written.
func (w *Writer) entry(h *block, path, target string) {
	if !fillName(h.name(), path) {
		w.long(typeLongName, path)
		fillName(h.name(), truncated(path))
	}
	if target != "" && !exactLink(h, target) {
		w.long(typeLongLink, target)
	}
	h.seal()
	w.write(h[:])
}

// exactLink fills the linkname field and reports whether it holds the target
// as it is. A target with "//" is put in literally, as ostree-ext does.
func exactLink(h *block, target string) bool {
	if strings.Contains(target, "//") && len(target) <= slotSize {
		s := slot{field: h.linkname()}
		return s.put(target)
	}
	return fillLink(h.linkname(), target) && text(h.linkname()) == target
}

func (w *Writer) long(typ byte, s string) {
	size := int64(len(s) + 1)
	h := newBlock(typ, 0, 0, 0o644, size)
	fillSlot(h.name(), "", []string{"././@LongLink"})
	h.seal()
	w.write(h[:])
	w.write([]byte(s))
	w.write(zeros[:1])
	w.pad(size)
}

func (w *Writer) pax(records []byte) {
	h := newPAXBlock(int64(len(records)))
	h.seal()
	w.write(h[:])
	w.write(records)
	w.pad(int64(len(records)))
}
