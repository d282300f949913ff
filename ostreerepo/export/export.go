// Package export writes the tree of a commit as a tar archive.
//
// [FormatGNU] is the archive of libostree's export, byte for byte. It has no
// xattrs. [FormatPAX] has them, and all else that the tree consists of: a commit
// made of such an archive has the same content checksum.
//
// In both, entries come in the tree's order: a directory, its files, then its
// subdirectories. Their time is the commit's; owners are numbers without names.
// A regular file whose object was in the archive before is a hard link to it, as
// in libostree since 2023.7; so identical files do not take their size twice.
package export

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"runtime"
	"strings"
	"syscall"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/par"
	"github.com/treenail/treenail/ostreerepo"
)

// Format is a dialect of tar.
type Format uint8

const (
	// FormatGNU is GNU tar's old format: long names in entries of their own,
	// large numbers in base 256, no xattrs.
	FormatGNU Format = iota
	// FormatPAX is that of POSIX.1-2001, with xattrs as SCHILY.xattr records,
	// which GNU tar, bsdtar and libarchive read.
	FormatPAX
)

// Options say what the archive is like. The zero value is libostree's default.
type Options struct {
	Format   Format
	NoXattrs bool   // leave out xattrs where the format has them
	Subpath  string // the directory of the tree that becomes the root; "" is the whole tree
	Prefix   string // what each path begins with, as it is: "top/" puts all into a directory
}

// Write writes the tree of a commit to w. The archive ends with two empty blocks
// and is not padded further. Each object is verified while it is read; after an
// error what was written is no whole archive.
func Write(ctx context.Context, w io.Writer, r *ostreerepo.Repo, commit object.Checksum, o Options) error {
	c, err := r.Commit(commit)
	if err != nil {
		return err
	}
	top, err := r.Lookup(c.Tree, c.Meta, o.Subpath)
	if err != nil {
		return fmt.Errorf("commit %s: %w", commit, err)
	}
	if !top.Dir {
		return fmt.Errorf("commit %s: %w", commit, &fs.PathError{Op: "export", Path: top.Path, Err: syscall.ENOTDIR})
	}
	buffered := bufio.NewWriterSize(w, 128<<10)
	x := &exporter{repo: r, o: o, archive: newArchive(buffered, o.Format, c.Timestamp)}
	ahead := readAhead * runtime.GOMAXPROCS(0)
	for e, err := range par.Map(ctx, x.entries(top), ahead, x.load) {
		if err == nil {
			err = x.write(e)
		}
		if err != nil {
			return fmt.Errorf("commit %s: %w", commit, err)
		}
	}
	if err := x.archive.end(); err != nil {
		return err
	}
	return buffered.Flush()
}

const (
	readAhead = 8         // files for each core
	maxAhead  = 256 << 10 // bytes of a file that is read ahead
)

type exporter struct {
	repo    *ostreerepo.Repo
	o       Options
	archive *archive
}

// entry is a file or directory on its way into the archive.
type entry struct {
	ostreerepo.Entry
	name   string // in the archive
	header object.FileHeader
	size   int64
	body   []byte // of a small file
	first  *entry // the one that has the same object, nil if that is this one
}

// entries are what the archive consists of, in order.
func (x *exporter) entries(top ostreerepo.Entry) iter.Seq2[*entry, error] {
	return func(yield func(*entry, error) bool) {
		seen := map[object.Checksum]*entry{}
		for e, err := range x.repo.Walk(top.Checksum, top.Meta) {
			n := &entry{Entry: e, name: x.name(e)}
			if err == nil && !e.Dir {
				if n.first = seen[e.Checksum]; n.first == nil {
					seen[e.Checksum] = n
				}
			}
			if !yield(n, err) {
				return
			}
		}
	}
}

// name is the path of an entry in the archive.
func (x *exporter) name(e ostreerepo.Entry) string {
	name := x.o.Prefix + strings.TrimPrefix(e.Path, "/")
	if name == "" {
		name = "."
	}
	if e.Dir && !strings.HasSuffix(name, "/") {
		name += "/"
	}
	return name
}

// load reads what the archive has of an entry, but for the bodies of large files.
func (x *exporter) load(_ context.Context, e *entry) (_ *entry, err error) {
	switch {
	case e.Dir:
		err = x.loadDir(e)
	case e.first == nil:
		err = x.loadFile(e)
	}
	if err != nil {
		return nil, fmt.Errorf("path %s: %w", e.Path, err)
	}
	return e, nil
}

func (x *exporter) loadDir(e *entry) error {
	m, err := x.repo.DirMeta(e.Meta)
	e.header = object.FileHeader{UID: m.UID, GID: m.GID, Mode: m.Mode, Xattrs: m.Xattrs}
	return err
}

func (x *exporter) loadFile(e *entry) error {
	f, err := x.repo.OpenFile(e.Checksum)
	if err != nil {
		return err
	}
	defer f.Close()
	e.header, e.size = f.Header, f.Size
	if f.Size > maxAhead {
		return nil
	}
	e.body = make([]byte, f.Size)
	if _, err := io.ReadFull(f, e.body); err != nil {
		return err
	}
	return f.Verify()
}

func (x *exporter) write(e *entry) error {
	if e.first != nil {
		e.header = e.first.header
		if !e.header.IsSymlink() {
			return x.archive.link(e.name, e.header, e.first.name)
		}
	}
	if x.o.NoXattrs {
		e.header.Xattrs = nil
	}
	if err := x.archive.header(e.name, e.header, e.size); err != nil {
		return err
	}
	if err := x.writeBody(e); err != nil {
		return fmt.Errorf("path %s: %w", e.Path, err)
	}
	e.body = nil // what stays is for links
	return nil
}

func (x *exporter) writeBody(e *entry) error {
	if e.size <= maxAhead {
		return x.archive.body(bytes.NewReader(e.body), e.size)
	}
	f, err := x.repo.OpenFile(e.Checksum)
	if err != nil {
		return err
	}
	defer f.Close()
	return x.archive.body(f, e.size)
}
