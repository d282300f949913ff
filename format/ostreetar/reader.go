package ostreetar

import (
	"archive/tar"
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/treenail/treenail/format/object"
)

// Item is one object of a layer.
type Item struct {
	Name object.Name // of type commit, commitmeta, dirtree, dirmeta or file

	// Data is a metadata object's bytes; the memory is the caller's.
	Data []byte

	// Header, Size and Body are a content object. Body yields Size bytes and is
	// valid until the next call of Next; it is nil for a symlink. What is not
	// read of it is skipped.
	Header object.FileHeader
	Size   int64
	Body   io.Reader
}

// Reader reads the objects of one layer. It checks the form of everything, but
// no checksum: storing the object under its name does that.
//
// There are two kinds of layers, told apart by the first object. In the first
// layer of an image that is a commit, and a metadata object follows it; detached
// metadata may only be that one. All others hold nothing but content objects.
type Reader struct {
	src   *source
	tar   *tar.Reader
	index int    // number of entries read
	path  string // of the last entry
	err   error

	commit  object.Checksum // zero: none
	last    object.Name     // last object returned
	seen    map[object.Checksum]struct{}
	pending *pendingXattrs
	shared  sharedXattrs
	rec     Recorder
}

// A Recorder is given all that is read of a layer. Payload says that the next size
// bytes are the body of a content object.
type Recorder interface {
	io.Writer
	Payload(name string, size int64)
}

// Record lets rec have the layer as it is read, from the start.
func (r *Reader) Record(rec Recorder) { r.rec, r.src.rec = rec, rec }

// NewReader returns a Reader of the uncompressed tar stream r.
func NewReader(r io.Reader) *Reader {
	src := &source{r: bufio.NewReaderSize(r, bufferSize)}
	return &Reader{src: src, tar: tar.NewReader(src), seen: make(map[object.Checksum]struct{})}
}

// Next returns the next object. Directories, links to objects and files outside
// the repository in the layer are passed over. The error at the end is io.EOF,
// and comes when the underlying reader has reached its end as well, so that one
// which verifies a digest has had its say. Any other error names the entry, and
// stays.
func (r *Reader) Next() (Item, error) {
	if r.err != nil {
		return Item{}, r.err
	}
	item, err := r.next()
	r.err = err
	return item, err
}

func (r *Reader) next() (Item, error) {
	for {
		h, err := r.tar.Next()
		if err == io.EOF {
			return Item{}, r.end()
		}
		if err != nil {
			return Item{}, fmt.Errorf("after entry %d %.300q: %w", r.index, r.path, err)
		}
		r.index++
		r.path = h.Name
		item, ok, err := r.entry(h)
		if err != nil {
			return Item{}, fmt.Errorf("entry %d %.300q: %w", r.index, r.path, err)
		}
		if ok {
			r.last = item.Name
			return item, nil
		}
	}
}

// source remembers whether it was read to its end: archive/tar takes a stream
// that lacks the two zero blocks, we say that it was cut off.
type source struct {
	r     *bufio.Reader
	rec   io.Writer // may be nil
	ended bool
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	s.ended = s.ended || err == io.EOF
	if s.rec != nil {
		s.rec.Write(p[:n])
	}
	return n, err
}

func (r *Reader) end() error {
	var err error
	if r.src.ended {
		err = fmt.Errorf("no end of archive: %w", io.ErrUnexpectedEOF)
	} else if r.pending != nil {
		err = r.pending.dangling()
	}
	if err != nil {
		return fmt.Errorf("after entry %d %.300q: %w", r.index, r.path, err)
	}
	if _, err := io.Copy(io.Discard, r.src); err != nil {
		return fmt.Errorf("after the last entry: %w", err)
	}
	return io.EOF
}

// entry looks at one tar entry; ok reports whether it is an object.
func (r *Reader) entry(h *tar.Header) (item Item, ok bool, err error) {
	switch h.Typeflag {
	case tar.TypeXGlobalHeader:
		return Item{}, false, nil
	case tar.TypeReg, tar.TypeLink, tar.TypeSymlink, tar.TypeDir:
	default:
		return Item{}, false, fmt.Errorf("unsupported entry type %q: neither file, link, symlink nor directory", h.Typeflag)
	}
	if err := checkPath(h.Name); err != nil {
		return Item{}, false, err
	}
	// Format version 0 had a leading "./".
	path := strings.TrimPrefix(h.Name, "./")
	if h.Typeflag == tar.TypeDir || !strings.HasPrefix(path, ostreeDir) {
		return Item{}, false, nil
	}
	if sum, ok := cutV0Xattrs(path); ok {
		return Item{}, false, r.shareXattrs(h, sum)
	}
	if place, ok := strings.CutPrefix(path, objectsDir); ok {
		return r.object(h, place)
	}
	return Item{}, false, nil
}

