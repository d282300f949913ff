package ostreerepo

import (
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
)

// CaptureXattrs reads the xattrs of an open file as objects hold them: in
// canonical form and, as libostree has it, without those whose value is empty.
func CaptureXattrs(fd int) (object.Xattrs, error) { return captured(linuxfs.Xattrs(fd)) }

// CaptureXattrsAt is CaptureXattrs for name in the directory dirfd, which may be
// a symlink and is not followed.
func CaptureXattrsAt(dirfd int, name string) (object.Xattrs, error) {
	return captured(linuxfs.LXattrs(dirfd, name))
}

func captured(list []linuxfs.Xattr, err error) (object.Xattrs, error) {
	if err != nil {
		return nil, err
	}
	var xattrs object.Xattrs
	for _, x := range list {
		if len(x.Value) > 0 {
			xattrs = append(xattrs, object.Xattr(x))
		}
	}
	return xattrs.Canonical(), nil
}
