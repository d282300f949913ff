package checkout

import (
	"errors"
	"io/fs"
	"sync"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
	"github.com/treenail/treenail/ostreerepo"
	"golang.org/x/sys/unix"
)

// cache is the directory uncompressed-objects-cache of an archive repository:
// content objects as files of a user-mode checkout, at xx/rest.file.
type cache struct {
	repo   *ostreerepo.Repo
	noSync bool

	mu   sync.Mutex
	err  error
	fd   int // -1 until it is open
	sync bool
}

func newCache(r *ostreerepo.Repo, noSync bool) *cache { return &cache{repo: r, noSync: noSync, fd: -1} }

// open opens the directory; ok is false when there is none and none is to be made. A
// checkout without files to link makes none.
func (c *cache) open(create bool) (ok bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd < 0 && c.err == nil {
		c.err = c.openNow(create)
	}
	return c.fd >= 0, c.err
}

func (c *cache) openNow(create bool) error {
	sync, err := c.repo.Config().Bool("core", "fsync", true)
	if err != nil {
		return err
	}
	c.sync = sync && !c.noSync
	path := c.repo.Path() + "/uncompressed-objects-cache"
	if create {
		if err := mkdirExisting(unix.AT_FDCWD, path, 0o775); err != nil {
			return err
		}
	}
	fd, err := openDir(unix.AT_FDCWD, path, unix.O_NOFOLLOW)
	switch {
	case err == nil:
		c.fd = fd
	case !create && errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	return err
}

func (c *cache) close() {
	if c.fd >= 0 {
		unix.Close(c.fd)
	}
}

func mkdirExisting(dirfd int, name string, mode uint32) error {
	if err := unix.Mkdirat(dirfd, name, mode); err != nil && err != unix.EEXIST {
		return &sysError{"mkdirat(" + name + ")", err}
	}
	return nil
}

// linkCached makes name a hard link to the inflated object in the cache, putting
// it there first where necessary; done is false when the file has to be copied.
func (c *run) linkCached(d *dir, name string, sum object.Checksum) (done bool, err error) {
	if c.cache == nil {
		return false, nil
	}
	path := loosePath(sum)
	there, err := c.cache.open(false)
	if err != nil {
		return false, err
	}
	if there {
		if done, err = c.linkFrom(c.cache.fd, path, d, name, sum); !errors.Is(err, fs.ErrNotExist) {
			return done, err
		}
	}
	f, err := c.read(sum)
	if err != nil {
		return false, err
	}
	defer f.close()
	if k := (kind{f.Mode, f.size}); k.symlink() || k.copied(true) {
		return false, nil
	}
	if _, err := c.cache.open(true); err != nil {
		return false, err
	}
	if err := c.cache.add(path, f); err != nil {
		return false, err
	}
	done, err = c.linkFrom(c.cache.fd, path, d, name, sum)
	if errors.Is(err, fs.ErrNotExist) { // somebody has cleaned up
		return false, nil
	}
	return done, err
}

// add puts an object into the cache, where another may have put it just now.
func (c *cache) add(path string, f *content) error {
	temp, err := linuxfs.CreateTemp(c.fd, 0o600)
	if err != nil {
		return &sysError{"open(O_TMPFILE)", err}
	}
	defer temp.Close()
	if err := f.writeTo(temp.File); err != nil {
		return err
	}
	if err := unix.Fchmod(int(temp.Fd()), userPerm(f.Mode&object.ModePerm)); err != nil {
		return &sysError{"fchmod", err}
	}
	if c.sync {
		if err := fsync(int(temp.Fd())); err != nil {
			return err
		}
	}
	if err := mkdirExisting(c.fd, path[:2], 0o777); err != nil {
		return err
	}
	if err := temp.Link(c.fd, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return &sysError{"linkat", err}
	}
	return nil
}