// object handles an entry below objects/, "XX/REST.SUFFIX".
func (r *Reader) object(h *tar.Header, place string) (Item, bool, error) {
	sum, suffix, err := splitPlace(place)
	if err != nil {
		return Item{}, false, err
	}
	if isSparse(h) {
		return Item{}, false, errors.New("sparse file")
	}
	switch suffix {
	case "file-xattrs":
		return Item{}, false, r.shareXattrs(h, sum.String())
	case "file-xattrs-link", "file.xattrs":
		return Item{}, false, r.objectXattrs(h, sum)
	}
	typ, err := object.ParseType(suffix)
	if err != nil || typ != object.TypeFile && !typ.IsMeta() || typ == object.TypeTombstoneCommit {
		return Item{}, false, fmt.Errorf("invalid object type %.100q", suffix)
	}
	item := Item{Name: object.Name{Checksum: sum, Type: typ}}
	if err := r.checkOrder(item.Name); err != nil {
		return Item{}, false, err
	}
	if typ == object.TypeFile {
		err = r.content(h, &item)
	} else {
		item.Data, err = r.readAll(h, MaxMetadata)
	}
	return item, err == nil, err
}

// splitPlace reads "XX/REST.SUFFIX", 2 and 62 lower-case hexadecimal digits.
func splitPlace(place string) (object.Checksum, string, error) {
	dir, file, _ := strings.Cut(place, "/")
	rest, suffix, ok := strings.Cut(file, ".")
	if len(dir) != 2 || len(rest) != 62 || !ok {
		return object.Checksum{}, "", fmt.Errorf("%.100q is not the place of an object", place)
	}
	sum, err := object.ParseChecksum(dir + rest)
	return sum, suffix, err
}

func isSparse(h *tar.Header) bool {
	for key := range h.PAXRecords {
		if strings.HasPrefix(key, "GNU.sparse.") {
			return true
		}
	}
	return false
}

// checkOrder says which object may come when.
func (r *Reader) checkOrder(name object.Name) error {
	first := r.last == object.Name{}
	afterCommit := r.last.Type == object.TypeCommit
	switch {
	case r.pending != nil && name != (object.Name{Checksum: r.pending.owner, Type: object.TypeFile}):
		return r.pending.dangling()
	case name.Type == object.TypeCommit && first:
		r.commit = name.Checksum
	case name.Type == object.TypeCommit && !r.commit.IsZero():
		return fmt.Errorf("second commit, after %s", r.commit)
	case name.Type.IsMeta() && r.commit.IsZero():
		return errors.New("metadata object in a layer that does not begin with a commit")
	case name.Type == object.TypeCommitMeta && !(afterCommit && name.Checksum == r.commit):
		return errors.New("detached metadata that does not follow its commit")
	case name.Type == object.TypeFile && afterCommit:
		return errors.New("content object follows the commit, expected a metadata object")
	}
	return nil
}

// content fills item with the regular file or symlink of h.
func (r *Reader) content(h *tar.Header, item *Item) error {
	if _, dup := r.seen[item.Name.Checksum]; dup {
		return errors.New("duplicate object")
	}
	r.seen[item.Name.Checksum] = struct{}{}
	header, err := fileHeader(h)
	if err != nil {
		return err
	}
	if header.Xattrs, err = r.takeXattrs(h); err != nil {
		return err
	}
	if header.IsSymlink() {
		item.Header = symlinkHeader(item.Name.Checksum, header)
		return item.Header.Validate()
	}
	if r.rec != nil {
		r.rec.Payload(h.Name, h.Size)
	}
	item.Header = header
	item.Size = h.Size
	item.Body = &body{r.tar, item.Name}
	return header.Validate()
}

// body names the object in its errors.
type body struct {
	r    io.Reader
	name object.Name
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("object %s: %w", b.name, err)
	}
	return n, err
}

// readAll reads a regular file of at most limit bytes into memory.
func (r *Reader) readAll(h *tar.Header, limit int64) ([]byte, error) {
	if h.Typeflag != tar.TypeReg {
		return nil, errors.New("not a regular file")
	}
	if h.Size > limit {
		return nil, fmt.Errorf("object of %d bytes exceeds %d", h.Size, limit)
	}
	data := make([]byte, h.Size)
	if _, err := io.ReadFull(r.tar, data); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return data, nil
}
