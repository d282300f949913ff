package tree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"unicode/utf8"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
)

// Options change what is taken from the sources. The zero value takes
// everything as it is.
//
// A repository in the mode bare-user-only always has canonical permissions and
// no xattrs, as libostree does it, and one with core.disable-xattrs has no
// xattrs.
type Options struct {
	UID, GID             *uint32 // owner of everything; nil: as found
	CanonicalPermissions bool    // owner 0:0, modes masked with 0755, and no xattrs, save those of archives
	NoXattrs             bool    // no extended attributes
	ReadOnlyExecutables  bool    // no write bits for regular files that have an execute bit

	// Label returns the SELinux context of the entry at a path, absolute in the tree,
	// with a mode. Without ok the entry keeps what it has; an empty context takes that
	// away. Contexts are set whatever NoXattrs and CanonicalPermissions say, but not by
	// AddBase, and not in a repository that has no xattrs. Label is called from several
	// goroutines.
	Label func(path string, mode uint32) (context string, ok bool)

	StatOverride *StatOverride // changes to the modes of single paths
	SkipList     *SkipList     // paths to leave out

	// PassOver reports whether AddDir leaves the entry at a path, absolute in the tree,
	// where it is: it may be anything then, a device too. Nil: nothing.
	PassOver func(path string) bool

	// Consume removes AddDir sources when the transaction is committed, with what was
	// left out of them; before that nothing is touched. Files that are already what
	// the repository would make of them become objects by hard link.
	Consume bool

	// DevIno knows files that are hard links to objects of the repository
	// (ostree commit --link-checkout-speedup). AddDir does not read them, unless
	// options give them other metadata than the object has.
	DevIno *ostreerepo.DevInoCache
	// DevInoCanonical takes files that DevIno knows as the object they are,
	// whatever the other options say (ostree commit -I).
	DevInoCanonical bool

	// CountStored has AddCommit count each object that it takes over by checksum, as
	// libostree does when it notes sizes. With options that could change one, and with
	// Consume, it does so in any case.
	CountStored bool

	TarAutocreateParents bool        // make directories that an archive has no entry for
	TarPathFilter        *PathFilter // rewrites the paths of archive entries; nil: none

	// Progress is told how many bytes of file bodies are stored and how many
	// there are in all, -1 when that is not known. It is called from one
	// goroutine at a time, after each file.
	Progress func(done, total int64)
}

// Tree is a tree being assembled in a transaction. Its methods belong to one
// goroutine, and after an error it is of no more use.
type Tree struct {
	tx     *ostreerepo.Tx
	o      Options
	filter filter
	root   *dir

	progress sync.Mutex
	done     int64 // guarded by progress
}

// New returns an empty tree whose objects go to tx.
func New(tx *ostreerepo.Tx, o Options) *Tree {
	return &Tree{tx: tx, o: o, filter: newFilter(tx.Repo(), o), root: newDir(nil)}
}

// ErrEmpty says that a tree has no root directory, because no source had one.
var ErrEmpty = errors.New("Can't commit an empty tree") //nolint:staticcheck // libostree's text

// Write writes the directories bottom up and returns the checksums of the root's
// dirtree and dirmeta. Directories taken over from a commit and not changed
// since are not written again.
func (t *Tree) Write(ctx context.Context) (contents, meta object.Checksum, err error) {
	if t.root.meta.IsZero() {
		return contents, meta, ErrEmpty
	}
	contents, err = t.root.write(ctx, t.tx)
	return contents, t.root.meta, err
}

// put stores a content object and notes its checksum in f.
func (t *Tree) put(f *file, h object.FileHeader, size int64, body io.Reader) (err error) {
	if !utf8.ValidString(h.Target) {
		return fmt.Errorf("symlink target %s is not UTF-8", quote(h.Target))
	}
	if f.sum, err = t.tx.PutFile(h, size, body); err != nil {
		return err
	}
	t.report(size)
	return nil
}

// putAdopted is put for a regular file that is given away.
func (t *Tree) putAdopted(f *file, h object.FileHeader, size int64, body *os.File) (err error) {
	if f.sum, err = t.tx.AdoptFile(h, body); err != nil {
		return err
	}
	t.report(size)
	return nil
}

// report tells Progress of n bytes more.
func (t *Tree) report(n int64) {
	if t.o.Progress == nil {
		return
	}
	t.progress.Lock()
	defer t.progress.Unlock()
	t.done += n
	t.o.Progress(t.done, -1)
}

// putDirMeta stores the dirmeta object for a directory's header.
func (t *Tree) putDirMeta(h object.FileHeader) (object.Checksum, error) {
	meta := object.DirMeta{UID: h.UID, GID: h.GID, Mode: h.Mode, Xattrs: h.Xattrs}
	return t.tx.PutMetadata(object.TypeDirMeta, meta.Encode())
}
