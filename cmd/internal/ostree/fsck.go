package ostree

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
)

func fsckCommand() *cli.Command {
	var o fsckOptions
	return &cli.Command{
		Name: "fsck", Args: "[REV...]", Group: GroupRepo,
		Summary: "Verify every object that the commits consist of",
		Details: "With REVs, only the objects of these commits. For each object that is missing or\n" +
			"damaged, the refs and paths that use it are named.",
		Flags: func(f *cli.Flags) {
			f.Bool(&o.AddTombstones, "add-tombstones", "", "Write tombstones for parents that are missing")
			f.Bool(&o.quiet, "quiet", "q", "Do not announce the stages of the work")
			f.Bool(&o.KeepGoing, "all", "a", "Do not stop at the first damaged object")
			f.Bool(&o.Delete, "delete", "", "Delete damaged objects")
			f.Bool(&o.VerifyBindings, "verify-bindings", "", "Check that commits are bound to their refs")
			f.Bool(&o.VerifyBackRefs, "verify-back-refs", "", "Check that the refs commits are bound to exist")
			f.Bool(&o.json, "json", "", "Write the report as JSON")
			f.Progress()
		},
		Run:      o.run,
		Complete: completeRefs,
	}
}

type fsckOptions struct {
	ostreerepo.FsckOptions
	quiet, json bool
}

func (o *fsckOptions) run(ctx context.Context, env *cli.Env, args []string) error {
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	o.Revs = args
	if !o.json {
		o.Stage = o.announcer(env)
	}
	meter := env.Meter("fsck", cli.Objects)
	switch {
	case meter.Func() != nil:
		o.Progress = meter.Func()
	case !o.json:
		o.Progress = firstAndLast(env)
	}
	report, err := repo.Fsck(ctx, o.FsckOptions)
	meter.Done()
	if missing := (*ostreerepo.NotFoundError)(nil); errors.As(err, &missing) {
		env.Warnf("Object missing: %s", missing.Name)
	}
	if err != nil {
		return err
	}
	return o.conclude(env, report)
}

// announcer prints each stage. The number of partial commits, which is known
// before the objects are read, stands after that stage's line as in ostree, and
// is printed even when the user wants quiet.
func (o *fsckOptions) announcer(env *cli.Env) func(ostreerepo.FsckStage, int) {
	partial := 0
	return func(stage ostreerepo.FsckStage, commits int) {
		if stage == ostreerepo.FsckPartial {
			partial = commits
			return
		}
		if !o.quiet {
			env.Println(stageText(stage, commits))
		}
		if stage == ostreerepo.FsckObjects && partial > 0 {
			env.Printf("%d partial commits not verified\n", partial)
		}
		env.Flush()
	}
}

func stageText(stage ostreerepo.FsckStage, commits int) string {
	switch stage {
	case ostreerepo.FsckRefs:
		return "Validating refs..."
	case ostreerepo.FsckCollectionRefs:
		return "Validating refs in collections..."
	case ostreerepo.FsckCommits:
		return "Enumerating commits..."
	}
	return fmt.Sprintf("Verifying content integrity of %d commit objects...", commits)
}

// firstAndLast prints progress as ostree does where no terminal is: once at the
// first object and once at the last.
func firstAndLast(env *cli.Env) func(done, total int64) {
	begun := false
	return func(done, total int64) {
		if !begun && total > 0 {
			begun = true
			env.Printf("fsck objects (1/%d) %d%%\n", total, 100/total)
		}
		if done == total && total > 1 {
			env.Printf("fsck objects (%d/%d) 100%%\n", total, total)
		}
	}
}

// conclude writes what is wrong and returns it as an error.
func (o *fsckOptions) conclude(env *cli.Env, report *ostreerepo.FsckReport) error {
	failure := o.verdict(report)
	if o.json {
		return errors.Join(env.JSON(reportJSON(report)), failure)
	}
	for _, parent := range report.Tombstones {
		env.Printf("Adding tombstone for commit %s\n", parent)
	}
	for i := range report.Problems {
		if text := problemText(&report.Problems[i]); failure == nil || text != failure.Error() {
			env.Warnf("%s", text)
		}
	}
	for _, commit := range report.Marked {
		env.Warnf("Marking commit as partial: %s", commit)
	}
	for i := range report.Problems {
		for _, use := range report.Problems[i].Uses {
			env.Warnf("%s is used by %s", report.Problems[i].Object, useText(&use))
		}
	}
	if failure == nil {
		env.Printf("object fsck of %d commits completed successfully - no errors found.\n", len(report.Commits))
	}
	return failure
}

