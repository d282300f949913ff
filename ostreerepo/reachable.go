package ostreerepo

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	"github.com/treenail/treenail/format/object"
)

// reachable is the set of the objects that commits consist of.
//
// A repository holds many more files than anything else, so of a file's checksum
// only a part is kept: two files with the same part make one of them stay that
// could go, which does no harm. A directory that was taken for another would not
// be looked into, so those are told apart by all of the checksum.
type reachable struct {
	repo        *Repo
	commitsOnly bool
	commits     map[object.Checksum]int  // and how many parents were added with them
	young       map[object.Checksum]bool // whose parents addYounger has looked at
	trees       map[object.Checksum]struct{}
	metas       map[object.Checksum]struct{}
	files       map[uint64]struct{}
	xattrs      map[object.Checksum]struct{} // of bare-split-xattrs
}

func newReachable(r *Repo, commitsOnly bool) *reachable {
	return &reachable{
		repo: r, commitsOnly: commitsOnly, commits: map[object.Checksum]int{}, young: map[object.Checksum]bool{},
		trees: map[object.Checksum]struct{}{}, metas: map[object.Checksum]struct{}{},
		files: map[uint64]struct{}{}, xattrs: map[object.Checksum]struct{}{},
	}
}

func fileKey(c object.Checksum) uint64 { return binary.BigEndian.Uint64(c[:]) }

// has reports whether the object is in the set. The link to a payload is, as long
// as the object with that payload is.
func (s *reachable) has(n object.Name) (ok bool) {
	switch n.Type {
	case object.TypeCommit:
		_, ok = s.commits[n.Checksum]
	case object.TypeDirTree:
		_, ok = s.trees[n.Checksum]
	case object.TypeDirMeta:
		_, ok = s.metas[n.Checksum]
	case object.TypeFile, object.TypeFileXattrsLink:
		_, ok = s.files[fileKey(n.Checksum)]
	case object.TypeFileXattrs:
		_, ok = s.xattrs[n.Checksum]
	case object.TypePayloadLink:
		c, isLink := s.repo.payloadTarget(n)
		return isLink && s.has(object.Name{Checksum: c, Type: object.TypeFile})
	}
	return ok
}

// payloadTarget reads ../xx/rest.file out of the link to a payload.
func (r *Repo) payloadTarget(n object.Name) (c object.Checksum, ok bool) {
	target, err := readLinkAt(r.objectsFD(), r.loosePath(n))
	if err != nil {
		return c, false
	}
	dir, file, _ := strings.Cut(strings.TrimPrefix(target, "../"), "/")
	name, err := object.ParseLoosePath(dir, file, r.mode == ModeArchive)
	return name.Checksum, err == nil && name.Type == object.TypeFile
}

// addCommit adds a commit and depth of its parents. A commit that is not in the
// repository ends the chain.
func (s *reachable) addCommit(ctx context.Context, c object.Checksum, depth int) error {
	if depth < 0 {
		depth = math.MaxInt
	}
	for {
		known, ok := s.commits[c]
		if ok && known >= depth {
			return nil
		}
		commit, err := s.addOne(ctx, c, depth)
		if err != nil || commit == nil || depth == 0 || commit.Parent.IsZero() {
			return err
		}
		if depth != math.MaxInt {
			depth--
		}
		c = commit.Parent
	}
}

// addYounger adds a commit, and its parents up to the first one from before since.
func (s *reachable) addYounger(ctx context.Context, c object.Checksum, since time.Time) error {
	for {
		commit, err := s.addOne(ctx, c, 0)
		if err != nil || commit == nil || s.young[c] || int64(commit.Timestamp) < since.Unix() || commit.Parent.IsZero() {
			return err
		}
		s.young[c] = true
		parent, err := s.repo.Commit(commit.Parent)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil || int64(parent.Timestamp) < since.Unix() {
			return err
		}
		c = commit.Parent
	}
}

// addOne adds a commit by itself and returns it, nil when it is not there.
func (s *reachable) addOne(ctx context.Context, c object.Checksum, depth int) (*object.Commit, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	commit, err := s.repo.Commit(c)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	known, ok := s.commits[c]
	s.commits[c] = max(known, depth)
	if ok || s.commitsOnly {
		return commit, nil
	}
	if err := s.addTree(c, commit); err != nil {
		return nil, fmt.Errorf("commit %s: %w", c, err)
	}
	return commit, nil
}

// addTree adds what a commit consists of, but no directory twice. Of a partial
// commit dirtrees may be missing.
func (s *reachable) addTree(c object.Checksum, commit *object.Commit) error {
	partial, err := s.repo.Partial(c)
	if err != nil {
		return err
	}
	todo := []object.DirEntry{{Tree: commit.Tree, Meta: commit.Meta}}
	for len(todo) > 0 {
		dir := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		s.metas[dir.Meta] = struct{}{}
		if _, ok := s.trees[dir.Tree]; ok {
			continue
		}
		t, err := s.repo.DirTree(dir.Tree)
		if partial && errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		s.trees[dir.Tree] = struct{}{}
		for _, f := range t.Files {
			if err := s.addFile(f.Checksum); err != nil {
				return err
			}
		}
		todo = append(todo, t.Dirs...)
	}
	return nil
}

func (s *reachable) addFile(c object.Checksum) error {
	if s.repo.mode == ModeBareSplitXattrs {
		if _, ok := s.files[fileKey(c)]; !ok {
			if err := s.addXattrs(c); err != nil {
				return err
			}
		}
	}
	s.files[fileKey(c)] = struct{}{}
	return nil
}

// addXattrs adds the xattrs of a file, which are an object of their own.
func (s *reachable) addXattrs(c object.Checksum) error {
	n := object.Name{Checksum: c, Type: object.TypeFileXattrsLink}
	data, err := readFileAt(s.repo.objectsFD(), s.repo.loosePath(n), object.MaxMetadataSize)
	if errors.Is(err, os.ErrNotExist) {
		return nil // a parent's, or lost
	}
	if err != nil {
		return s.repo.objectError(n, err)
	}
	s.xattrs[object.Sum(data)] = struct{}{}
	return nil
}
