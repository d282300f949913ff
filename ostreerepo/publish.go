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
	if done, err := s.publishWhole(r, dir, which); done || err != nil {
		return done, err
	}
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

// publishWhole renames the directory itself, which goes if objects/ lacks it and
// all that is in it may be published. That saves a rename for each object of a new
// repository, and the directory's deletion: ext4 creates files slowly for minutes
// where many inodes were just freed.
func (s *staging) publishWhole(r *Repo, dir string, which func(object.Type) bool) (done bool, err error) {
	if s.resumed || !s.sameGroup(r) {
		return false, nil
	}
	objects, err := listLoose(s.fd(), dir, r.mode == ModeArchive)
	if err != nil || len(objects) == 0 {
		return false, err
	}
	for _, n := range objects {
		if !which(n.Type) {
			return false, nil
		}
	}
	return linuxfs.RenameNoReplace(s.fd(), dir, r.objectsFD(), dir) == nil, nil
}

// sameGroup reports whether a directory made here belongs to the group that it
// would have below objects/.
func (s *staging) sameGroup(r *Repo) bool {
	var here, there unix.Stat_t
	return unix.Fstat(s.fd(), &here) == nil && unix.Fstat(r.objectsFD(), &there) == nil &&
		here.Gid == there.Gid && (here.Mode^there.Mode)&unix.S_ISGID == 0
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
