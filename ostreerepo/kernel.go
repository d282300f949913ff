package ostreerepo

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/treenail/treenail/format/object"
)

const modulesDir = "/usr/lib/modules"

// KernelVersion is the version of the kernel in a tree: the name of the one
// directory in /usr/lib/modules that has a vmlinuz.
func (r *Repo) KernelVersion(tree, meta object.Checksum) (string, error) {
	e, err := r.Lookup(tree, meta, modulesDir)
	var path *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist) && errors.As(err, &path):
		return "", fmt.Errorf("No such file or directory: %s", path.Path) //nolint:staticcheck // libostree's text
	case err != nil:
		return "", err
	case !e.Dir:
		return "", errors.New("Not a directory") //nolint:staticcheck // libostree's text
	}
	modules, err := r.DirTree(e.Checksum)
	if err != nil {
		return "", err
	}
	version := ""
	for _, d := range modules.Dirs {
		ok, err := r.hasEntry(d.Tree, "vmlinuz")
		switch {
		case err != nil:
			return "", err
		case ok && version != "":
			return "", errors.New("Multiple kernels found in " + modulesDir) //nolint:staticcheck // libostree's text
		case ok:
			version = d.Name
		}
	}
	if version == "" {
		return "", errors.New("No kernel found in " + modulesDir) //nolint:staticcheck // libostree's text
	}
	return version, nil
}

func (r *Repo) hasEntry(tree object.Checksum, name string) (bool, error) {
	dir, err := r.DirTree(tree)
	if err != nil {
		return false, err
	}
	_, file := dir.File(name)
	_, sub := dir.Dir(name)
	return file || sub, nil
}
