package ostree

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"unicode/utf8"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/diff"
)

func diffCommand() *cli.Command {
	o := diffOptions{uid: -1, gid: -1}
	return &cli.Command{
		Name: "diff", Args: "REV_OR_DIR [REV_OR_DIR]", Group: GroupCommits,
		Summary: "Compare two commits or directories",
		Details: "What begins with / or ./ is a directory. A single REV is compared with its\n" +
			"parent. Each line is M (modified), D (deleted) or A (added) and a path.",
		Flags: func(f *cli.Flags) {
			f.Bool(&o.stats, "stats", "", "Print how many objects the commits have, each and in common")
			f.Bool(&o.files, "fs-diff", "", "Print which files differ; the default without --stats")
			f.Bool(&o.noXattrs, "no-xattrs", "", "Leave out the extended attributes of directories on disk")
			f.Int(&o.uid, "owner-uid", "", "UID", "Take files of the second directory for this user's")
			f.Int(&o.gid, "owner-gid", "", "GID", "Take files of the second directory for this group's")
			f.Bool(&o.json, "json", "", "Write a JSON object")
		},
		Run:      o.run,
		Complete: completeRefs,
	}
}

type diffOptions struct {
	stats, files, noXattrs, json bool
	uid, gid                     int
}

// jsonDiff is the output of --json; what was not asked for is not there.
type jsonDiff struct {
	Changes *[]jsonChange `json:"changes,omitempty"`
	Stats   *jsonStats    `json:"stats,omitempty"`
}

type jsonChange struct {
	Change    string `json:"change"` // "modified", "deleted" or "added"
	Path      string `json:"path"`
	Directory bool   `json:"directory"`
}

type jsonStats struct {
	A          int   `json:"a"`
	B          int   `json:"b"`
	Common     int   `json:"common"`
	CommonSize int64 `json:"commonSize"` // bytes
}

func (o *diffOptions) run(ctx context.Context, env *cli.Env, args []string) error {
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	var a, b string
	switch len(args) {
	case 0:
		return cli.Usagef("REV must be specified")
	case 1:
		a, b = args[0]+"^", args[0]
	default:
		a, b = args[0], args[1]
	}
	var out jsonDiff
	if o.files || !o.stats {
		if err := o.diff(ctx, env, repo, a, b, &out); err != nil {
			return dirError(err)
		}
	}
	if o.stats {
		if err := o.count(ctx, env, repo, a, b, &out); err != nil {
			return err
		}
	}
	if o.json {
		return env.JSON(out)
	}
	return nil
}

func isDirArg(arg string) bool { return strings.HasPrefix(arg, "/") || strings.HasPrefix(arg, "./") }

// side is the tree that an argument names.
func side(repo *ostreerepo.Repo, arg string) (diff.Tree, error) {
	if isDirArg(arg) {
		path, err := filepath.Abs(arg)
		return diff.Dir(path), err
	}
	_, commit, err := loadRev(repo, arg)
	if err != nil {
		return diff.Tree{}, err
	}
	return diff.Commit(repo, commit), nil
}

func (o *diffOptions) diff(ctx context.Context, env *cli.Env, repo *ostreerepo.Repo, a, b string, out *jsonDiff) error {
	treeA, err := side(repo, a)
	if err != nil {
		return err
	}
	treeB, err := side(repo, b)
	if err != nil {
		return err
	}
	found := map[diff.Kind][]diff.Change{}
	for c, err := range diff.Trees(ctx, treeA, treeB, o.options()) {
		if err != nil {
			return err
		}
		if c.Kind == diff.Added && !isDirArg(b) || c.Kind != diff.Added && !isDirArg(a) {
			c.Path = "/" + c.Path
		}
		found[c.Kind] = append(found[c.Kind], c)
	}
	if o.json {
		out.Changes, err = changesJSON(found)
		return err
	}
	return writeChanges(env.Stdout, found)
}

// kinds are what happens to a file, in the order of the output.
var kinds = []struct {
	kind diff.Kind
	word string
}{{diff.Modified, "modified"}, {diff.Removed, "deleted"}, {diff.Added, "added"}}

func writeChanges(w io.Writer, found map[diff.Kind][]diff.Change) error {
	for _, k := range kinds {
		for _, c := range found[k.kind] {
			if _, err := fmt.Fprintf(w, "%c    %s\n", c.Kind, c.Path); err != nil {
				return err
			}
		}
	}
	return nil
}

func changesJSON(found map[diff.Kind][]diff.Change) (*[]jsonChange, error) {
	changes := []jsonChange{}
	for _, k := range kinds {
		for _, c := range found[k.kind] {
			if !utf8.ValidString(c.Path) { // names of a directory may have any bytes
				return nil, fmt.Errorf("JSON cannot hold the name %q", c.Path)
			}
			changes = append(changes, jsonChange{k.word, c.Path, c.Dir})
		}
	}
	return &changes, nil
}

// options are the library's; a negative owner is none.
func (o *diffOptions) options() diff.Options {
	d := diff.Options{NoXattrs: o.noXattrs}
	if o.uid >= 0 {
		uid := uint32(o.uid)
		d.UID = &uid
	}
	if o.gid >= 0 {
		gid := uint32(o.gid)
		d.GID = &gid
	}
	return d
}

func (o *diffOptions) count(ctx context.Context, env *cli.Env, repo *ostreerepo.Repo, a, b string, out *jsonDiff) error {
	commitA, err := repo.Resolve(a)
	if err != nil {
		return err
	}
	commitB, err := repo.Resolve(b)
	if err != nil {
		return err
	}
	s, err := diff.Count(ctx, repo, commitA, commitB)
	if err != nil {
		return err
	}
	if o.json {
		out.Stats = &jsonStats{s.A, s.B, s.Common, s.CommonSize}
		return nil
	}
	env.Printf("[A] Object Count: %d\n", s.A)
	env.Printf("[B] Object Count: %d\n", s.B)
	env.Printf("Common Object Count: %d\n", s.Common)
	env.Printf("Common Object Size: %s\n", cli.Size(uint64(s.CommonSize)))
	return nil
}

// dirError says in libostree's words that an argument is no directory.
func dirError(err error) error {
	var path *fs.PathError
	switch {
	case !errors.As(err, &path) || path.Op != "opendir":
		return err
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("Error when getting information for file “%s”: %w", path.Path, path.Err)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("Error opening directory '%s': %w", path.Path, path.Err)
	}
	return err
}
