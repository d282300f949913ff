package ostree

import (
	"context"
	"errors"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
)

func revParseCommand() *cli.Command {
	var o revParseOptions
	return &cli.Command{
		Name: "rev-parse", Args: "REV...", Group: GroupRepo,
		Summary: "Print the commit that a ref or an abbreviated checksum names",
		Flags: func(f *cli.Flags) {
			f.Bool(&o.single, "single", "S", "Print the only commit of the repository; an error if there are none or several")
		},
		Run:      o.run,
		Complete: completeRefs,
	}
}

type revParseOptions struct{ single bool }

func (o *revParseOptions) run(_ context.Context, env *cli.Env, args []string) error {
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	switch {
	case o.single && len(args) > 0:
		return cli.Usagef("Cannot specify arguments with --single")
	case o.single:
		commit, err := onlyCommit(repo)
		if err != nil {
			return err
		}
		env.Println(commit)
		return nil
	case len(args) == 0:
		return cli.Usagef("REV must be specified")
	}
	for _, rev := range args {
		commit, err := repo.Resolve(rev)
		if err != nil {
			return err
		}
		env.Println(commit)
	}
	return nil
}

// onlyCommit finds the one commit object of a repository.
func onlyCommit(repo *ostreerepo.Repo) (commit object.Checksum, err error) {
	for name, err := range repo.Objects() {
		switch {
		case err != nil:
			return commit, err
		case name.Type != object.TypeCommit:
		case !commit.IsZero():
			return commit, errors.New("Multiple commit objects found")
		default:
			commit = name.Checksum
		}
	}
	if commit.IsZero() {
		return commit, errors.New("No commit objects found")
	}
	return commit, nil
}
