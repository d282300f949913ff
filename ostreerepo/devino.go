package ostreerepo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"sync"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// DevInoCache knows which files, by device and inode, are content objects of a
// bare repository: a file that was checked out by hard link need not be hashed
// when it is committed again. It may be used from several goroutines.
type DevInoCache struct {
	mu    sync.RWMutex
	files map[devIno]object.Checksum
}

type devIno struct{ dev, ino uint64 }

// NewDevInoCache returns an empty cache.
func NewDevInoCache() *DevInoCache { return &DevInoCache{files: map[devIno]object.Checksum{}} }

// Add notes that the inode is the content object c.
func (d *DevInoCache) Add(dev, ino uint64, c object.Checksum) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files[devIno{dev, ino}] = c
}

// Lookup finds the content object that the inode is.
func (d *DevInoCache) Lookup(dev, ino uint64) (object.Checksum, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	c, ok := d.files[devIno{dev, ino}]
	return c, ok
}

// ScanHardlinks notes all content objects of the repository and its parents as
// far as their files can be hard links of checkouts: those of bare repositories.
// Like the ostree program it passes over what an archive repository keeps for
// user-mode checkouts, which says nothing of owners and xattrs.
func (r *Repo) ScanHardlinks(ctx context.Context) (*DevInoCache, error) {
	cache := NewDevInoCache()
	for at := r; at != nil; at = at.parent {
		if err := at.scanInto(ctx, cache); err != nil {
			return nil, err
		}
	}
	return cache, nil
}

func (r *Repo) scanInto(ctx context.Context, cache *DevInoCache) error {
	if r.mode == ModeArchive {
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, dir := range looseDirs() {
		g.Go(func() error { return r.scanDir(ctx, dir, cache) })
	}
	return g.Wait()
}

// scanDir notes the content objects in one of the 256 directories. Where the
// directory itself tells the inodes there is no look at each file.
func (r *Repo) scanDir(ctx context.Context, name string, cache *DevInoCache) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	dir, err := openDir(r.objectsFD(), name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("repo %s: objects/%s: %w", r.path, name, err)
	}
	defer dir.Close()
	files, err := inodesIn(dir)
	if err != nil {
		return fmt.Errorf("repo %s: objects/%s: %w", r.path, name, err)
	}
	for _, f := range files {
		if n, err := object.ParseLoosePath(name, f.name, false); err == nil && n.Type == object.TypeFile {
			cache.Add(f.dev, f.ino, n.Checksum)
		}
	}
	return nil
}

type namedInode struct {
	name string
	devIno
}

// inodesIn returns the entries of a directory.
func inodesIn(dir *os.File) (files []namedInode, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &st); err != nil {
		return nil, err
	}
	entries, err := linuxfs.ReadInodes(dir)
	if err == nil {
		for _, e := range entries {
			files = append(files, namedInode{e.Name, devIno{uint64(st.Dev), e.Ino}}) //nolint:unconvert // signed on macOS
		}
		return files, nil
	}
	if !errors.Is(err, errors.ErrUnsupported) {
		return nil, err
	}
	names, err := dir.Readdirnames(-1)
	for _, name := range names {
		if err := unix.Fstatat(int(dir.Fd()), name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		files = append(files, namedInode{name, devIno{uint64(st.Dev), st.Ino}}) //nolint:unconvert // signed on macOS
	}
	return files, err
}
