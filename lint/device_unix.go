//go:build unix

package lint

import (
	"errors"
	"io/fs"
	"syscall"
)

// otherDevice reports whether two files are on different file systems, so that one of
// them is mounted.
func otherDevice(a, b fs.FileInfo) bool {
	x, ok := a.Sys().(*syscall.Stat_t)
	y, also := b.Sys().(*syscall.Stat_t)
	return ok && also && x.Dev != y.Dev
}

// isNotThere reports whether an error says that a path leads to nothing.
func isNotThere(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR)
}
