package ostreerepo

import (
	"context"
	"runtime"
	"sync"

	"github.com/treenail/treenail/format/object"
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

func (r *Repo) scanDir(ctx context.Context, dir string, cache *DevInoCache) error {
	for n, err := range looseInDirs(r.path+"/objects", []string{dir}, false) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		if n.Type != object.TypeFile {
			continue
		}
		var st unix.Stat_t
		if err := unix.Fstatat(r.objectsFD(), n.LoosePath(false), &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return r.objectError(n, err)
		}
		cache.Add(uint64(st.Dev), st.Ino, n.Checksum) //nolint:unconvert // signed on macOS
	}
	return nil
}
