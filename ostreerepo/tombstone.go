package ostreerepo

import (
	"errors"
	"io/fs"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/keyfile"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/durable"
	"golang.org/x/sys/unix"
)

// enableTombstones makes later deletions of commits leave tombstones too.
func (r *Repo) enableTombstones() error {
	if r.tombstones {
		return nil
	}
	return r.editConfig(func(c *keyfile.File) error { return c.SetString("core", "tombstone-commits", "true") })
}

func (c *fscker) addTombstone(parent object.Checksum) error {
	for _, t := range []object.Type{object.TypeCommit, object.TypeTombstoneCommit} {
		if ok, err := c.repo.Has(object.Name{Checksum: parent, Type: t}); ok || err != nil {
			return err
		}
	}
	if err := c.repo.writeTombstone(parent); err != nil {
		return err
	}
	c.report.Tombstones = append(c.report.Tombstones, parent)
	return nil
}

// writeTombstone notes that a commit was deleted on purpose: a{sv} with the
// checksum under the key "commit".
func (r *Repo) writeTombstone(c object.Checksum) error {
	n := object.Name{Checksum: c, Type: object.TypeTombstoneCommit}
	data := gvariant.NewVardict(gvariant.Entry{Key: "commit", Value: gvariant.NewByteString(c.String())}).Bytes()
	path := r.loosePath(n)
	if err := unix.Mkdirat(r.objectsFD(), path[:2], 0o775); err != nil && !errors.Is(err, fs.ErrExist) {
		return r.objectError(n, err)
	}
	dir, err := openDir(r.objectsFD(), path[:2])
	if err != nil {
		return r.objectError(n, err)
	}
	defer dir.Close()
	if err := durable.WriteFileAt(dir, path[3:], data, 0o644, r.fsync); err != nil {
		return r.objectError(n, err)
	}
	return nil
}
