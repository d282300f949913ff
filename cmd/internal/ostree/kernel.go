package ostree

import (
	"errors"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
)

const modulesDir = "/usr/lib/modules"

// findKernel returns the version of the kernel in a tree: the name of the one
// directory in /usr/lib/modules that has a vmlinuz.
func findKernel(repo *ostreerepo.Repo, commit *object.Commit) (string, error) {
	e, err := lookup(repo, commit, modulesDir)
	if err != nil {
		return "", err
	}
	if !e.Dir {
		return "", errors.New("Not a directory")
	}
	modules, err := repo.DirTree(e.Checksum)
	if err != nil {
		return "", err
	}
	version := ""
	for _, d := range modules.Dirs {
		dir, err := repo.DirTree(d.Tree)
		if err != nil {
			return "", err
		}
		if !hasEntry(dir, "vmlinuz") {
			continue
		}
		if version != "" {
			return "", errors.New("Multiple kernels found in " + modulesDir)
		}
		version = d.Name
	}
	if version == "" {
		return "", errors.New("No kernel found in " + modulesDir)
	}
	return version, nil
}

func hasEntry(dir *object.DirTree, name string) bool {
	_, file := dir.File(name)
	_, sub := dir.Dir(name)
	return file || sub
}
