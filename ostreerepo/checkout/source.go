package checkout

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
	"golang.org/x/sys/unix"
)

// source is a repository in which objects are looked for: the one that is
// checked out from, then its parents.
type source struct {
	repo *ostreerepo.Repo
	mode ostreerepo.Mode
	fd   int  // of objects/
	link bool // its files may be linked to
}

func openSources(r *ostreerepo.Repo, user bool) ([]source, error) {
	var sources []source
	for ; r != nil; r = r.Parent() {
		fd, err := openDir(unix.AT_FDCWD, r.Path()+"/objects", 0)
		if err != nil {
			for _, s := range sources {
				unix.Close(s.fd)
			}
			return nil, err
		}
		s := source{repo: r, mode: r.Mode(), fd: fd}
		s.link = user && s.users() || !user && s.mode == ostreerepo.ModeBare
		sources = append(sources, s)
	}
	return sources, nil
}

// users reports whether the repository's files are those of a user-mode checkout.
func (s *source) users() bool {
	return s.mode == ostreerepo.ModeBareUser || s.mode == ostreerepo.ModeBareUserOnly
}

// loosePath is where a repository that keeps content as plain files has it.
func loosePath(sum object.Checksum) string {
	var buf [2*len(sum) + len("/.file")]byte
	hex.Encode(buf[1:], sum[:])
	buf[0], buf[1], buf[2] = buf[1], buf[2], '/'
	copy(buf[2*len(sum)+1:], ".file")
	return string(buf[:])
}

// kind is what decides between a link and a copy.
type kind struct {
	mode uint32 // of the object, with the type bits
	size int64
}

// copied reports whether objects of this kind are copied from everywhere.
func (k kind) copied(user bool) bool {
	return k.mode&object.ModeTypeMask == object.ModeRegular && (k.size == 0 || user && k.mode&0o400 == 0)
}

func (k kind) symlink() bool { return k.mode&object.ModeTypeMask == object.ModeSymlink }

// kind looks an object up in a source that may be linked to. The errno is
// unix.ENOENT when the object is not there.
func (s *source) kind(path string) (kind, error) {
	var st unix.Stat_t
	if s.mode != ostreerepo.ModeBareUser {
		err := unix.Fstatat(s.fd, path, &st, unix.AT_SYMLINK_NOFOLLOW)
		return kind{uint32(st.Mode), st.Size}, err
	}
	fd, err := openat(s.fd, path, unix.O_RDONLY|unix.O_NOFOLLOW)
	if err != nil {
		return kind{}, err
	}
	defer unix.Close(fd)
	if err := unix.Fstat(fd, &st); err != nil {
		return kind{}, err
	}
	mode, err := userMode(fd)
	return kind{mode, st.Size}, err
}

// userMode reads the mode of a bare-user object, the third of the three
// big-endian numbers that the xattr user.ostreemeta, a (uuua(ayay)), begins
// with. Decoding all of it for each of many files would take longer than the links.
func userMode(fd int) (uint32, error) {
	var buf [256]byte
	n, err := unix.Fgetxattr(fd, "user.ostreemeta", buf[:])
	if err == unix.ERANGE {
		large := make([]byte, 64<<10) // as much as the kernel allows
		n, err = unix.Fgetxattr(fd, "user.ostreemeta", large)
		copy(buf[:], large)
	}
	if err != nil {
		return 0, fmt.Errorf("xattr user.ostreemeta: %w", err)
	}
	if n < 12 {
		return 0, fmt.Errorf("xattr user.ostreemeta of %d bytes", n)
	}
	return binary.BigEndian.Uint32(buf[8:]), nil
}

// link makes name a hard link to the object where the rules allow it; done is
// false when the file has to be copied.
func (c *run) link(d *dir, name string, sum object.Checksum) (done bool, err error) {
	path := loosePath(sum)
	for i := range c.sources {
		s := &c.sources[i]
		if !s.link {
			if err := c.refuse(s, sum); err != nil {
				return false, err
			}
			continue
		}
		k, err := s.kind(path)
		if errors.Is(err, unix.ENOENT) {
			continue
		}
		if err != nil {
			return false, fmt.Errorf("object %s.file: %w", sum, err)
		}
		if k.copied(c.user) || k.symlink() && s.users() {
			return false, nil
		}
		return c.linkFrom(s.fd, path, d, name, sum)
	}
	return false, nil
}

