package ostree

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
	return o.conclude(env, report, err)
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

// conclude writes what is wrong and returns it as an error. What libostree has no
// words for stands after its own, but before the last line.
func (o *fsckOptions) conclude(env *cli.Env, report *ostreerepo.FsckReport, failure error) error {
	if failure == nil {
		failure = o.verdict(report)
	}
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
		warnUses(env, &report.Problems[i])
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
	case len(report.FsckPartial) > 0:
		return fmt.Errorf("%d partial commits from fsck-detected corruption", len(report.FsckPartial))
	}
	return nil
}

// problemText is libostree's line about an object. A commit that a ref names is looked
// at before the commits are.
func problemText(p *ostreerepo.FsckProblem) string {
	commits := make([]string, len(p.Commits))
	for i, c := range p.Commits {
		commits[i] = c.String()
	}
	in := strings.Join(commits, ", ")
	what := p.Object.String()
	switch {
	case p.Missing() && in == "":
		return "Object missing: " + what
	case p.Missing():
		return fmt.Sprintf("Object missing in commits %s: %s", in, what)
	case p.Object.Type == object.TypeFile:
		what = "content object " + p.Object.Checksum.String()
	}
	text := fmt.Sprintf("fsck %s: %s", what, damage(p))
	if in != "" {
		text = fmt.Sprintf("In commits %s: %s", in, text)
	}
	return text
}

// warnUses names the refs and paths that use an object.
func warnUses(env *cli.Env, p *ostreerepo.FsckProblem) {
	for _, u := range p.Uses {
		path := ""
		if u.Path != "" {
			path = ": " + u.Path
		}
		env.Warnf("%s is used by %s%s", p.Object, users(&u), path)
	}
	if p.MoreUses {
		env.Warnf("%s is used at other paths too", p.Object)
	}
	if p.DeleteErr != nil {
		env.Warnf("%s can't be deleted: %v", p.Object, p.DeleteErr)
	}
}

// users names the refs of the commits that have an object at a path, and how many
// others have it there.
func users(u *ostreerepo.FsckUse) string {
	names := u.Refs
	switch u.Unnamed {
	case 0:
	case 1:
		names = append(names[:len(names):len(names)], "1 commit without a ref")
	default:
		names = append(names[:len(names):len(names)], fmt.Sprintf("%d commits without a ref", u.Unnamed))
	}
	return strings.Join(names, ", ")
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

// jsonReport is fsck's report in JSON output. All lists are sorted.
type jsonReport struct {
	Commits        int               `json:"commits"` // verified
	Objects        int               `json:"objects"` // of these commits
	Problems       []jsonProblem     `json:"problems"`
	PartialCommits []jsonPartial     `json:"partialCommits"` // not verified
	MarkedPartial  []object.Checksum `json:"markedPartial"`  // by this fsck
	Tombstones     []object.Checksum `json:"tombstones"`
}

type jsonPartial struct {
	Commit object.Checksum `json:"commit"`
	Fsck   bool            `json:"fsck"` // marked by an earlier fsck
}

type jsonProblem struct {
	Object   string            `json:"object"` // "CHECKSUM.TYPE"
	Type     string            `json:"type"`
	Missing  bool              `json:"missing"` // else it is damaged
	Error    string            `json:"error"`
	Deleted  bool              `json:"deleted"`
	Commits  []object.Checksum `json:"commits"`
	Uses     []jsonUse         `json:"uses"`
	MoreUses bool              `json:"moreUses"` // there are paths that uses leaves out
}

type jsonUse struct {
	Path    string   `json:"path"` // "" for the commit itself
	Refs    []string `json:"refs"`
	Commits int      `json:"commits"`
	Unnamed int      `json:"unnamed"` // of the commits, those that no ref names
}

func reportJSON(r *ostreerepo.FsckReport) jsonReport {
	j := jsonReport{
		Commits: len(r.Commits), Objects: r.Objects, Problems: []jsonProblem{}, PartialCommits: []jsonPartial{},
		MarkedPartial: list(r.Marked), Tombstones: list(r.Tombstones),
	}
	for _, c := range r.Partial {
		j.PartialCommits = append(j.PartialCommits, jsonPartial{c, slices.Contains(r.FsckPartial, c)})
	}
	for i := range r.Problems {
		p := &r.Problems[i]
		uses := []jsonUse{}
		for _, u := range p.Uses {
			uses = append(uses, jsonUse{u.Path, list(u.Refs), u.Commits, u.Unnamed})
		}
		j.Problems = append(j.Problems, jsonProblem{
			p.Object.String(), p.Object.Type.String(), p.Missing(), p.Err.Error(), p.Deleted, list(p.Commits), uses, p.MoreUses,
		})
	}
	return j
}

// list makes an empty list of none: null would be a third kind of empty.
func list[T any](items []T) []T { return append([]T{}, items...) }
