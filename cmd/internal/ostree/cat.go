package ostree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
)

func catCommand() *cli.Command {
	return &cli.Command{
		Name: "cat", Args: "COMMIT PATH...", Group: GroupCommits,
		Summary:  "Write the contents of files in a commit",
		Run:      runCat,
		Complete: completeRefs,
	}
}

func runCat(_ context.Context, env *cli.Env, args []string) error {
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	if len(args) < 2 {
		return cli.Usagef("A COMMIT and at least one PATH argument are required")
	}
	_, commit, err := loadRev(repo, args[0])
	if err != nil {
		return err
	}
	for _, p := range args[1:] {
		if err := catFile(env.Stdout, repo, commit, p); err != nil {
			return err
		}
	}
	return nil
}

func catFile(w io.Writer, repo *ostreerepo.Repo, commit *object.Commit, path string) error {
	f, err := openFollowing(repo, commit, path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(w, f)
	return err
}

// maxLinks is how many symlinks in a row are followed, as by Linux.
const maxLinks = 40

// openFollowing opens a file of a tree. A symlink in the last place is followed
// inside the tree, whose root is the root of absolute targets.
func openFollowing(repo *ostreerepo.Repo, commit *object.Commit, p string) (*ostreerepo.File, error) {
	for range maxLinks {
		e, err := lookup(repo, commit, p)
		if err != nil {
			return nil, err
		}
		if e.Dir {
			return nil, errors.New("Can't open directory")
		}
		f, err := repo.OpenFile(e.Checksum)
		if err != nil || !f.Header.IsSymlink() {
			return f, err
		}
		target := f.Header.Target
		f.Close()
		if path.IsAbs(target) {
			p = path.Clean(target)
		} else {
			p = path.Join("/", path.Dir(e.Path), target)
		}
	}
	return nil, fmt.Errorf("%s: too many levels of symbolic links", p)
}
