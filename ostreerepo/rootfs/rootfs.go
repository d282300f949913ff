// Package rootfs makes a commit of the root file system of an operating system, as it
// comes from a package manager or a container build.
//
// A commit is not quite such a tree:
//
//   - configuration is in /usr/etc, of which each deployment gets an /etc;
//   - /dev, /proc, /run, /sys, /sysroot and /tmp are empty directories, over which
//     something is mounted;
//   - the root directory belongs to 0:0 and has the mode 0755;
//   - SELinux labels are those of the policy in the tree, and there are none without one:
//     what is on disk is from the machine that the tree was made on.
package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/selinux"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/tree"
)

// Options are the choices of Commit.
type Options struct {
	Timestamp uint64 // of the commit, in seconds since 1970
	UID, GID  *uint32
	Bootable  bool // say in the metadata which kernel is in the tree, if there is one

	// Lend makes objects of the files themselves, by hard link, where the mode of the
	// repository allows that. Nothing about them changes as long as the transaction is
	// not committed; if it is, they are gone from where they were.
	Lend bool

	// Progress is told how many bytes of files are stored, and -1, from one goroutine
	// at a time.
	Progress func(done, total int64)
}

// emptied are directories of which only they themselves are committed.
var emptied = []string{"dev", "proc", "run", "sys", "sysroot", "tmp"}

// Commit puts the tree at path, and a commit of it, into a transaction.
func Commit(ctx context.Context, tx *ostreerepo.Tx, path string, o Options) (object.Checksum, error) {
	c, err := commit(ctx, tx, path, o)
	if err != nil {
		return c, fmt.Errorf("root file system %s: %w", path, err)
	}
	return c, nil
}

func commit(ctx context.Context, tx *ostreerepo.Tx, path string, o Options) (none object.Checksum, err error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return none, err
	}
	defer root.Close()
	etc, err := moveEtc(root)
	if err != nil {
		return none, err
	}
	policy, err := loadPolicy(root)
	if err != nil {
		return none, err
	}
	label := func(path string, mode uint32) (string, bool) {
		context, _ := policy.LabelDeployed(path, mode)
		return context, true // an empty one, too, instead of what is on disk
	}
	t := tree.New(tx, tree.Options{UID: o.UID, GID: o.GID, Label: label, PassOver: inEmptied, Consume: o.Lend, Progress: o.Progress})
	if err := t.AddDir(ctx, path); err != nil {
		return none, err
	}
	if etc {
		if err := t.Rename("etc", "usr/etc"); err != nil {
			return none, err
		}
	}
	contents, _, err := t.Write(ctx)
	if err != nil {
		return none, err
	}
	meta, err := putRootMeta(tx, policy)
	if err != nil {
		return none, err
	}
	var metadata []gvariant.Entry
	if o.Bootable {
		if metadata, err = Kernel(tx.View(), contents, meta); err != nil {
			return none, err
		}
	}
	return tx.PutCommit(&object.Commit{Metadata: gvariant.NewVardict(gvariant.DictOrder(metadata)...), Timestamp: o.Timestamp, Tree: contents, Meta: meta})
}

// moveEtc reports whether the tree has its configuration in /etc.
func moveEtc(root *os.Root) (bool, error) {
	var there [2]bool
	for i, path := range []string{"etc", "usr/etc"} {
		_, err := root.Lstat(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
		there[i] = err == nil
	}
	if there[0] && there[1] {
		return false, errors.New("both /etc and /usr/etc exist")
	}
	return there[0], nil
}

// loadPolicy reads the SELinux policy in the tree; it is nameless if there is none.
func loadPolicy(root *os.Root) (*selinux.Policy, error) {
	for _, path := range []string{"etc/selinux", "usr/etc/selinux"} {
		dir, err := fs.Sub(root.FS(), path)
		if err != nil {
			return nil, err
		}
		policy, err := selinux.LoadDir(dir)
		if err != nil {
			return nil, fmt.Errorf("SELinux policy: %w", err)
		}
		if policy.Name() != "" {
			return policy, nil
		}
	}
	return &selinux.Policy{}, nil
}

// inEmptied reports whether a path is of something in a directory that is committed
// empty.
func inEmptied(path string) bool {
	top, _, below := strings.Cut(path[1:], "/")
	return below && slices.Contains(emptied, top)
}

// putRootMeta stores the dirmeta of the root.
func putRootMeta(tx *ostreerepo.Tx, policy *selinux.Policy) (object.Checksum, error) {
	meta := object.DirMeta{Mode: object.ModeDir | 0o755}
	if !tx.Repo().DisableXattrs() && tx.Repo().Mode() != ostreerepo.ModeBareUserOnly {
		if context, ok := policy.LabelDeployed("/", meta.Mode); ok {
			meta.Xattrs = meta.Xattrs.WithLabel(context)
		}
	}
	return tx.PutMetadata(object.TypeDirMeta, meta.Encode())
}

// Kernel is what the metadata of a commit says of the kernel in its tree: nothing if
// there is none. More than one is an error.
func Kernel(r *ostreerepo.Repo, contents, meta object.Checksum) ([]gvariant.Entry, error) {
	if there, err := hasKernel(r, contents, meta); err != nil || !there {
		return nil, err
	}
	version, err := r.KernelVersion(contents, meta)
	if err != nil {
		return nil, err
	}
	return []gvariant.Entry{
		{Key: "ostree.bootable", Value: gvariant.NewBool(true)},
		{Key: "ostree.linux", Value: gvariant.NewString(version)},
	}, nil
}

func hasKernel(r *ostreerepo.Repo, contents, meta object.Checksum) (bool, error) {
	modules, err := r.Lookup(contents, meta, "/usr/lib/modules")
	if errors.Is(err, fs.ErrNotExist) || err == nil && !modules.Dir {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	dir, err := r.DirTree(modules.Checksum)
	if err != nil {
		return false, err
	}
	for _, d := range dir.Dirs {
		version, err := r.DirTree(d.Tree)
		if err != nil {
			return false, err
		}
		if _, ok := version.File("vmlinuz"); ok {
			return true, nil
		}
	}
	return false, nil
}
