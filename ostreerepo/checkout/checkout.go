package checkout

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
	"golang.org/x/sys/unix"
)

// Overwrite says what happens where the destination has something already.
type Overwrite uint8

// The ways to treat what exists. In all but the first, existing directories,
// the destination too, are kept with their metadata and added to.
const (
	OverwriteNone  Overwrite = iota // an error, also when the destination itself exists
	UnionFiles                      // files are replaced
	AddFiles                        // files are kept
	UnionIdentical                  // files are kept when they are the same as the commit's, else an error
)

// Options are the choices of Checkout. The zero value makes a new directory with
// the owners, modes and extended attributes that the commit records.
type Options struct {
	UserMode  bool // owners and xattrs stay out, files lose set-id bits and are readable to their owner
	Overwrite Overwrite

	// Subpath is the directory or file of the commit to check out; "" is all of
	// it. The destination of a file is the directory to put it in, which may
	// exist and when it does not is made with mode 0700. Symlinks are not followed.
	Subpath    string
	AllowNoent bool // do nothing where Subpath does not exist

	RequireHardlinks   bool // an error where a file would have to be copied that is not of a kind that always is
	ForceCopy          bool // no hard links, and directories keep their modification times
	ForceCopyZerosized bool // empty files are copied, as libostree always does; only keeps the cache out

	// Whiteouts acts on the files that are whiteouts: a .wh.NAME removes NAME,
	// and a .wh..wh..opq all that was in its directory. Neither is written.
	Whiteouts bool
	// PassthroughWhiteouts makes a file .ostree-wh.NAME the overlayfs whiteout
	// NAME, a character device 0:0 with the file's owner, mode and xattrs.
	PassthroughWhiteouts bool

	BareUserOnlyDirs bool // directories get mode & 0775, as in a bare-user-only repository

	// Skip leaves out the paths for which it returns true. It is given paths
	// below the directory that is checked out: "/" for that itself, "/etc/" for
	// a directory, "/etc/passwd" for anything else. It is not called for a
	// Subpath that is a file. It must be safe for concurrent calls.
	Skip func(path string) bool

	// Label returns the SELinux context of the file or directory at a path of the
	// commit with a mode; ok is false when it has none, and keeps the commit's. With a
	// Label nothing is a hard link, as with ForceCopy. It is not called in user mode
	// nor where the repository has core.disable-xattrs, and has to be safe for
	// concurrent calls.
	Label func(path string, mode uint32) (context string, ok bool)
	// LabelRoot is the directory of which Label is told in place of the one that is
	// checked out; "" is where that lies in the commit. For a Subpath that is a file
	// it is the directory of the file.
	LabelRoot string

	// DisableCache keeps a user-mode checkout of an archive repository from
	// leaving inflated objects in the repository's uncompressed-objects-cache and
	// linking to them. As with the ostree program the cache serves plain
	// checkouts only: with AddFiles, UnionIdentical or any of the options from
	// RequireHardlinks to Skip it is not used, nor where the repository's
	// core.enable-uncompressed-cache is false or the repository can't be written.
	// Entries that are not in use are left for the next checkout.
	DisableCache bool
	// CacheNoSync leaves to the kernel when objects in the cache reach the disk.
	// Otherwise each is synced before it gets its name, unless the repository's
	// core.fsync is false.
	CacheNoSync bool

	// Fsync waits until every file and directory of the checkout is on disk.
	Fsync bool

	// DevIno is told of every file that is a hard link to an object, if not nil.
	DevIno *ostreerepo.DevInoCache

	// Progress, if not nil, is called now and then, from one goroutine at a time,
	// with the number of files done and of those known of, which grows until the
	// last directory has been read.
	Progress func(done, total int64)
}

func (o *Options) validate() error {
	switch {
	case o.Overwrite > UnionIdentical:
		return errors.New("checkout: invalid Overwrite")
	case o.RequireHardlinks && (o.ForceCopy || o.Label != nil):
		return errors.New("checkout: RequireHardlinks and ForceCopy or Label exclude each other")
	case o.Overwrite == UnionIdentical && !o.RequireHardlinks:
		return errors.New("checkout: UnionIdentical needs RequireHardlinks")
	}
	return nil
}

// Plain reports whether none of the options is set that came to libostree with its
// second kind of checkout. The cache serves only plain checkouts.
func (o *Options) Plain() bool {
	return o.Overwrite <= UnionFiles && !o.RequireHardlinks && !o.ForceCopy && !o.ForceCopyZerosized &&
		!o.Whiteouts && !o.PassthroughWhiteouts && !o.BareUserOnlyDirs && o.Skip == nil
}

