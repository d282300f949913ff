package checkout

import (
	"fmt"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sys/unix"
)

// file places one file of the commit, or does what its name asks for.
func (c *run) file(d *dir, e object.FileEntry) error {
	if err := object.ValidateName(e.Name); err != nil {
		return err
	}
	if c.Skip != nil && d.path != "" && c.Skip(d.path+e.Name) {
		return nil
	}
	if handled, err := c.whiteout(d, e); handled || err != nil {
		return err
	}
	if !c.ForceCopy {
		if done, err := c.link(d, e.Name, e.Checksum); done || err != nil {
			return err
		}
		if done, err := c.linkCached(d, e.Name, e.Checksum); done || err != nil {
			return err
		}
	}
	if err := c.copy(d, e.Name, e.Checksum); err != nil {
		return fmt.Errorf("Copy checkout of %s to %s: %w", e.Checksum, e.Name, err) //nolint:staticcheck // libostree's text
	}
	return nil
}

// A placement is what to do about what may have the name of a new file.
type placement uint8

const (
	fresh   placement = iota // nothing has it, or nothing may
	keep                     // leave it
	replace                  // rename over it
)

// placement looks at what has the name already. same tells whether that is what
// would be written; it is called only where this matters.
func (c *run) placement(d *dir, name string, same func() (bool, error)) (placement, error) {
	if c.Overwrite == OverwriteNone {
		return fresh, nil
	}
	var st unix.Stat_t
	err := unix.Fstatat(d.fd, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case err == unix.ENOENT:
		return fresh, nil
	case err != nil:
		return fresh, &sysError{"fstatat(" + name + ")", err}
	case c.Overwrite == AddFiles:
		return keep, nil
	case c.Overwrite == UnionFiles:
		return replace, nil
	}
	if ok, err := same(); !ok || err != nil {
		return fresh, err // which will find the name taken
	}
	return keep, nil
}

// rename gives something that is complete its name in the same directory; op is
// the call whose error a taken name would have been without the detour.
func (p placement) rename(dirfd int, temp, name, op string) error {
	if p == replace {
		return rename(dirfd, temp, name)
	}
	if err := linuxfs.RenameNoReplace(dirfd, temp, dirfd, name); err != nil {
		unix.Unlinkat(dirfd, temp, 0)
		return &sysError{op, err}
	}
	return nil
}

// rename replaces name by temp, or removes temp.
func rename(dirfd int, temp, name string) error {
	if err := unix.Renameat(dirfd, temp, dirfd, name); err != nil {
		unix.Unlinkat(dirfd, temp, 0)
		return &sysError{"renameat(" + temp + ", " + name + ")", err}
	}
	return nil
}

// tempName is the name of something that is not complete, or is to replace
// something else.
func tempName() string { return linuxfs.TempName(".checkout-") }
