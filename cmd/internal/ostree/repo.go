package ostree

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
)

// loadRev resolves a rev and loads the commit it names.
func loadRev(repo *ostreerepo.Repo, rev string) (object.Checksum, *object.Commit, error) {
	checksum, err := repo.Resolve(rev)
	if err != nil {
		return object.Checksum{}, nil, err
	}
	commit, err := repo.Commit(checksum)
	return checksum, commit, err
}

// lookup finds a path in a commit's tree. Its errors are in libostree's words:
// of a path that is not there they name the first part that is missing.
func lookup(repo *ostreerepo.Repo, commit *object.Commit, path string) (ostreerepo.Entry, error) {
	e, err := repo.Lookup(commit.Tree, commit.Meta, path)
	var inTree *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return e, fmt.Errorf("No such file or directory: %s", missingPart(repo, commit, absolute(path)))
	case errors.As(err, &inTree):
		return e, errors.New("Not a directory")
	}
	return e, err
}

// missingPart is the shortest prefix of a path that is not in the tree.
func missingPart(repo *ostreerepo.Repo, commit *object.Commit, path string) string {
	for i := 1; i < len(path); i++ {
		if path[i] != '/' {
			continue
		}
		if _, err := repo.Lookup(commit.Tree, commit.Meta, path[:i]); err != nil {
			return path[:i]
		}
	}
	return path
}

// completeRefs offers the repository's refs to a shell, nothing when there is
// no repository.
func completeRefs(env *cli.Env, args []string) []string {
	if len(args) > 0 {
		return nil
	}
	repo, err := env.OpenRepo()
	if err != nil {
		return nil
	}
	defer repo.Close()
	refs, _ := repo.Refs()
	var names []string
	for _, ref := range refs {
		names = append(names, ref.Name)
	}
	return names
}