// Checkout writes commit, or o.Subpath of it, to dest. After an error, or when
// ctx is done, what was written stays, in directories with mode 0700.
//
// An error from the file system is an errno in the chain; where dest exists
// already that is fs.ErrExist. A Subpath that does not exist is fs.ErrNotExist.
func Checkout(ctx context.Context, r *ostreerepo.Repo, commit object.Checksum, dest string, o Options) error {
	if err := o.validate(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	entry, err := find(r, commit, o.Subpath)
	var missing *missingError
	if errors.As(err, &missing) && o.AllowNoent {
		return nil
	}
	if err != nil {
		return err
	}
	c, err := newRun(r, o)
	if err != nil {
		return err
	}
	defer c.close()
	if !entry.Dir {
		return c.single(entry, dest)
	}
	return c.tree(ctx, entry, dest)
}

// run is one checkout.
type run struct {
	Options
	repo    *ostreerepo.Repo
	sources []source
	user    bool   // user mode, asked for or implied
	base    string // what Label's paths begin with, without a slash at the end
	device  uint64 // that the repository lies on
	cache   *cache // nil when it is not used
	queue   queue
	meter   meter

	metaMu sync.Mutex
	metas  map[object.Checksum]*object.DirMeta
}

func newRun(r *ostreerepo.Repo, o Options) (_ *run, err error) {
	c := &run{
		Options: o,
		repo:    r,
		user:    o.UserMode || r.Mode() == ostreerepo.ModeBareUserOnly,
		meter:   meter{report: o.Progress},
		metas:   map[object.Checksum]*object.DirMeta{},
	}
	c.ForceCopy = o.ForceCopy || o.Label != nil
	if c.user || r.DisableXattrs() {
		c.Label = nil
	}
	c.queue.wake.L = &c.queue.mu
	defer func() {
		if err != nil {
			c.close()
		}
	}()
	if c.sources, err = openSources(r, c.user); err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := unix.Fstat(c.sources[0].fd, &st); err != nil {
		return nil, err
	}
	c.device = uint64(st.Dev)
	if c.user && !o.DisableCache && o.Plain() && r.UncompressedCache() && r.Writable() == nil {
		c.cache = newCache(r, o.CacheNoSync)
	}
	return c, err
}

func (c *run) close() {
	for _, s := range c.sources {
		unix.Close(s.fd)
	}
	if c.cache != nil {
		c.cache.close()
	}
}

// tree checks out a directory and what is below it.
func (c *run) tree(ctx context.Context, entry ostreerepo.Entry, dest string) error {
	c.setBase(entry.Path)
	root := &dir{name: dest, tree: entry.Checksum, meta: entry.Meta, fd: -1, path: "/"}
	root.unfinished.Store(1)
	c.queue.push(job{dir: root, at: atEntry})
	stop := context.AfterFunc(ctx, func() { c.queue.cancel(ctx.Err()) })
	defer stop()
	c.work()
	return c.queue.err()
}

// single checks out one file into the directory dest.
func (c *run) single(entry ostreerepo.Entry, dest string) error {
	err := unix.Mkdirat(unix.AT_FDCWD, dest, 0o700)
	if err != nil && err != unix.EEXIST {
		return &sysError{"mkdirat", err}
	}
	fd, err := openDir(unix.AT_FDCWD, dest, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	name := baseName(entry.Path)
	c.setBase(strings.TrimSuffix(entry.Path, name))
	if err := c.file(&dir{fd: fd}, object.FileEntry{Name: name, Checksum: entry.Checksum}); err != nil {
		return err
	}
	c.meter.found(1)
	c.meter.done(1)
	if c.Fsync {
		return fsync(fd)
	}
	return nil
}

// dirMeta loads each dirmeta once: a tree has few different ones.
func (c *run) dirMeta(sum object.Checksum) (*object.DirMeta, error) {
	c.metaMu.Lock()
	m := c.metas[sum]
	c.metaMu.Unlock()
	if m != nil {
		return m, nil
	}
	loaded, err := c.repo.DirMeta(sum)
	if err != nil {
		return nil, err
	}
	c.metaMu.Lock()
	c.metas[sum] = &loaded
	c.metaMu.Unlock()
	return &loaded, nil
}
