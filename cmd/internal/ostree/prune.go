package ostree

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
)

func pruneCommand() *cli.Command {
	o := pruneOptions{PruneOptions: ostreerepo.PruneOptions{Depth: ostreerepo.AllParents}}
	return &cli.Command{
		Name: "prune", Group: GroupRepo,
		Summary: "Delete objects that nothing leads to",
		Details: "Without options all commits stay. --keep-younger-than, --retain-branch-depth and\n" +
			"--only-branch imply --refs-only.",
		Flags: o.flags,
		Run:   o.run,
	}
}

type pruneOptions struct {
	ostreerepo.PruneOptions
	deleteCommit string
	deltasOnly   bool
	younger      string
	branchDepths []string
	json         bool
}

func (o *pruneOptions) flags(f *cli.Flags) {
	f.Bool(&o.DryRun, "no-prune", "", "Only say what would be deleted")
	f.Bool(&o.RefsOnly, "refs-only", "", "Keep only what refs lead to")
	f.Int(&o.Depth, "depth", "", "DEPTH", "Keep only DEPTH parents of each commit (default: -1, all)")
	f.String(&o.deleteCommit, "delete-commit", "", "COMMIT", "Delete this commit first")
	f.NotEmpty("delete-commit")
	f.String(&o.younger, "keep-younger-than", "", "DATE", "Delete commits from before this date, except those of refs")
	f.Bool(&o.deltasOnly, "static-deltas-only", "", "With --delete-commit, delete only the static deltas to it")
	f.Strings(&o.branchDepths, "retain-branch-depth", "", "BRANCH=DEPTH", "Keep DEPTH parents of this branch")
	f.Strings(&o.OnlyBranches, "only-branch", "", "BRANCH", "Delete only commits of this branch (may be repeated)")
	f.Bool(&o.CommitsOnly, "commit-only", "", "Delete only commits, not what they consist of")
	f.Bool(&o.json, "json", "", "Write the result as JSON")
}

func (o *pruneOptions) run(ctx context.Context, env *cli.Env, _ []string) error {
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	if err := o.parse(); err != nil {
		return err
	}
	if err := o.deleteFirst(ctx, repo); err != nil {
		return err
	}
	report, err := repo.Prune(ctx, o.PruneOptions)
	if err != nil {
		return err
	}
	return o.print(env, report)
}

// deleteFirst does what --delete-commit asks for.
func (o *pruneOptions) deleteFirst(ctx context.Context, repo *ostreerepo.Repo) error {
	switch {
	case o.deleteCommit == "" && o.deltasOnly:
		return errors.New("--static-deltas-only requires --delete-commit; see https://github.com/ostreedev/ostree/issues/1479")
	case o.deleteCommit == "":
		return nil
	case o.DryRun:
		return cli.Usagef("Cannot specify both --delete-commit and --no-prune")
	}
	commit, err := object.ParseChecksum(o.deleteCommit)
	if err != nil {
		return fmt.Errorf("--delete-commit: %w", err)
	}
	if o.deltasOnly {
		return repo.PruneDeltas(ctx, commit)
	}
	return repo.DeleteCommit(ctx, commit)
}

// parse reads the dates and depths.
func (o *pruneOptions) parse() error {
	if o.younger != "" {
		var err error
		if o.YoungerThan, err = parseDate(o.younger, time.Now()); err != nil {
			return err
		}
	}
	o.BranchDepth = map[string]int{}
	for _, spec := range o.branchDepths {
		branch, text, ok := strings.Cut(spec, "=")
		if !ok {
			return fmt.Errorf("Invalid value %s, must specify BRANCH=DEPTH", spec)
		}
		depth, err := strconv.ParseInt(text, 10, 32)
		if errors.Is(err, strconv.ErrRange) {
			return fmt.Errorf("Out of range depth %s", text)
		}
		if err != nil {
			return fmt.Errorf("Invalid depth %s", text)
		}
		o.BranchDepth[branch] = int(depth)
	}
	return nil
}

// jsonPrune is a report in JSON output.
type jsonPrune struct {
	Total  int   `json:"total"`
	Pruned int   `json:"pruned"`
	Freed  int64 `json:"freed"` // bytes
	DryRun bool  `json:"dryRun"`
}

func (o *pruneOptions) print(env *cli.Env, r ostreerepo.PruneReport) error {
	if o.json {
		return env.JSON(jsonPrune{r.Total, r.Pruned, r.Freed, o.DryRun})
	}
	kind := ""
	if o.CommitsOnly {
		kind = "(commit only) "
	}
	env.Printf("Total %sobjects: %d\n", kind, r.Total)
	size := cli.Size(uint64(r.Freed))
	switch {
	case r.Pruned == 0:
		env.Println("No unreachable objects")
	case o.DryRun:
		env.Printf("Would delete: %d objects, freeing %s\n", r.Pruned, size)
	default:
		env.Printf("Deleted %d objects, %s freed\n", r.Pruned, size)
	}
	return nil
}
