package ostreerepo

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"time"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
)

// reachable marks the objects that commits consist of, each directory once however
// many commits have it.
//
// A repository holds many more files than anything else, so of a file's checksum
// only a part is kept: two files with the same part make one of them stay that
// could go, which does no harm. A directory that was taken for another would not
// be looked into, so those are told apart by all of the checksum.
type reachable struct {
	*catalog
	commitsOnly bool
	depths      map[object.Checksum]int  // of the commits, how many parents were added with them
	young       map[object.Checksum]bool // whose parents addYounger has looked at
}

func newReachable(r *Repo, commitsOnly bool) *reachable {
	return &reachable{
		catalog: newCatalog(r, newShortSet()), commitsOnly: commitsOnly,
		depths: map[object.Checksum]int{}, young: map[object.Checksum]bool{},
	}
}

// keeps reports whether an object that is no commit has to stay: it is marked, or
// came after the catalog was made. The link to a payload has to as long as the
// object with that payload does.
func (s *reachable) keeps(n object.Name) bool {
	switch n.Type {
	case object.TypeFileXattrsLink:
		n.Type = object.TypeFile
	case object.TypePayloadLink:
		c, ok := s.repo.payloadTarget(n)
		n = object.Name{Checksum: c, Type: object.TypeFile}
		if here, err := s.repo.hasHere(n); !ok || err == nil && !here {
			return false
		}
	}
	marked, here := s.set(n.Type).marked(n.Checksum)
	return marked || !here
}

// hasAttached reports whether there are objects that belong to files.
func (s *reachable) hasAttached() bool {
	return s.counts[object.TypePayloadLink]+s.counts[object.TypeFileXattrs]+s.counts[object.TypeFileXattrsLink] > 0
}

// payloadTarget reads ../xx/rest.file out of the link to a payload.
func (r *Repo) payloadTarget(n object.Name) (c object.Checksum, ok bool) {
	target, err := linuxfs.ReadLink(r.objectsFD(), r.loosePath(n))
	if err != nil {
		return c, false
	}
	dir, file, _ := strings.Cut(strings.TrimPrefix(target, "../"), "/")
	name, err := object.ParseLoosePath(dir, file, r.mode == ModeArchive)
	return name.Checksum, err == nil && name.Type == object.TypeFile
}

// addAll adds all commits that are here. Their parents are among them, or in a
// parent repository; of those depth counts.
func (s *reachable) addAll(ctx context.Context, depth int) error {
	return s.repo.eachCommit(func(c object.Checksum) error {
		if _, ok := s.depths[c]; ok {
			return nil
		}
		commit, err := s.addOne(ctx, c, 0)
		if err != nil || commit == nil || depth == 0 || commit.Parent.IsZero() {
			return err
		}
		if here, err := s.repo.hasHere(object.Name{Checksum: commit.Parent, Type: object.TypeCommit}); here || err != nil {
			return err
		}
		return s.addCommit(ctx, commit.Parent, max(depth, 0)-1)
	})
}

// addNew adds the commits that came after the catalog was made. No ref may lead to
// them any more; but they stay, and so must what they consist of.
func (s *reachable) addNew(ctx context.Context) error {
	return s.repo.eachCommit(func(c object.Checksum) error {
		if _, here := s.commits.marked(c); here {
			return nil
		}
		_, err := s.addOne(ctx, c, 0)
		return err
	})
}

// addCommit adds a commit and depth of its parents. A commit that is not in the
// repository ends the chain.
func (s *reachable) addCommit(ctx context.Context, c object.Checksum, depth int) error {
	if depth < 0 {
		depth = math.MaxInt
	}
	for {
		if known, ok := s.depths[c]; ok && known >= depth {
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
	known, ok := s.depths[c]
	s.depths[c] = max(known, depth)
	if ok {
		return commit, nil
	}
	s.commits.mark(c)
	if s.commitsOnly {
		return commit, nil
	}
	if err := s.addTree(c, commit); err != nil {
		return nil, fmt.Errorf("commit %s: %w", c, err)
	}
	return commit, nil
}

// addTree adds what a commit consists of. Of a partial commit dirtrees may be missing.
func (s *reachable) addTree(c object.Checksum, commit *object.Commit) error {
	partial, err := s.repo.Partial(c)
	if err != nil {
		return err
	}
	todo := []object.DirEntry{{Tree: commit.Tree, Meta: commit.Meta}}
	for len(todo) > 0 {
		dir := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		s.metas.mark(dir.Meta)
		name := object.Name{Checksum: dir.Tree, Type: object.TypeDirTree}
		if s.met(name) {
			continue
		}
		t, err := s.repo.DirTree(dir.Tree)
		if partial && errors.Is(err, ErrNotFound) {
			continue // and not met: for another commit this is an error
		}
		if err != nil {
			return err
		}
		s.visit(name)
		for _, f := range t.Files {
			if err := s.addFile(f.Checksum); err != nil {
				return err
			}
		}
		todo = append(todo, t.Dirs...)
	}
	return nil
}

// addFile adds a file, and its xattrs where those are an object of their own.
func (s *reachable) addFile(c object.Checksum) error {
	if first, _ := s.files.mark(c); !first || s.repo.mode != ModeBareSplitXattrs {
		return nil
	}
	n := object.Name{Checksum: c, Type: object.TypeFileXattrsLink}
	data, err := readFileAt(s.repo.objectsFD(), s.repo.loosePath(n), object.MaxMetadataSize)
	if errors.Is(err, os.ErrNotExist) {
		return nil // lost
	}
	if err != nil {
		return s.repo.objectError(n, err)
	}
	s.xattrs.mark(object.Sum(data))
	return nil
}