// refuse is the error of a checkout that requires links and has come to a source
// that can't give them, unless the object is one that is copied from anywhere.
func (c *run) refuse(s *source, sum object.Checksum) error {
	if !c.RequireHardlinks {
		return nil
	}
	h, size, err := c.repo.Stat(sum)
	if err != nil {
		return err
	}
	k := kind{h.Mode, size}
	switch {
	case k.copied(c.user) || k.symlink() && s.users():
		return nil
	case s.users():
		return errors.New("User repository mode requires user checkout mode to hardlink") //nolint:staticcheck // libostree's text
	}
	return errors.New("Bare repository mode cannot hardlink in user checkout mode") //nolint:staticcheck // libostree's text
}

// linkFrom links and settles what happens where the name is taken.
func (c *run) linkFrom(from int, path string, d *dir, name string, sum object.Checksum) (done bool, err error) {
	err = unix.Linkat(from, path, d.fd, name, 0)
	if err == unix.EEXIST {
		err = c.linkOver(from, path, d, name, sum)
	} else if err == nil {
		c.remember(d, name, sum)
	}
	switch err {
	case nil:
		return true, nil
	case unix.EMLINK, unix.EXDEV, unix.EPERM:
		// There are too many links, or the file system or the kernel's
		// protection of links has none for this file.
		if !c.RequireHardlinks {
			return false, nil
		}
	}
	if _, bare := err.(unix.Errno); bare {
		err = &sysError{"Hardlinking " + path + " to " + name, err}
	}
	return false, err
}

// linkOver makes a link where something else has the name already, if it may.
func (c *run) linkOver(from int, path string, d *dir, name string, sum object.Checksum) error {
	if c.Overwrite == OverwriteNone {
		return unix.EEXIST
	}
	if c.Overwrite == AddFiles {
		return nil
	}
	same, err := c.sameObject(from, path, d, name, sum)
	switch {
	case same || err != nil:
		return err
	case c.Overwrite == UnionFiles:
		return c.replaceByLink(from, path, d, name, sum)
	}
	return unix.EEXIST
}

// replaceByLink puts a link in the place of a file. The two are not the same
// inode: rename would do nothing then, and leave the temporary name.
func (c *run) replaceByLink(from int, path string, d *dir, name string, sum object.Checksum) error {
	temp := tempName()
	if err := unix.Linkat(from, path, d.fd, temp, 0); err != nil {
		return err
	}
	if err := rename(d.fd, temp, name); err != nil {
		return err
	}
	c.remember(d, name, sum)
	return nil
}

// sameObject reports whether an existing file is a link to the object, or else has
// the object's checksum and, as a file, the owner and mode of the object's file.
func (c *run) sameObject(from int, path string, d *dir, name string, sum object.Checksum) (bool, error) {
	var a, b unix.Stat_t
	if err := unix.Fstatat(from, path, &a, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, err
	}
	if err := unix.Fstatat(d.fd, name, &b, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return false, err
	}
	if a.Dev == b.Dev && a.Ino == b.Ino {
		return true, nil
	}
	if a.Size != b.Size || a.Mode != b.Mode || a.Uid != b.Uid || a.Gid != b.Gid {
		return false, nil
	}
	return identical(d.fd, name, sum, comparison{noXattrs: c.repo.DisableXattrs()})
}

// remember tells the DevIno cache of a link. A commit that does not find it
// there reads the file, so a failure is none.
func (c *run) remember(d *dir, name string, sum object.Checksum) {
	if c.DevIno == nil {
		return
	}
	var st unix.Stat_t
	if unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW) == nil {
		c.DevIno.Add(uint64(st.Dev), st.Ino, sum)
	}
}
