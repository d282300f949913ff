package ostree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
	"golang.org/x/sys/unix"
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

// openFile opens a file that an option names. The error has libostree's words.
func openFile(path string) (*os.File, error) {
	f, err := os.Open(path)
	var failed *fs.PathError
	if errors.As(err, &failed) {
		return nil, fmt.Errorf("openat(%s): %w", path, failed.Err)
	}
	if isDir(f) { // which only reading would find
		f.Close()
		return nil, unix.EISDIR
	}
	return f, err
}

// openFileGIO is openFile with the errors of GIO.
func openFileGIO(path string) (*os.File, error) {
	f, err := os.Open(path)
	var failed *fs.PathError
	switch {
	case errors.As(err, &failed):
		return nil, openingError(path, failed.Err)
	case isDir(f):
		f.Close()
		return nil, openingError(path, unix.EISDIR)
	}
	return f, err
}

func isDir(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.IsDir()
}

func openingError(path string, cause error) error {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return fmt.Errorf("Error opening file %s: %w", path, cause)
}

// lookup finds a path in a commit's tree. Its errors are in libostree's words:
// of a path that is not there they name the first part that is missing.
func lookup(repo *ostreerepo.Repo, commit *object.Commit, path string) (ostreerepo.Entry, error) {
	e, err := repo.Lookup(commit.Tree, commit.Meta, path)
	var inTree *fs.PathError
	switch {
	case errors.As(err, &inTree) && errors.Is(err, fs.ErrNotExist):
		return e, fmt.Errorf("No such file or directory: %s", inTree.Path)
	case errors.As(err, &inTree):
		return e, errors.New("Not a directory")
	}
	return e, err
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
