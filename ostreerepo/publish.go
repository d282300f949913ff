package ostreerepo

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"
)

// each calls fn for every staged object.
func (s *staging) each(fn func(object.Name) error) error {
	for i := range s.shards {
		if err := s.eachIn(fmt.Sprintf("%02x", i), fn); err != nil {
			return err
		}
	}
	return nil
}

// eachIn calls fn for every staged object of one of the 256 directories.
func (s *staging) eachIn(dir string, fn func(object.Name) error) error {
	objects, err := listLoose(s.fd(), dir, s.repo.mode == ModeArchive)
	if err != nil {
		return err
	}
	for _, n := range objects {
		if err := fn(n); err != nil {
			return fmt.Errorf("object %s: %w", n, err)
		}
	}
	return nil
}

// publish renames the objects of the chosen types into objects/ and returns the
// names of the directories that changed.
func (s *staging) publish(r *Repo, which func(object.Type) bool) ([]string, error) {
	var touched [256]bool
	var g errgroup.Group
	g.SetLimit(8)
	for i := range touched {
		g.Go(func() error {
			var err error
			touched[i], err = s.publishDir(r, fmt.Sprintf("%02x", i), which)
			return err
		})
	}
	err := g.Wait()
	var dirs []string
	for i, yes := range touched {
		if yes {
			dirs = append(dirs, fmt.Sprintf("%02x", i))
		}
	}
	return dirs, err
}

func (s *staging) publishDir(r *Repo, dir string, which func(object.Type) bool) (touched bool, err error) {
	move := func(which func(object.Type) bool) error {
		return s.eachIn(dir, func(n object.Name) error {
			if !which(n.Type) {
				return nil
			}
			if err := makeObjectDir(r, dir, &touched); err != nil {
				return err
			}
			return s.publishObject(r, r.loosePath(n), n.Type)
		})
	}
	if r.mode == ModeBareSplitXattrs { // xattrs go before the file that they belong to
		err = move(func(t object.Type) bool { return which(t) && isSplitXattr(t) })
	}
	if err == nil {
		err = move(which)
	}
	return touched, err
}

func makeObjectDir(r *Repo, dir string, done *bool) error {
	if *done {
		return nil
	}
	*done = true
	if err := unix.Mkdirat(r.objectsFD(), dir, 0o775); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

func isSplitXattr(t object.Type) bool {
	return t == object.TypeFileXattrs || t == object.TypeFileXattrsLink
}

func (s *staging) publishObject(r *Repo, path string, t object.Type) error {
	if t == object.TypeCommitMeta { // not named by its bytes: the new one counts
		return unix.Renameat(s.fd(), path, r.objectsFD(), path)
	}
	err := linuxfs.RenameNoReplace(s.fd(), path, r.objectsFD(), path)
	if errors.Is(err, fs.ErrExist) {
		return unix.Unlinkat(s.fd(), path, 0)
	}
	if err == nil && t == object.TypeCommit { // it may have been deleted once
		err = r.removeTombstone(path)
	}
	return err
}
