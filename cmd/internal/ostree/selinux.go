package ostree

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/selinux"
	"github.com/treenail/treenail/ostreerepo"
)

// selinuxFlags say by which policy a commit is labelled.
type selinuxFlags struct {
	policy   string
	fromBase bool
	epoch    int
}

func (o *selinuxFlags) flags(f *cli.Flags) {
	f.String(&o.policy, "selinux-policy", "", "PATH", "Set SELinux labels by the policy of the system at PATH")
	f.Bool(&o.fromBase, "selinux-policy-from-base", "P", "Set them by the policy in the base commit, or in the first tree")
	f.Int(&o.epoch, "selinux-labeling-epoch", "", "EPOCH", "1 labels /usr/etc as /etc (default: 0)")
}

func (o *selinuxFlags) check() error {
	switch {
	case o.policy != "" && o.fromBase:
		return errors.New("Cannot specify both --selinux-policy and --selinux-policy-from-base")
	case o.epoch != 0 && o.epoch != 1:
		return fmt.Errorf("Unknown SELinux labeling epoch: %d", o.epoch)
	}
	return nil
}

// labeler is a Label of the libraries that write trees.
type labeler = func(path string, mode uint32) (context string, ok bool)

// label returns what labels the commit, nil for nothing.
func (c *committer) label() (labeler, error) {
	policy, err := c.loadPolicy()
	switch {
	case err != nil:
		return nil, err
	case policy.Name() == "":
		return nil, nil
	case c.repo.DisableXattrs():
		return nil, errors.New("the repository takes no extended attributes, so SELinux labels neither")
	case c.selinux.epoch == 0:
		return policy.Label, nil
	}
	return policy.LabelDeployed, nil
}

func (c *committer) loadPolicy() (*selinux.Policy, error) {
	switch {
	case c.selinux.policy != "":
		return policyAt(c.selinux.policy)
	case !c.selinux.fromBase:
		return &selinux.Policy{}, nil
	case c.sources.base != nil:
		return policyIn(c.repo, *c.sources.base)
	}
	switch first := c.sources.list[0]; first.kind {
	case "dir":
		return policyAt(first.name)
	case "ref":
		return policyIn(c.repo, first.commit)
	}
	return nil, errors.New("Cannot use --selinux-policy-from-base with tar")
}

// policyAt reads the policy of the system at a directory.
func policyAt(dir string) (*selinux.Policy, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		var at *fs.PathError
		if errors.As(err, &at) {
			err = at.Err
		}
		return nil, fmt.Errorf("opendir(%s): %w", dir, err)
	}
	defer root.Close()
	policy, err := selinux.Load(root.FS())
	if err != nil {
		return nil, fmt.Errorf("SELinux policy in %s: %w", dir, err)
	}
	return policy, nil
}

// policyIn reads the policy in a commit, which has it in /usr/etc.
func policyIn(repo *ostreerepo.Repo, commit object.Checksum) (*selinux.Policy, error) {
	tree, err := repo.FS(commit)
	if err != nil {
		return nil, err
	}
	const dir = "usr/etc/selinux"
	files, err := fs.Sub(tree, dir)
	if err != nil {
		return nil, err
	}
	policy, err := selinux.LoadDir(files)
	if err != nil {
		return nil, fmt.Errorf("SELinux policy in commit %s: %s: %w", commit, dir, err)
	}
	return policy, nil
}
