package cli

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/treenail/treenail/ostreerepo"
)

// OpenRepo opens the repository that the command line or its surroundings name.
func (e *Env) OpenRepo() (*ostreerepo.Repo, error) {
	path, err := e.RepoPath()
	if err != nil {
		return nil, err
	}
	repo, err := ostreerepo.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening repo: %w", err)
	}
	e.Debugf("repo %s: mode %s", repo.Path(), repo.Mode())
	return repo, nil
}

// RepoPath says where the repository of a command is: the value of --repo;
// else the current directory if it looks like a repository; else
// $OSTREE_REPO; else ostree/repo below the system root, which is
// $OSTREE_SYSROOT, or /sysroot on a host that runs from a deployment, or /.
// When none of them is there the answer is a UsageError.
func (e *Env) RepoPath() (string, error) {
	if e.Repo != "" {
		return e.Repo, nil
	}
	if isDir("objects") && isFile("config") {
		return ".", nil
	}
	path := os.Getenv("OSTREE_REPO")
	if path == "" {
		path = filepath.Join(sysroot(), "ostree/repo")
	}
	if !isDir(path) {
		return "", topUsagef("Command requires a --repo argument")
	}
	return path, nil
}

func sysroot() string {
	if path := os.Getenv("OSTREE_SYSROOT"); path != "" {
		return path
	}
	if isDir("/sysroot/ostree") {
		return "/sysroot"
	}
	return "/"
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func isFile(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode().IsRegular()
}
