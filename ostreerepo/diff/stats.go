package diff

import (
	"context"
	"errors"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
	"golang.org/x/sys/unix"
)

// Stats say how many objects two commits consist of, their parents not counted.
type Stats struct {
	A, B, Common int
	CommonSize   int64 // bytes of the common objects as the repository stores them
}

// Count finds the Stats of two commits.
func Count(ctx context.Context, r *ostreerepo.Repo, a, b object.Checksum) (Stats, error) {
	setA, err := reach(ctx, r, a)
	if err != nil {
		return Stats{}, err
	}
	setB, err := reach(ctx, r, b)
	if err != nil {
		return Stats{}, err
	}
	s := Stats{A: len(setA), B: len(setB)}
	for n := range setA {
		if _, ok := setB[n]; !ok {
			continue
		}
		size, err := storedSize(r, n)
		if err != nil {
			return s, err
		}
		s.Common++
		s.CommonSize += size
	}
	return s, nil
}

func storedSize(r *ostreerepo.Repo, n object.Name) (int64, error) {
	dirfd, path, err := r.Loose(n)
	if err != nil {
		return 0, err
	}
	var st unix.Stat_t
	err = unix.Fstatat(dirfd, path, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st.Size, err
}

type reached map[object.Name]struct{}

// add reports whether the object is new.
func (s reached) add(c object.Checksum, t object.Type) bool {
	n := object.Name{Checksum: c, Type: t}
	_, ok := s[n]
	s[n] = struct{}{}
	return !ok
}

// reach collects what a commit consists of.
func reach(ctx context.Context, r *ostreerepo.Repo, c object.Checksum) (reached, error) {
	commit, err := r.Commit(c)
	if err != nil {
		return nil, err
	}
	s := reached{}
	s.add(c, object.TypeCommit)
	return s, s.addTree(ctx, r, c, commit)
}

// addTree adds the objects of a tree, of which some may be missing when the
// commit is partial.
func (s reached) addTree(ctx context.Context, r *ostreerepo.Repo, c object.Checksum, commit *object.Commit) error {
	partial, err := r.Partial(c)
	if err != nil {
		return err
	}
	todo := []object.DirEntry{{Tree: commit.Tree, Meta: commit.Meta}}
	for len(todo) > 0 && ctx.Err() == nil {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		s.add(at.Meta, object.TypeDirMeta)
		if !s.add(at.Tree, object.TypeDirTree) {
			continue
		}
		t, err := r.DirTree(at.Tree)
		if partial && errors.Is(err, ostreerepo.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		for _, f := range t.Files {
			s.add(f.Checksum, object.TypeFile)
		}
		todo = append(todo, t.Dirs...)
	}
	return ctx.Err()
}
