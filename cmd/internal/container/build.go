package container

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/encapsulate"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/ostreetar"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/rootfs"
)

func buildCommand() *cli.Command {
	o := buildOptions{encapsulateOptions: encapsulateOptions{formatVersion: 1}, uid: -1, gid: -1}
	return &cli.Command{
		Name: "build", Args: "IMAGE",
		Summary: "Write a root file system as a container image with a commit in it",
		Details: "The directory is only read: /etc becomes /usr/etc, what is in /dev, /proc, /run, /sys,\n" +
			"/sysroot and /tmp is left out, and labels are those of the SELinux policy in it. With\n" +
			"--repo the commit stays in that repository.",
		Flags: o.flags,
		Run:   o.run,
	}
}

type buildOptions struct {
	encapsulateOptions
	rootfs   string
	branch   string
	bootc    bool
	uid, gid int
}

func (o *buildOptions) flags(f *cli.Flags) {
	f.String(&o.rootfs, "rootfs", "", "DIR", "The root file system")
	f.Bool(&o.bootc, "bootc", "", "Label the image as one that bootc can boot, and name its kernel")
	f.Int(&o.uid, "owner-uid", "", "UID", "Owner of all files (default: as they are)")
	f.Int(&o.gid, "owner-gid", "", "GID", "Group of all files (default: as they are)")
	f.String(&o.branch, "branch", "b", "BRANCH", "With --repo: make this ref name the commit")
	o.encapsulateOptions.flags(f)
}

func (o *buildOptions) run(ctx context.Context, env *cli.Env, args []string) error {
	switch {
	case len(args) != 1 || o.rootfs == "":
		return cli.Usagef("--rootfs and one IMAGE must be specified")
	case o.branch != "" && env.Repo == "":
		return cli.Usagef("--branch needs --repo")
	}
	done, err := o.complete(ctx)
	if err != nil {
		return err
	}
	defer done()
	if o.bootc {
		o.Labels = with(o.Labels, ostreetar.LabelBootc, "1")
	}
	timestamp, err := o.timestamp()
	if err != nil {
		return err
	}
	tree := rootfs.Options{Timestamp: timestamp, UID: owner(o.uid), GID: owner(o.gid), Bootable: o.bootc}
	var result *encapsulate.Result
	if env.Repo != "" {
		result, err = o.keep(ctx, env, tree, args[0])
	} else {
		result, err = o.lend(ctx, env, tree, args[0])
	}
	if err != nil {
		return err
	}
	return o.report(env, result)
}

func with(labels map[string]string, key, value string) map[string]string {
	labels = maps.Clone(labels)
	if _, ok := labels[key]; !ok {
		labels[key] = value
	}
	return labels
}

// owner is nil for a negative number.
func owner(id int) *uint32 {
	if id < 0 {
		return nil
	}
	n := uint32(id)
	return &n
}

// timestamp is the time of the commit: that of --created, else SOURCE_DATE_EPOCH, else
// of the root directory.
func (o *buildOptions) timestamp() (uint64, error) {
	var t time.Time
	if o.Created != "" {
		var err error
		if t, err = time.Parse(time.RFC3339, o.Created); err != nil {
			return 0, fmt.Errorf("--created: %w", err)
		}
	} else if epoch, ok := os.LookupEnv("SOURCE_DATE_EPOCH"); ok {
		seconds, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
		}
		t = time.Unix(seconds, 0)
	} else {
		info, err := os.Stat(o.rootfs)
		if err != nil {
			return 0, err
		}
		t = info.ModTime()
	}
	if t.Unix() < 0 {
		return 0, fmt.Errorf("%s: before 1970", t)
	}
	return uint64(t.Unix()), nil
}

// keep makes the commit in the repository that was named.
func (o *buildOptions) keep(ctx context.Context, env *cli.Env, tree rootfs.Options, image string) (*encapsulate.Result, error) {
	repo, err := env.OpenRepo()
	if err != nil {
		return nil, err
	}
	defer repo.Close()
	var commit object.Checksum
	err = repo.Update(ctx, ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		if commit, err = o.commit(ctx, env, tx, tree); err != nil || o.branch == "" {
			return err
		}
		return tx.SetRef(o.branch, commit)
	})
	if err != nil {
		return nil, err
	}
	return o.encapsulate(ctx, env, repo, commit.String(), image)
}

func (o *buildOptions) commit(ctx context.Context, env *cli.Env, tx *ostreerepo.Tx, tree rootfs.Options) (object.Checksum, error) {
	if !o.quiet {
		meter := env.Meter("commit", cli.Bytes)
		defer meter.Done()
		tree.Progress = meter.Func()
	}
	return rootfs.Commit(ctx, tx, o.rootfs, tree)
}

// errDone ends a transaction of which nothing is to stay.
var errDone = errors.New("done")

// lend makes the commit in a transaction that comes to nothing. Where the temporary
// repository is on the file system of the tree, and this is root, its files are the
// tree's, by hard link: nothing is copied.
func (o *buildOptions) lend(ctx context.Context, env *cli.Env, tree rootfs.Options, image string) (result *encapsulate.Result, err error) {
	tree.Lend = true
	err = withTemporary(lendingMode(o.rootfs), func(repo *ostreerepo.Repo) error {
		return repo.Update(ctx, ostreerepo.UpdateOptions{DisableFsync: true}, func(tx *ostreerepo.Tx) error {
			commit, err := o.commit(ctx, env, tx, tree)
			if err != nil {
				return err
			}
			if result, err = o.encapsulate(ctx, env, tx.View(), commit.String(), image); err != nil {
				return err
			}
			return errDone
		})
	})
	if errors.Is(err, errDone) {
		err = nil
	}
	return result, err
}

// lendingMode is bare where files can be as they are. Labels on files are for root on a
// host only, so a tree that has to be labelled goes where they are kept otherwise.
func lendingMode(root string) ostreerepo.Mode {
	for _, policy := range []string{"etc/selinux/config", "usr/etc/selinux/config"} {
		if _, err := os.Lstat(filepath.Join(root, policy)); err == nil {
			return ostreerepo.ModeBareUser
		}
	}
	if os.Geteuid() != 0 {
		return ostreerepo.ModeBareUser
	}
	return ostreerepo.ModeBare
}

// withTemporary lets do have a repository that is removed afterwards. It is in $TMPDIR,
// or in /var/tmp, where files may be large.
func withTemporary(mode ostreerepo.Mode, do func(*ostreerepo.Repo) error) (err error) {
	parent := os.Getenv("TMPDIR")
	if parent == "" {
		parent = "/var/tmp"
	}
	dir, err := os.MkdirTemp(parent, "treenail-repo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "repo")
	if err := ostreerepo.Create(path, mode, ostreerepo.CreateOptions{}); err != nil {
		return err
	}
	repo, err := ostreerepo.Open(path)
	if err != nil {
		return err
	}
	defer repo.Close()
	return do(repo)
}
