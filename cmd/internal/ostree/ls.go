package ostree

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
)

func lsCommand() *cli.Command {
	var o lsOptions
	return &cli.Command{
		Name: "ls", Args: "COMMIT [PATH...]", Group: GroupCommits,
		Summary: "List files in a commit",
		Flags: func(f *cli.Flags) {
			f.Bool(&o.dirOnly, "dironly", "d", "List a directory itself, not what is in it")
			f.Bool(&o.recursive, "recursive", "R", "List directories with all that is below them")
			f.Bool(&o.checksum, "checksum", "C", "Print checksums: of a file, or of a directory's contents and its metadata")
			f.Bool(&o.xattrs, "xattrs", "X", "Print extended attributes")
			f.Bool(&o.nul, "nul-filenames-only", "", "Print only paths, each ended by a NUL byte")
			f.Bool(&o.json, "json", "", "Write a JSON array of entries")
			f.Exclude("json", "nul-filenames-only")
		},
		Run:      o.run,
		Complete: completeRefs,
	}
}

type lsOptions struct {
	dirOnly, recursive, checksum, xattrs, nul, json bool
}

func (o *lsOptions) run(ctx context.Context, env *cli.Env, args []string) error {
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	if len(args) == 0 {
		return cli.Usagef("An COMMIT argument is required")
	}
	_, commit, err := loadRev(repo, args[0])
	if err != nil {
		return err
	}
	l := lister{lsOptions: *o, repo: repo, w: env.Stdout}
	for _, path := range orRoot(args[1:]) {
		if err := l.list(ctx, commit, path); err != nil {
			return err
		}
	}
	if o.json {
		return env.JSON(l.entries)
	}
	return nil
}

func orRoot(paths []string) []string {
	if len(paths) == 0 {
		return []string{"/"}
	}
	return paths
}

// lister prints entries of a tree, or collects them for JSON.
type lister struct {
	lsOptions
	repo    *ostreerepo.Repo
	w       io.Writer
	entries []jsonEntry
}

// jsonEntry is a file or directory in JSON output.
type jsonEntry struct {
	Path     string           `json:"path"`
	Type     string           `json:"type"` // "file", "symlink" or "directory"
	Mode     string           `json:"mode"` // octal, without the type
	UID      uint32           `json:"uid"`
	GID      uint32           `json:"gid"`
	Size     int64            `json:"size"`
	Target   string           `json:"target,omitempty"`
	Checksum object.Checksum  `json:"checksum"`       // of the content object or dirtree
	Meta     *object.Checksum `json:"meta,omitempty"` // of the dirmeta
	Xattrs   string           `json:"xattrs"`         // GVariant text
}

func (l *lister) list(ctx context.Context, commit *object.Commit, path string) error {
	e, err := lookup(l.repo, commit, path)
	if err != nil {
		return fmt.Errorf("Inspecting path '%s': %w", path, err)
	}
	switch {
	case e.Dir && l.recursive:
		return l.walk(ctx, e)
	case e.Dir && !l.dirOnly:
		return l.directory(e)
	}
	return l.entry(e)
}

// walk lists a directory and everything below it.
func (l *lister) walk(ctx context.Context, top ostreerepo.Entry) error {
	for e, err := range l.repo.Walk(top.Checksum, top.Meta) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		e.Path = join(top.Path, e.Path)
		if err := l.entry(e); err != nil {
			return err
		}
	}
	return nil
}

// directory lists a directory and its entries.
func (l *lister) directory(e ostreerepo.Entry) error {
	tree, err := l.repo.DirTree(e.Checksum)
	if err != nil {
		return err
	}
	if err := l.entry(e); err != nil {
		return err
	}
	for _, f := range tree.Files {
		if err := l.entry(ostreerepo.Entry{Path: join(e.Path, f.Name), Checksum: f.Checksum}); err != nil {
			return err
		}
	}
	for _, d := range tree.Dirs {
		if err := l.entry(ostreerepo.Entry{Path: join(e.Path, d.Name), Dir: true, Checksum: d.Tree, Meta: d.Meta}); err != nil {
			return err
		}
	}
	return nil
}

func (l *lister) entry(e ostreerepo.Entry) error {
	if l.nul {
		_, err := io.WriteString(l.w, e.Path+"\x00")
		return err
	}
	h, size, err := l.header(e)
	if err != nil {
		return err
	}
	if l.json {
		l.entries = append(l.entries, entryJSON(e, h, size))
		return nil
	}
	return l.line(e, h, size)
}

// header is an entry's metadata; a directory's has no size.
func (l *lister) header(e ostreerepo.Entry) (object.FileHeader, int64, error) {
	if !e.Dir {
		return l.repo.Stat(e.Checksum)
	}
	meta, err := l.repo.DirMeta(e.Meta)
	return object.FileHeader{UID: meta.UID, GID: meta.GID, Mode: meta.Mode, Xattrs: meta.Xattrs}, 0, err
}

func (l *lister) line(e ostreerepo.Entry, h object.FileHeader, size int64) error {
	fmt.Fprintf(l.w, "%c0%04o %d %d %6d ", typeLetter(h.Mode), h.Mode&0o7777, h.UID, h.GID, size)
	if l.checksum {
		fmt.Fprintf(l.w, "%s ", e.Checksum)
		if e.Dir {
			fmt.Fprintf(l.w, "%s ", e.Meta)
		}
	}
	if l.xattrs {
		fmt.Fprintf(l.w, "{ %s } ", xattrText(h.Xattrs))
	}
	target := ""
	if h.IsSymlink() {
		target = " -> " + h.Target
	}
	_, err := fmt.Fprintf(l.w, "%s%s\n", e.Path, target)
	return err
}

func typeLetter(mode uint32) byte {
	switch mode & object.ModeTypeMask {
	case object.ModeDir:
		return 'd'
	case object.ModeSymlink:
		return 'l'
	}
	return '-'
}

func entryJSON(e ostreerepo.Entry, h object.FileHeader, size int64) jsonEntry {
	j := jsonEntry{
		Path: e.Path, Type: "file", Mode: fmt.Sprintf("0%04o", h.Mode&0o7777), UID: h.UID, GID: h.GID,
		Size: size, Target: h.Target, Checksum: e.Checksum, Xattrs: xattrText(h.Xattrs),
	}
	switch {
	case e.Dir:
		j.Type, j.Meta = "directory", &e.Meta
	case h.IsSymlink():
		j.Type = "symlink"
	}
	return j
}

// join puts a path of a tree below a directory.
func join(dir, name string) string {
	path := strings.TrimSuffix(dir, "/") + "/" + strings.TrimPrefix(name, "/")
	if path != "/" {
		path = strings.TrimSuffix(path, "/")
	}
	return path
}
