package ostree

import (
	"context"
	"errors"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/ostreerepo/gpg"
)

func commitCommand() *cli.Command {
	o := commitOptions{ownerUID: -1, ownerGID: -1, fsync: true}
	return &cli.Command{
		Name: "commit", Args: "[PATH]", Group: GroupCommits,
		Summary: "Commit a directory, an archive or other commits",
		Details: "Without --tree the directory PATH is committed, or the current one. Several\n" +
			"trees are laid over each other; a later one wins. The checksum of the new\n" +
			"commit is printed.",
		Flags: o.flags,
		Run:   o.run,
	}
}

type commitOptions struct {
	parent, subject, body, bodyFile string
	editor                          bool
	branch                          string
	orphan, noBindings              bool
	bindRefs                        []string
	base                            string
	trees                           []string
	metadataStrings, metadata       []string
	keepMetadata                    []string
	detachedStrings                 []string
	ownerUID, ownerGID              int
	canonical, bootable             bool
	readOnlyExecutables, noXattrs   bool
	linkSpeedup, devinoCanonical    bool
	tarParents                      bool
	tarFilter                       string
	skipUnchanged                   bool
	statoverride, skipList          string
	consume, table                  bool
	sizes, composefs                bool
	fsync, disableFsync             bool
	timestamp                       string
	timed                           bool
	selinux                         selinuxFlags
	sign                            signFlags
	gpg                             gpg.Signer
}

func (o *commitOptions) flags(f *cli.Flags) {
	f.String(&o.parent, "parent", "", "COMMIT", "Checksum of the parent, or \"none\" (default: what the branch names)")
	f.String(&o.subject, "subject", "s", "SUBJECT", "What the commit is, in a line")
	f.String(&o.body, "body", "m", "BODY", "More about it")
	f.String(&o.bodyFile, "body-file", "F", "FILE", "Take the body from FILE")
	f.Bool(&o.editor, "editor", "e", "Write subject and body with $EDITOR")
	f.String(&o.branch, "branch", "b", "BRANCH", "The ref to write")
	f.Bool(&o.orphan, "orphan", "", "Make a commit without a ref")
	f.Bool(&o.noBindings, "no-bindings", "", "Do not note in the commit which refs it was made for")
	f.Strings(&o.bindRefs, "bind-ref", "", "BRANCH", "Note one more ref that the commit was made for")
	f.String(&o.base, "base", "", "REV", "Begin with the tree of a commit, which no option changes")
	f.Strings(&o.trees, "tree", "", "dir=PATH or tar=TARFILE or ref=COMMIT", "Lay this over the tree; tar=- reads standard input")
	f.Strings(&o.metadataStrings, "add-metadata-string", "", "KEY=VALUE", "Add a string to the metadata")
	f.Strings(&o.metadata, "add-metadata", "", "KEY=VALUE", "Add a value in GVariant text form to the metadata")
	f.Strings(&o.keepMetadata, "keep-metadata", "", "KEY", "Take a key of the metadata over from the parent")
	f.Strings(&o.detachedStrings, "add-detached-metadata-string", "", "KEY=VALUE", "Add a string to the detached metadata")
	f.Int(&o.ownerUID, "owner-uid", "", "UID", "User that all files belong to")
	f.Int(&o.ownerGID, "owner-gid", "", "GID", "Group that all files belong to")
	f.Bool(&o.canonical, "canonical-permissions", "", "Owner 0:0, modes masked with 0755, no extended attributes")
	f.Bool(&o.bootable, "bootable", "", "Mark the commit as one with a kernel in /usr/lib/modules")
	f.Bool(&o.readOnlyExecutables, "mode-ro-executables", "", "Take the write bits from executable files")
	f.Bool(&o.noXattrs, "no-xattrs", "", "Leave extended attributes out")
	f.Bool(&o.linkSpeedup, "link-checkout-speedup", "", "Do not read files that are hard links into the repository")
	f.Bool(&o.devinoCanonical, "devino-canonical", "I", "Take such files as unmodified, whatever their metadata; implies --link-checkout-speedup")
	f.Bool(&o.tarParents, "tar-autocreate-parents", "", "Make directories that an archive has no entry for")
	f.String(&o.tarFilter, "tar-pathname-filter", "", "REGEX,REPLACEMENT", "Rewrite the paths of archive entries")
	f.Bool(&o.skipUnchanged, "skip-if-unchanged", "", "Make no commit when the tree is the parent's")
	f.String(&o.statoverride, "statoverride", "", "PATH", "File of modes to add (MODE PATH) or set (=MODE PATH), decimal")
	f.String(&o.skipList, "skip-list", "", "PATH", "File of paths to leave out")
	f.Bool(&o.consume, "consume", "", "Delete directory trees while they are committed")
	f.Bool(&o.table, "table-output", "", "Print what was written as KEY: VALUE lines")
	f.Bool(&o.sizes, "generate-sizes", "", "Note the objects' sizes in the metadata (archive repositories)")
	f.Bool(&o.composefs, "generate-composefs-metadata", "", "Note the fs-verity digest of the commit's composefs image in the metadata")
	f.Bool(&o.disableFsync, "disable-fsync", "", "Do not wait for the disk")
	f.Hide("disable-fsync")
	f.Truth(&o.fsync, "fsync", "", "POLICY", "Whether to wait until the commit is on disk: true (default) or false")
	f.String(&o.timestamp, "timestamp", "", "TIMESTAMP", "The commit's time: @SECONDS, a date, or words like \"2 days ago\"")
	f.Given(&o.timed, "timestamp")
	f.NotEmpty("parent", "body-file", "statoverride", "skip-list")
	o.sign.flags(f, true)
	gpgFlags(f, &o.gpg)
	o.selinux.flags(f)
	f.Progress()
}

func (o *commitOptions) run(ctx context.Context, env *cli.Env, args []string) error {
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	if err := o.check(); err != nil {
		return err
	}
	if len(o.trees) == 0 {
		o.trees = []string{"dir=" + pathArg(args)}
	}
	c := &committer{commitOptions: o, env: env, repo: repo}
	if err := c.prepare(ctx); err != nil {
		return err
	}
	return c.run(ctx)
}

func pathArg(args []string) string {
	if len(args) == 0 {
		return "."
	}
	return args[0]
}

// check refuses options that contradict each other.
func (o *commitOptions) check() error {
	switch {
	case o.branch == "" && !o.orphan:
		return errors.New("A branch must be specified with --branch, or use --orphan")
	case o.canonical && o.ownerUID > 0:
		return errors.New("Cannot specify both --canonical-permissions and non-zero --owner-uid")
	case o.canonical && o.ownerGID > 0:
		return errors.New("Cannot specify both --canonical-permissions and non-zero --owner-gid")
	}
	return o.selinux.check()
}
