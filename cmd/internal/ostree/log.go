package ostree

import (
	"context"
	"errors"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
)

func logCommand() *cli.Command {
	var o logOptions
	return &cli.Command{
		Name: "log", Args: "REV", Group: GroupCommits,
		Summary: "Show a commit and those before it",
		Flags: func(f *cli.Flags) {
			f.Bool(&o.raw, "raw", "", "Show the commits as GVariant text")
			f.Bool(&o.json, "json", "", "Write a JSON array of commits")
			f.Exclude("json", "raw")
		},
		Run:      o.run,
		Complete: completeRefs,
	}
}

type logOptions struct{ raw, json bool }

func (o *logOptions) run(ctx context.Context, env *cli.Env, args []string) error {
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	if len(args) == 0 {
		return cli.Usagef("A rev argument is required")
	}
	at, err := repo.Resolve(args[0])
	if err != nil {
		return err
	}
	if o.json {
		return jsonHistory(ctx, env, repo, at)
	}
	return o.textHistory(ctx, env, repo, at)
}

func (o *logOptions) textHistory(ctx context.Context, env *cli.Env, repo *ostreerepo.Repo, at object.Checksum) error {
	complete, err := history(ctx, repo, at, func(c object.Checksum, commit *object.Commit) error {
		return writeCommit(env.Stdout, c, commit, dump{raw: o.raw})
	})
	if err == nil && !complete {
		env.Println("<< History beyond this commit not fetched >>")
	}
	return err
}

func jsonHistory(ctx context.Context, env *cli.Env, repo *ostreerepo.Repo, at object.Checksum) error {
	commits := []jsonCommit{}
	_, err := history(ctx, repo, at, func(c object.Checksum, commit *object.Commit) error {
		commits = append(commits, commitJSON(c, commit, dump{}))
		return nil
	})
	if err != nil {
		return err
	}
	return env.JSON(commits)
}

// history calls fn for a commit and its parents, newest first. It reports
// whether it came to the first commit; false means that a parent is not in
// the repository.
func history(ctx context.Context, repo *ostreerepo.Repo, at object.Checksum, fn func(object.Checksum, *object.Commit) error) (bool, error) {
	for first := true; ; first = false {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		commit, err := repo.Commit(at)
		if !first && errors.Is(err, ostreerepo.ErrNotFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if err := fn(at, commit); err != nil {
			return false, err
		}
		if commit.Parent.IsZero() {
			return true, nil
		}
		at = commit.Parent
	}
}
