//go:build !linux

package checkout

import "golang.org/x/sys/unix"

// makeWhiteout fails: only Linux has overlayfs.
func makeWhiteout(dirfd int, name string, mode uint32) error { return unix.ENOTSUP }

func chmodWhiteout(dirfd int, name string, mode uint32) error { return unix.ENOTSUP }
