package checkout

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
	"github.com/treenail/treenail/ostreerepo"
	"golang.org/x/sys/unix"
)

// content is an open content object.
type content struct {
	object.FileHeader
	size     int64
	plain    *os.File         // its body as a file, which the kernel can copy; nil for a symlink
	verified *ostreerepo.File // or what reads the body and checks it
}

// read opens an object for copying.
func (c *run) read(sum object.Checksum) (*content, error) {
	for i := range c.sources {
		s := &c.sources[i]
		if s.mode == ostreerepo.ModeArchive {
			f, err := s.repo.OpenFile(sum) // looks in the parents too
			if err != nil {
				return nil, err
			}
			return &content{FileHeader: f.Header, size: f.Size, verified: f}, nil
		}
		f, err := s.readPlain(sum)
		if f != nil || err != nil {
			return f, err
		}
	}
	return nil, &ostreerepo.NotFoundError{Name: object.Name{Checksum: sum, Type: object.TypeFile}}
}

// readPlain opens an object of a repository that has its content as plain
// files, and returns nil when it isn't there.
func (s *source) readPlain(sum object.Checksum) (*content, error) {
	f, err := linuxfs.Open(s.fd, loosePath(sum), unix.O_RDONLY|unix.O_NOFOLLOW, 0)
	switch {
	case errors.Is(err, unix.ENOENT):
		return nil, nil
	case err != nil && !errors.Is(err, unix.ELOOP): // which a symlink is
		return nil, fmt.Errorf("object %s.file: %w", sum, err)
	}
	h, size, err := s.repo.Stat(sum)
	if err != nil {
		f.Close()
		return nil, err
	}
	return &content{FileHeader: h, size: size, plain: f}, nil
}

func (f *content) close() {
	f.plain.Close() // may be nil
	if f.verified != nil {
		f.verified.Close()
	}
}

// writeTo copies the body into an empty file.
func (f *content) writeTo(dst *os.File) error {
	switch {
	case f.verified != nil:
		buf := buffers.Get().(*[]byte)
		defer buffers.Put(buf)
		// A plain Writer, because an *os.File would take a buffer of its own.
		_, err := io.CopyBuffer(struct{ io.Writer }{dst}, f.verified, *buf)
		return err
	case f.size == 0:
		return nil
	}
	return linuxfs.Copy(dst, f.plain)
}

// buffers are what bodies pass through, one for each worker that copies.
var buffers = sync.Pool{New: func() any { b := make([]byte, 64<<10); return &b }}

// copy makes name a copy of the object.
func (c *run) copy(d *dir, name string, sum object.Checksum) error {
	f, err := c.read(sum)
	if err != nil {
		return err
	}
	defer f.close()
	f.Xattrs = c.labelled(d, name, f.Mode, f.Xattrs)
	place, err := c.placement(d, name, func() (bool, error) {
		if f.IsSymlink() {
			return sameTarget(d.fd, name, f.Target)
		}
		how := comparison{noXattrs: c.repo.DisableXattrs(), canonical: c.repo.Mode() == ostreerepo.ModeBareUserOnly}
		return identical(d.fd, name, sum, how)
	})
	switch {
	case err != nil:
		return err
	case place == keep:
		return nil
	case f.IsSymlink():
		return c.symlink(d, name, &f.FileHeader, place)
	}
	return c.regular(d, name, f, place)
}

// regular writes a file without a name and then names it.
func (c *run) regular(d *dir, name string, f *content, place placement) error {
	temp, err := linuxfs.CreateTemp(d.fd, 0o600)
	if err != nil {
		return &sysError{"open(O_TMPFILE)", err}
	}
	defer temp.Close()
	if err := f.writeTo(temp.File); err != nil {
		return err
	}
	if err := c.setFileMetadata(int(temp.Fd()), &f.FileHeader); err != nil {
		return err
	}
	final := name
	if place == replace {
		final = tempName()
	}
	if err := temp.Link(d.fd, final); err != nil {
		return &sysError{"linkat", err}
	}
	if place == replace {
		return rename(d.fd, final, name)
	}
	return nil
}

// setFileMetadata completes a file that has its contents.
func (c *run) setFileMetadata(fd int, h *object.FileHeader) error {
	mode := h.Mode & object.ModePerm
	if c.user {
		mode = userPerm(mode)
	} else if err := setOwner(fd, h.UID, h.GID, h.Xattrs); err != nil {
		return err
	}
	if err := unix.Fchmod(fd, mode); err != nil {
		return &sysError{"fchmod", err}
	}
	if c.Fsync {
		return fsync(fd)
	}
	return nil
}

// userPerm is the mode of a file in a user-mode checkout: it acts for nobody
// else, and its owner can read it.
func userPerm(mode uint32) uint32 { return mode&^0o6000 | 0o400 }

// symlink makes a symlink, which has its name only when it is complete.
func (c *run) symlink(d *dir, name string, h *object.FileHeader, place placement) error {
	if c.user && place == fresh {
		return makeSymlink(h.Target, d.fd, name)
	}
	temp := tempName()
	if err := makeSymlink(h.Target, d.fd, temp); err != nil {
		return err
	}
	if !c.user {
		if err := setLinkOwner(d.fd, temp, h); err != nil {
			unix.Unlinkat(d.fd, temp, 0)
			return err
		}
	}
	return place.rename(d.fd, temp, name, "symlinkat")
}

func makeSymlink(target string, dirfd int, name string) error {
	if err := unix.Symlinkat(target, dirfd, name); err != nil {
		return &sysError{"symlinkat", err}
	}
	return nil
}

// setLinkOwner is setOwner for what can't be opened: a symlink or a device.
func setLinkOwner(dirfd int, name string, h *object.FileHeader) error {
	if err := unix.Fchownat(dirfd, name, int(h.UID), int(h.GID), unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &sysError{"fchownat", err}
	}
	for _, x := range h.Xattrs {
		if err := linuxfs.SetLXattr(dirfd, name, x.Name, x.Value); err != nil {
			return err
		}
	}
	return nil
}
