package checkout

import (
	"errors"
	"io/fs"
	"strings"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
)

// find looks a path of a commit up, with libostree's errors: like it, this takes
// no "." and no empty names, and so no slash at the end.
func find(r *ostreerepo.Repo, commit object.Checksum, path string) (ostreerepo.Entry, error) {
	root, err := r.Commit(commit)
	if err != nil {
		return ostreerepo.Entry{}, err
	}
	at := ostreerepo.Entry{Path: "", Dir: true, Checksum: root.Tree, Meta: root.Meta}
	path = strings.TrimPrefix(path, "/")
	if path == "" {
		return at, nil
	}
	for name := range strings.SplitSeq(path, "/") {
		if !at.Dir {
			return at, errNotDirectory
		}
		if at, err = child(r, at, name); err != nil {
			return at, err
		}
	}
	return at, nil
}

// child finds a name in a directory.
func child(r *ostreerepo.Repo, dir ostreerepo.Entry, name string) (ostreerepo.Entry, error) {
	t, err := r.DirTree(dir.Checksum)
	if err != nil {
		return dir, err
	}
	path := dir.Path + "/" + name
	if f, ok := t.File(name); ok {
		return ostreerepo.Entry{Path: path, Checksum: f.Checksum}, nil
	}
	if d, ok := t.Dir(name); ok {
		return ostreerepo.Entry{Path: path, Dir: true, Checksum: d.Tree, Meta: d.Meta}, nil
	}
	return dir, &missingError{path}
}

func baseName(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

var errNotDirectory = errors.New("Not a directory") //nolint:staticcheck // libostree's text

// missingError says which part of a subpath is not there.
type missingError struct{ path string }

func (e *missingError) Error() string        { return "No such file or directory: " + e.path }
func (e *missingError) Is(target error) bool { return target == fs.ErrNotExist }
