package lint

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Kind says how bad it is when a lint finds something.
type Kind string

// The kinds of lints.
const (
	Fatal   Kind = "fatal"   // a host or an import will fail
	Warning Kind = "warning" // something will be lost or surprising
)

// Lint is one thing that is looked for.
type Lint struct {
	Name        string
	Kind        Kind
	Description string

	rootOnly bool // makes sense only for the root of this very machine
	notRoot  bool // or only for others
	check    func(*tree) (findings, error)
	entry    func(e *entry) (string, error) // called for each file and directory; a text is an item
	headline string                         // above such items
}

// findings are what a lint found: a text, or a headline with paths below it.
type findings struct {
	text  string
	items []string
}

func found(format string, args ...any) (findings, error) {
	return findings{text: fmt.Sprintf(format, args...)}, nil
}

// all are the lints, by name.
var all = slices.SortedFunc(slices.Values(slices.Concat(layoutLints(), contentLints(), nameLints(), accountLints())), func(a, b Lint) int {
	return strings.Compare(a.Name, b.Name)
})

// All lists the lints, sorted by name.
func All() []Lint { return slices.Clone(all) }

// Options are the choices of Run.
type Options struct {
	Skip []string // names of lints to leave out
	// Running says that the root is that of this machine, or of the container that
	// this program runs in.
	Running bool
}

// Report is what Run found.
type Report struct {
	Passed   int       `json:"passed"`
	Skipped  int       `json:"skipped"`
	Findings []Finding `json:"findings"` // by name of the lint
}

// Finding says what a lint found.
type Finding struct {
	Lint  string   `json:"lint"`
	Kind  Kind     `json:"type"`
	Text  string   `json:"text"`            // a line
	Items []string `json:"items,omitempty"` // what it is about, sorted; may be none
}

// UnknownError says that there is no lint of a name.
type UnknownError struct{ Name string }

func (e *UnknownError) Error() string { return "no lint has the name " + e.Name }

// Run looks at a root file system. Its error says that it could not be read; what was
// found is in the report.
func Run(ctx context.Context, root *os.Root, o Options) (*Report, error) {
	for _, name := range o.Skip {
		if !slices.ContainsFunc(all, func(l Lint) bool { return l.Name == name }) {
			return nil, &UnknownError{name}
		}
	}
	t := &tree{root: root, fs: root.FS()}
	r := &Report{Findings: []Finding{}}
	var run []Lint
	for _, l := range all {
		if slices.Contains(o.Skip, l.Name) || l.rootOnly && !o.Running || l.notRoot && o.Running {
			r.Skipped++
			continue
		}
		run = append(run, l)
	}
	walked, err := t.walk(ctx, run)
	if err != nil {
		return nil, err
	}
	for _, l := range run {
		f := walked[l.Name]
		if l.check != nil {
			if f, err = l.check(t); err != nil {
				return nil, fmt.Errorf("lint %s: %w", l.Name, err)
			}
		}
		if f.text == "" {
			r.Passed++
			continue
		}
		slices.Sort(f.items)
		r.Findings = append(r.Findings, Finding{Lint: l.Name, Kind: l.Kind, Text: f.text, Items: f.items})
	}
	return r, nil
}

// tree is the file system that is looked at. Paths are relative to its root.
type tree struct {
	root *os.Root
	fs   fs.FS
}

// entry is a file or directory that a walk meets.
type entry struct {
	*tree
	path string
	info fs.FileInfo
}

// walk shows all entries to the lints that look at each.
func (t *tree) walk(ctx context.Context, lints []Lint) (map[string]findings, error) {
	result := map[string]findings{}
	top, err := t.root.Stat(".")
	if err != nil {
		return nil, err
	}
	err = fs.WalkDir(t.fs, ".", func(at string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil && !utf8.ValidString(at) {
			return fs.SkipDir // package fs opens no such directory, and the lint utf8 has met it
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if d.IsDir() && otherDevice(top, info) {
			return fs.SkipDir
		}
		for _, l := range lints {
			if l.entry == nil {
				continue
			}
			text, err := l.entry(&entry{t, at, info})
			if err != nil {
				return fmt.Errorf("lint %s: %w", l.Name, err)
			}
			if text != "" {
				result[l.Name] = findings{l.headline, append(result[l.Name].items, text)}
			}
		}
		return nil
	})
	return result, err
}

// kind is the type of what is at path, not following a symlink; ok is false when
// nothing is there.
func (t *tree) kind(path string) (mode fs.FileMode, ok bool, err error) {
	info, err := t.root.Lstat(path)
	switch {
	case isNotThere(err):
		return 0, false, nil
	case err != nil:
		return 0, false, err
	}
	return info.Mode().Type(), true, nil
}

// isDir reports whether there is a directory at path.
func (t *tree) isDir(path string) (bool, error) {
	mode, ok, err := t.kind(path)
	return ok && mode.IsDir(), err
}

const (
	maxFile  = 16 << 20 // bytes that a file has at most that is read
	maxLinks = 40       // symlinks followed for one path, as on Linux
)

// read reads a regular file; ok is false when it is not there. Symlinks at the end of
// the path are followed as if the root were that of a machine.
func (t *tree) read(at string) (data []byte, ok bool, err error) {
	for range maxLinks {
		info, err := t.root.Lstat(at)
		switch {
		case isNotThere(err):
			return nil, false, nil
		case err != nil:
			return nil, false, err
		case info.Mode().Type() == fs.ModeSymlink:
			target, err := t.root.Readlink(at)
			if err != nil {
				return nil, false, err
			}
			if !path.IsAbs(target) {
				target = path.Join(path.Dir(at), target)
			}
			at = path.Join("/", target)[1:]
		case !info.Mode().IsRegular():
			return nil, false, nil
		case info.Size() > maxFile:
			return nil, false, fmt.Errorf("/%s: more than %d bytes", at, maxFile)
		default:
			data, err := t.root.ReadFile(at)
			return data, err == nil, err
		}
	}
	return nil, false, fmt.Errorf("/%s: too many symlinks", at)
}

// names lists a directory; nothing if it is not there.
func (t *tree) names(path string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(t.fs, path)
	if isNotThere(err) {
		return nil, nil
	}
	return entries, err
}

// quoted is a path from the root that can be printed.
func quoted(path string) string {
	return strings.Trim(strconv.Quote("/"+path), `"`)
}
