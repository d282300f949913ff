package checkout

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
	"golang.org/x/sys/unix"
)

// The names of whiteouts, those of tars and libostree's own. Only regular files are
// whiteouts.
const (
	whiteoutPrefix    = ".wh."
	opaqueWhiteout    = ".wh..wh..opq"
	passthroughPrefix = ".ostree-wh."
)

// whiteout does what a whiteout stands for; handled is false for other files.
func (c *run) whiteout(d *dir, e object.FileEntry) (handled bool, err error) {
	removed, isWhiteout := strings.CutPrefix(e.Name, whiteoutPrefix)
	device, isDevice := strings.CutPrefix(e.Name, passthroughPrefix)
	isWhiteout, isDevice = isWhiteout && c.Whiteouts, isDevice && c.PassthroughWhiteouts
	if !isWhiteout && !isDevice {
		return false, nil
	}
	h, _, err := c.repo.Stat(e.Checksum)
	if err != nil || h.IsSymlink() {
		return false, err
	}
	switch {
	case isDevice:
		return true, c.passthrough(d, device, &h)
	case e.Name == opaqueWhiteout:
		return true, nil // see clearOpaque
	case removed == "":
		return true, errors.New("Invalid empty whiteout ''") //nolint:staticcheck // libostree's text
	}
	if err := object.ValidateName(removed); err != nil {
		return true, fmt.Errorf("whiteout %s: %w", e.Name, err)
	}
	return true, removeAll(d.fd, removed)
}

// clearOpaque removes the directory d before it is made, when the commit says
// with an opaque whiteout that nothing of it is to stay. The destination itself
// has to be one that may exist.
func (c *run) clearOpaque(parent int, d *dir, t *object.DirTree) error {
	if _, opaque := t.File(opaqueWhiteout); !opaque || !c.Whiteouts || c.Overwrite == OverwriteNone && d.parent == nil {
		return nil
	}
	return removeAll(parent, d.name)
}

// removeAll removes what is called name, if anything, and what is below it. It
// follows no symlinks.
func removeAll(dirfd int, name string) error {
	err := unix.Unlinkat(dirfd, name, 0)
	switch err {
	case nil, unix.ENOENT:
		return nil
	case unix.EISDIR, unix.EPERM: // Linux says the one of a directory, POSIX the other
	default:
		return &sysError{"unlinkat(" + name + ")", err}
	}
	fd, openErr := openat(dirfd, name, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW)
	if openErr != nil {
		return &sysError{"unlinkat(" + name + ")", err}
	}
	if err := removeContents(os.NewFile(uintptr(fd), name)); err != nil {
		return err
	}
	if err := unix.Unlinkat(dirfd, name, unix.AT_REMOVEDIR); err != nil && err != unix.ENOENT {
		return &sysError{"unlinkat(" + name + ")", err}
	}
	return nil
}

func removeContents(dir *os.File) error {
	defer dir.Close()
	for {
		names, err := dir.Readdirnames(1024)
		for _, name := range names {
			if err := removeAll(int(dir.Fd()), name); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// passthrough makes the overlayfs whiteout of a file with header h.
func (c *run) passthrough(d *dir, name string, h *object.FileHeader) error {
	if name == "" {
		return errors.New("Invalid empty overlayfs whiteout ''") //nolint:staticcheck // libostree's text
	}
	if err := object.ValidateName(name); err != nil {
		return fmt.Errorf("whiteout %s%s: %w", passthroughPrefix, name, err)
	}
	h.Xattrs = c.labelled(d, name, unix.S_IFCHR|h.Mode&object.ModePerm, h.Xattrs)
	place, err := c.placement(d, name, func() (bool, error) { return true, sameDevice(d.fd, name, h) })
	if err != nil || place == keep {
		return err
	}
	temp := tempName()
	if err := makeWhiteout(d.fd, temp, h.Mode&object.ModePerm); err != nil {
		return &sysError{"Creating whiteout char device", err}
	}
	if !c.user {
		if err := completeWhiteout(d.fd, temp, h); err != nil {
			unix.Unlinkat(d.fd, temp, 0)
			return err
		}
	}
	return place.rename(d.fd, temp, name, "Creating whiteout char device")
}

func completeWhiteout(dirfd int, name string, h *object.FileHeader) error {
	if err := setLinkOwner(dirfd, name, h); err != nil {
		return fmt.Errorf("Setting xattrs for whiteout char device: %w", err) //nolint:staticcheck // libostree's text
	}
	if err := chmodWhiteout(dirfd, name, h.Mode&object.ModePerm); err != nil {
		return &sysError{"fchmodat", err}
	}
	return nil
}

// sameDevice says in what an existing file is not the whiteout with header h.
func sameDevice(dirfd int, name string, h *object.FileHeader) error {
	xattrs, err := ostreerepo.CaptureXattrsAt(dirfd, name)
	if err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstatat(dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return &sysError{"fstatat(" + name + ")", err}
	}
	want := uint32(unix.S_IFCHR) | h.Mode&object.ModePerm
	switch {
	case !bytes.Equal(xattrs.Encode(), h.Xattrs.Encode()):
		return fmt.Errorf("existing destination file %s xattrs don't match", name)
	case uint32(st.Mode) != want || st.Rdev != 0:
		return fmt.Errorf("existing destination file %s does not match mode %o", name, h.Mode)
	case st.Uid != h.UID:
		return fmt.Errorf("existing destination file %s does not match uid %d", name, h.UID)
	case st.Gid != h.GID:
		return fmt.Errorf("existing destination file %s does not match gid %d", name, h.GID)
	}
	return nil
}
