package tree

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/par"
)

// archiveReader reads one kind of archive, in the manner of archive/tar: next
// moves to the next entry and returns io.EOF after the last, Read reads the body
// of a regular file.
type archiveReader interface {
	next() (*archiveEntry, error) // on an error, the entry at fault if there is one
	io.Reader
}

// archiveEntry is a member of an archive.
type archiveEntry struct {
	path   string            // as the archive has it
	header object.FileHeader // of any type; of a hard link only owner and permissions matter
	link   string            // the entry it is a hard link to; "" when it is none
	size   int64             // of the body, in bytes
	sparse bool              // the archive has the body without its holes
}

// AddTar lays an archive over the tree: tar in any of its formats, or cpio (newc,
// crc, odc); as it is or compressed with gzip, zstd, bzip2 or xz.
//
// Paths are taken as relative to the root, "..", an empty name and what is
// neither regular file, directory, symlink nor hard link are errors. A parent
// that neither the archive nor the tree has is an error too, unless
// Options.TarAutocreateParents. Hard links are resolved at the end: they get what
// their target is then. Tar's pax records SCHILY.xattr, LIBARCHIVE.xattr and
// RHT.security.selinux become xattrs.
//
// Every error names the entry, or the one before, when there is any.
func (t *Tree) AddTar(ctx context.Context, r io.Reader) error {
	in, err := decompress(ctxReader{ctx, r})
	if err != nil {
		return err
	}
	defer in.Close()
	format, err := openArchive(in)
	if err != nil {
		return err
	}
	return t.newArchive(ctx, format, nil).run(in)
}

func (t *Tree) newArchive(ctx context.Context, in archiveReader, l *Layer) *archive {
	return &archive{ctx: ctx, t: t, in: in, layer: l, pool: par.NewPool(ctx), links: map[string]*linkGroup{}, linkAt: map[string]*linkGroup{}}
}

// run reads the archive, and then the rest of what it is read from.
func (a *archive) run(in io.Reader) error {
	err := a.entries()
	if err == nil {
		err = drain(in)
	}
	if err = a.pool.Wait(err); err != nil {
		return err
	}
	if err := a.resolveLinks(); err != nil {
		return err
	}
	return a.ensureRoot()
}

// archive is one AddTar. Reading is one goroutine, which does all that touches
// the tree; small bodies are handed to the pool, large ones stored as they are
// read.
type archive struct {
	ctx  context.Context
	t    *Tree
	pool *par.Pool
	in   archiveReader
	last string // path of the entry before

	layer  *Layer  // nil: an ordinary archive
	bodies []*file // that the layer's Recorder was told of

	links  map[string]*linkGroup // by target
	linkAt map[string]*linkGroup // by the path of the link
	order  []*linkGroup
}

func (a *archive) entries() error {
	for {
		e, err := a.in.next()
		if err == io.EOF {
			return nil
		}
		switch {
		case e == nil && a.last == "" && errors.Is(err, tar.ErrHeader):
			return errors.New("archive: unrecognized format")
		case e == nil && a.last == "":
			return fmt.Errorf("archive: %w", err)
		case e == nil:
			return fmt.Errorf("archive, after entry %s: %w", quote(a.last), err)
		case err == nil:
			err = a.entry(e)
		}
		if err == par.ErrStopped {
			return err
		}
		if err != nil {
			return fmt.Errorf("archive entry %s: %w", quote(e.path), err)
		}
		a.last = e.path
	}
}

func (a *archive) entry(e *archiveEntry) error {
	path, err := a.path(e.path)
	if err != nil {
		return err
	}
	abs := "/" + strings.Join(path, "/")
	if err := checkPath(abs); err != nil {
		return err
	}
	if a.t.filter.skips(abs) {
		return nil
	}
	h := e.header
	if a.t.filter.noXattrs {
		h.Xattrs = nil
	}
	a.t.filter.apply(abs, &h)
	parent, err := a.parent(path, e)
	if err != nil {
		return err
	}
	switch {
	case e.link != "":
		return a.hardlink(parent, path, e, h)
	case h.Mode&object.ModeTypeMask == object.ModeDir:
		return a.dir(parent, path, h)
	case h.Mode&object.ModeTypeMask == object.ModeRegular, h.IsSymlink():
		_, err := a.file(parent, path, e, h)
		return err
	}
	return a.special(strings.Join(path, "/"))
}

// special decides about what a repository cannot hold.
func (a *archive) special(path string) error {
	if a.layer != nil && a.layer.Special != nil {
		return a.layer.Special(path)
	}
	return fmt.Errorf("Unsupported file type for path \"%s\"", path) //nolint:staticcheck // libostree's text
}

func (a *archive) dir(parent *dir, path []string, h object.FileHeader) error {
	d := parent
	if len(path) > 0 {
		var err error
		if d, err = a.subdir(parent, path[len(path)-1]); err != nil {
			return err
		}
	}
	meta, err := a.t.putDirMeta(h)
	d.setMeta(meta)
	d.implied = false
	return err
}

var errRoot = errors.New("the root can only be a directory")

func (a *archive) file(parent *dir, path []string, e *archiveEntry, h object.FileHeader) (*file, error) {
	if len(path) == 0 {
		return nil, errRoot
	}
	f := &file{}
	if err := a.setFile(parent, path[len(path)-1], f); err != nil {
		return nil, err
	}
	return f, a.store(f, e, h)
}

// maxBuffered is the size in bytes up to which a body is read into memory, so
// that a worker can store it while the next is read.
const maxBuffered = 1 << 20

var bodies = sync.Pool{New: func() any { return new(bytes.Buffer) }}

func (a *archive) store(f *file, e *archiveEntry, h object.FileHeader) error {
	if h.IsSymlink() {
		return a.pool.Do(func() error { return a.put(f, e, h, 0, nil) })
	}
	a.record(f, e)
	body := ctxReader{a.ctx, a.in}
	if e.size > maxBuffered {
		return a.t.put(f, h, e.size, body)
	}
	buf := bodies.Get().(*bytes.Buffer)
	buf.Reset()
	if n, err := buf.ReadFrom(io.LimitReader(body, e.size)); err != nil || n < e.size {
		bodies.Put(buf)
		return orUnexpectedEOF(err)
	}
	err := a.pool.Do(func() error {
		defer bodies.Put(buf)
		return a.put(f, e, h, e.size, bytes.NewReader(buf.Bytes()))
	})
	if err != nil {
		bodies.Put(buf)
	}
	return err
}

func (a *archive) put(f *file, e *archiveEntry, h object.FileHeader, size int64, body io.Reader) error {
	if err := a.t.put(f, h, size, body); err != nil {
		return fmt.Errorf("archive entry %s: %w", quote(e.path), err)
	}
	return nil
}

func orUnexpectedEOF(err error) error {
	if err == nil || err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// ctxReader fails once ctx is done, so that no archive, however large, is read
// to its end in vain.
type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
