package ostree

import (
	"context"
	"fmt"
	"slices"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/ostreerepo"
)

func resetCommand() *cli.Command {
	return &cli.Command{
		Name: "reset", Args: "REF COMMIT", Group: GroupCommits,
		Summary:  "Make a ref that exists name another commit",
		Run:      runReset,
		Complete: completeRefs,
	}
}

func runReset(ctx context.Context, env *cli.Env, args []string) error {
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	if len(args) < 2 {
		return cli.Usagef("A REF and COMMIT argument is required")
	}
	refs, err := repo.Refs()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(refs, func(r ostreerepo.Ref) bool { return r.Name == args[0] }) {
		return fmt.Errorf("Invalid ref '%s'", args[0])
	}
	commit, err := repo.Resolve(args[1])
	if err != nil {
		return err
	}
	return repo.Update(ctx, ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		return tx.SetRef(args[0], commit)
	})
}
