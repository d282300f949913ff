package ostreerepo

import (
	"context"
	"errors"
	"io/fs"

	"github.com/treenail/treenail/format/object"
)

// visitXattrs marks the object with the xattrs of a file. The file can be read
// without, by a hard link to it.
func (c *fscker) visitXattrs(sum object.Checksum) {
	if _, here := c.seen.xattrs.mark(sum); !here {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.lostXattrs[sum] = struct{}{}
	}
}

// verifyXattrs verifies the xattrs of the files, where those are objects.
func (c *fscker) verifyXattrs(context.Context) error {
	for sum := range c.lostXattrs {
		n := object.Name{Checksum: sum, Type: object.TypeFileXattrs}
		c.problem(n, c.repo.verifyXattrs(n))
	}
	for dir := range 256 {
		for sum := range c.seen.xattrs.all(dir, true) {
			n := object.Name{Checksum: sum, Type: object.TypeFileXattrs}
			if c.problem(n, c.repo.verifyXattrs(n)); c.stopped {
				return nil
			}
		}
	}
	return nil
}

func (r *Repo) verifyXattrs(n object.Name) error {
	data, err := readFileAt(r.objectsFD(), r.loosePath(n), object.MaxMetadataSize)
	if errors.Is(err, fs.ErrNotExist) {
		return &NotFoundError{n}
	}
	if err != nil {
		return r.objectError(n, err)
	}
	if actual := object.Sum(data); actual != n.Checksum {
		return r.objectError(n, &object.ChecksumError{Name: n, Actual: actual})
	}
	return nil
}