// verdict is the error that fsck ends with: the first damaged object when it
// stopped there.
func (o *fsckOptions) verdict(report *ostreerepo.FsckReport) error {
	if !o.KeepGoing && !o.Delete {
		for i := range report.Problems {
			if !report.Problems[i].Missing() {
				return errors.New(problemText(&report.Problems[i]))
			}
		}
	}
	switch {
	case len(report.Problems) > 0:
		return errors.New("Repository corruption encountered")
	case report.FsckPartial > 0:
		return fmt.Errorf("%d partial commits from fsck-detected corruption", report.FsckPartial)
	}
	return nil
}

func problemText(p *ostreerepo.FsckProblem) string {
	commits := make([]string, len(p.Commits))
	for i, c := range p.Commits {
		commits[i] = c.String()
	}
	if p.Missing() {
		return fmt.Sprintf("Object missing in commits %s: %s", strings.Join(commits, ", "), p.Object)
	}
	what := p.Object.String()
	if p.Object.Type == object.TypeFile {
		what = "content object " + p.Object.Checksum.String()
	}
	return fmt.Sprintf("In commits %s: fsck %s: %s", strings.Join(commits, ", "), what, damage(p))
}

// useText names the place of an object: by the refs of its commit, if it has any.
func useText(u *ostreerepo.FsckUse) string {
	commit := u.Commit.String()
	if len(u.Refs) > 0 {
		commit = strings.Join(u.Refs, ", ") + " (" + commit + ")"
	}
	if u.Path == "" {
		return commit
	}
	return commit + ": " + u.Path
}

// damage says what is wrong with an object, in libostree's words. The object
// itself is named before it.
func damage(p *ostreerepo.FsckProblem) string {
	var mismatch *object.ChecksumError
	if errors.As(p.Err, &mismatch) {
		return fmt.Sprintf("Corrupted %s object; checksum expected='%s' actual='%s'", p.Object.Type, p.Object.Checksum, mismatch.Actual)
	}
	text := p.Err.Error()
	if _, reason, found := strings.Cut(text, p.Object.String()+": "); found {
		text = reason
	}
	return strings.TrimPrefix(text, p.Object.Type.String()+": ")
}

// jsonReport is fsck's report in JSON output.
type jsonReport struct {
	Commits        int               `json:"commits"`
	PartialCommits int               `json:"partialCommits"`
	Objects        int               `json:"objects"`
	Problems       []jsonProblem     `json:"problems"`
	MarkedPartial  []object.Checksum `json:"markedPartial"`
	Tombstones     []object.Checksum `json:"tombstones"`
}

type jsonProblem struct {
	Object  string            `json:"object"` // "CHECKSUM.TYPE"
	Missing bool              `json:"missing"`
	Commits []object.Checksum `json:"commits"`
	Uses    []jsonUse         `json:"uses"` // no more than some hundred
	Error   string            `json:"error"`
}

type jsonUse struct {
	Commit object.Checksum `json:"commit"`
	Refs   []string        `json:"refs"`
	Path   string          `json:"path"` // "" for the commit itself
}

func usesJSON(uses []ostreerepo.FsckUse) []jsonUse {
	list := []jsonUse{}
	for _, u := range uses {
		list = append(list, jsonUse{u.Commit, append([]string{}, u.Refs...), u.Path})
	}
	return list
}

func reportJSON(r *ostreerepo.FsckReport) jsonReport {
	j := jsonReport{
		Commits: len(r.Commits), PartialCommits: r.Partial, Objects: r.Objects,
		Problems: []jsonProblem{}, MarkedPartial: []object.Checksum{}, Tombstones: []object.Checksum{},
	}
	j.MarkedPartial = append(j.MarkedPartial, r.Marked...) // null would be a third kind of empty
	j.Tombstones = append(j.Tombstones, r.Tombstones...)
	for i := range r.Problems {
		p := &r.Problems[i]
		j.Problems = append(j.Problems, jsonProblem{p.Object.String(), p.Missing(), p.Commits, usesJSON(p.Uses), p.Err.Error()})
	}
	return j
}
