package ostreerepo

import (
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"strings"
	"sync"

	"github.com/klauspost/compress/flate"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sys/unix"
)

const userMetaXattr = "user.ostreemeta"

// File is an open content object. Read returns the body of a regular file, and
// at its end, in place of io.EOF, an *object.ChecksumError when header and body
// are not what the object's name promises.
type File struct {
	Header object.FileHeader
	Size   int64 // of the body, in bytes

	name object.Name
	repo *Repo
	body io.Reader // nil for a symlink
	file *os.File  // what body reads from in the end
	sum  hash.Hash
	read int64
	err  error // sticky
	free func()
}

// Stat reads the header of a content object and the size of its body in bytes,
// without reading or checking the body.
func (r *Repo) Stat(c object.Checksum) (object.FileHeader, int64, error) {
	f, err := r.openContent(c)
	if err != nil {
		return object.FileHeader{}, 0, err
	}
	defer f.Close()
	return f.Header, f.Size, nil
}

// OpenFile opens a content object for reading.
func (r *Repo) OpenFile(c object.Checksum) (*File, error) {
	f, err := r.openContent(c)
	if err != nil {
		return nil, err
	}
	f.sum = f.Header.NewHash()
	return f, nil
}

func (r *Repo) openContent(c object.Checksum) (*File, error) {
	n := object.Name{Checksum: c, Type: object.TypeFile}
	for at := r; at != nil; at = at.parent {
		f := &File{name: n, repo: at}
		err := f.open()
		if err == nil {
			return f, nil
		}
		f.Close()
		if !errors.Is(err, fs.ErrNotExist) {
			return nil, r.objectError(n, err)
		}
	}
	return nil, &NotFoundError{n}
}

func (f *File) open() error {
	if f.repo.mode == ModeArchive {
		return f.openArchive()
	}
	return f.openBare()
}

func (f *File) openArchive() (err error) {
	if f.file, err = f.openLoose(0); err != nil {
		return err
	}
	in := newBufReader(f.file)
	header, size, err := object.ReadArchiveHeader(in)
	if err != nil {
		releaseBufReader(in)
		return err
	}
	f.Header, f.Size = header, int64(size)
	inflate := inflaters.Get().(io.ReadCloser)
	inflate.(flate.Resetter).Reset(in, nil)
	f.free = func() { inflaters.Put(inflate); releaseBufReader(in) }
	if !header.IsSymlink() {
		f.body = inflate
	}
	return nil
}

func (f *File) openLoose(flags int) (*os.File, error) {
	return linuxfs.Open(f.repo.objectsFD(), f.repo.loosePath(f.name), unix.O_RDONLY|unix.O_NOFOLLOW|flags, 0)
}

func (f *File) openBare() error {
	path := f.repo.loosePath(f.name)
	var st unix.Stat_t
	var err error
	f.file, err = f.openLoose(0)
	switch {
	case err == nil:
		err = unix.Fstat(int(f.file.Fd()), &st)
	case errors.Is(err, unix.ELOOP): // a real symlink
		err = unix.Fstatat(f.repo.objectsFD(), path, &st, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil {
		return err
	}
	f.Header = object.FileHeader{UID: st.Uid, GID: st.Gid, Mode: uint32(st.Mode)} //nolint:unconvert // 16 bits on macOS
	if f.file != nil {
		f.body, f.Size = f.file, st.Size
	}
	if err := f.readBareMetadata(path); err != nil {
		return err
	}
	return f.Header.Validate()
}

// readBareMetadata completes the header with what the mode keeps elsewhere.
func (f *File) readBareMetadata(path string) error {
	if f.repo.mode == ModeBareUser {
		return f.readUserMeta()
	}
	if f.file == nil {
		target, err := linuxfs.ReadLink(f.repo.objectsFD(), path)
		if err != nil {
			return err
		}
		f.Header.Target = target
	}
	switch f.repo.mode {
	case ModeBareUserOnly:
		f.Header.UID, f.Header.GID = 0, 0
		return nil
	case ModeBareSplitXattrs:
		return f.readSplitXattrs()
	}
	return f.readXattrs(path)
}

// readUserMeta reads the metadata of a bare-user object, and the target of a
// symlink, which is a regular file that holds the target and a NUL.
func (f *File) readUserMeta() error {
	if f.file == nil {
		return errors.New("symlink in a bare-user repository")
	}
	data, err := linuxfs.ReadXattr(int(f.file.Fd()), userMetaXattr)
	if err != nil {
		return fmt.Errorf("xattr %s: %w", userMetaXattr, err)
	}
	if f.Header, err = object.DecodeUserMeta(data); err != nil {
		return err
	}
	if !f.Header.IsSymlink() {
		return nil
	}
	if f.Size > unix.PathMax+1 {
		return fmt.Errorf("symlink target of %d bytes", f.Size)
	}
	target := make([]byte, f.Size)
	if _, err := io.ReadFull(f.file, target); err != nil {
		return err
	}
	f.Header.Target = strings.TrimSuffix(string(target), "\x00")
	f.body, f.Size = nil, 0
	return nil
}

func (f *File) readSplitXattrs() error {
	link := object.Name{Checksum: f.name.Checksum, Type: object.TypeFileXattrsLink}
	data, err := readFileAt(f.repo.objectsFD(), f.repo.loosePath(link), object.MaxMetadataSize)
	if err != nil {
		return fmt.Errorf("%s: %w", link, noNotExist(err))
	}
	f.Header.Xattrs, err = object.DecodeXattrs(data)
	return err
}

// noNotExist keeps a missing part from passing as a missing object.
func noNotExist(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("no such file")
	}
	return err
}

func (f *File) readXattrs(path string) (err error) {
	switch {
	case f.repo.disableXattrs:
	case f.file != nil:
		f.Header.Xattrs, err = CaptureXattrs(int(f.file.Fd()))
	default:
		f.Header.Xattrs, err = CaptureXattrsAt(f.repo.objectsFD(), path)
	}
	return err
}

// Read reads the body.
func (f *File) Read(p []byte) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	n := 0
	f.err = io.EOF
	if f.body != nil {
		n, f.err = f.body.Read(p)
		f.sum.Write(p[:n])
		f.read += int64(n)
	}
	switch {
	case f.err == io.EOF:
		f.err = f.atEOF()
	case f.err != nil:
		f.err = f.repo.objectError(f.name, f.err)
	}
	return n, f.err
}

func (f *File) atEOF() error {
	if actual := object.SumOf(f.sum); actual != f.name.Checksum {
		return f.repo.objectError(f.name, &object.ChecksumError{Name: f.name, Actual: actual})
	}
	if f.read != f.Size {
		return f.repo.objectError(f.name, fmt.Errorf("body of %d bytes, header says %d", f.read, f.Size))
	}
	return io.EOF
}

// Verify reads what is left of the body and reports whether the object is sound.
func (f *File) Verify() error {
	buf := copyBuffers.Get().(*[]byte)
	defer copyBuffers.Put(buf)
	for {
		if _, err := f.Read(*buf); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Close releases the object.
func (f *File) Close() error {
	if f.free != nil {
		f.free()
		f.free = nil
	}
	if f.file == nil {
		return nil
	}
	return f.file.Close()
}

// inflaters keeps deflate readers, whose windows would otherwise be made anew
// for each of many small objects.
var inflaters = sync.Pool{New: func() any { return flate.NewReader(strings.NewReader("")) }}

// copyBuffers keeps the buffers that bodies pass through.
var copyBuffers = sync.Pool{New: func() any { b := make([]byte, 128<<10); return &b }}
