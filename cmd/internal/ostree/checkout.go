package ostree

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/checkout"
)

func checkoutCommand() *cli.Command {
	o := checkoutOptions{fsync: true}
	return &cli.Command{
		Name: "checkout", Args: "COMMIT [DESTINATION]", Group: GroupCommits,
		Summary: "Check out a commit into a directory",
		Details: "DESTINATION is the commit's name when it is not given. With --from-stdin or\n" +
			"--from-file the only argument is the destination.",
		Flags:    o.flags,
		Run:      o.run,
		Complete: completeRefs,
	}
}

type checkoutOptions struct {
	userMode, disableCache           bool
	subpath                          string
	union, unionAdd, unionIdentical  bool
	whiteouts, passthrough           bool
	allowNoent                       bool
	fromStdin                        bool
	fromFile                         string
	fsync                            bool
	requireHardlinks, forceCopy      bool
	forceCopyZerosized, bareUserDirs bool
	skipList                         string
	selinuxPolicy, selinuxPrefix     string
	composefs, composefsNoVerity     bool

	options func() (checkout.Options, error) // readOptions, once
}

func (o *checkoutOptions) flags(f *cli.Flags) {
	f.Bool(&o.userMode, "user-mode", "U", "Leave out ownership and extended attributes")
	f.Bool(&o.disableCache, "disable-cache", "", "Neither use nor fill the repository's cache of uncompressed objects")
	f.String(&o.subpath, "subpath", "", "PATH", "Check out only this directory or file of the commit")
	f.Bool(&o.union, "union", "", "Keep existing directories, replace existing files")
	f.Bool(&o.unionAdd, "union-add", "", "Keep existing directories and files, add what is new")
	f.Bool(&o.unionIdentical, "union-identical", "", "Add what is new; a file that exists has to be the same one")
	f.Bool(&o.whiteouts, "whiteouts", "", "Act on .wh.NAME files as container layers have them")
	f.Bool(&o.passthrough, "process-passthrough-whiteouts", "", "Make .ostree-wh.NAME files whiteout devices of overlayfs")
	f.Bool(&o.allowNoent, "allow-noent", "", "Do nothing when the subpath does not exist, in a checkout of no special kind")
	f.Bool(&o.fromStdin, "from-stdin", "", "Read many commits and subpaths from standard input, each ended by a NUL byte")
	f.String(&o.fromFile, "from-file", "", "FILE", "Read them from FILE")
	f.Truth(&o.fsync, "fsync", "", "POLICY", "Whether to wait until the repository's cache is on disk: true (default) or false")
	f.Bool(&o.requireHardlinks, "require-hardlinks", "H", "Fail where a file can't be a hard link into the repository")
	f.Bool(&o.forceCopyZerosized, "force-copy-zerosized", "z", "Never link empty files")
	f.Hide("force-copy-zerosized")
	f.Bool(&o.forceCopy, "force-copy", "C", "Never link files into the repository; blocks may be shared")
	f.Bool(&o.bareUserDirs, "bareuseronly-dirs", "M", "Mask the modes of directories with 0775")
	f.String(&o.skipList, "skip-list", "", "FILE", "File of paths to leave out; those of directories end in a slash")
	f.NotEmpty("from-file", "skip-list")
	f.Bool(&o.composefs, "composefs", "", "Write a composefs image to the file DESTINATION instead")
	f.Bool(&o.composefsNoVerity, "composefs-noverity", "", "Write one without the fs-verity digests of the files")
	f.String(&o.selinuxPolicy, "selinux-policy", "", "PATH", "Set SELinux labels by the policy of the system at PATH; implies --force-copy")
	f.String(&o.selinuxPrefix, "selinux-prefix", "", "PREFIX", "Label as if the checkout lay at PREFIX")
	f.Progress()
}

func (o *checkoutOptions) run(ctx context.Context, env *cli.Env, args []string) error {
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	o.options = sync.OnceValues(o.readOptions)
	switch {
	case o.selinuxPrefix != "" && o.selinuxPolicy == "":
		return errors.New("Cannot specify --selinux-prefix without --selinux-policy")
	case o.fromStdin || o.fromFile != "":
		return o.checkoutMany(ctx, env, repo, args)
	case len(args) == 0:
		return cli.Usagef("COMMIT must be specified")
	}
	dest := args[0]
	if len(args) > 1 {
		dest = args[1]
	}
	commit, err := repo.Resolve(args[0])
	if err != nil {
		return err
	}
	return o.checkout(ctx, env, repo, commit, o.subpath, dest)
}

// checkoutMany checks out the pairs of rev and subpath that a stream holds, all
// into one place. An empty rev ends it.
func (o *checkoutOptions) checkoutMany(ctx context.Context, env *cli.Env, repo *ostreerepo.Repo, args []string) error {
	if len(args) == 0 {
		return cli.Usagef("DESTINATION must be specified")
	}
	in := env.Stdin
	if !o.fromStdin {
		f, err := openFileGIO(o.fromFile)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	words := bufio.NewReader(in)
	for {
		rev, err := readWord(words)
		if err != nil || rev == "" {
			return err
		}
		subpath, err := readWord(words)
		if err != nil {
			return err
		}
		commit, err := repo.Resolve(rev)
		if err != nil {
			return err
		}
		if err := o.checkout(ctx, env, repo, commit, subpath, args[0]); err != nil {
			return fmt.Errorf("Processing tree %s: %w", commit, err)
		}
	}
}

// maxWord bounds a rev or path in a list of checkouts, in bytes.
const maxWord = 1 << 16

// readWord reads up to a NUL byte or the end.
func readWord(r *bufio.Reader) (string, error) {
	var word []byte
	for len(word) < maxWord {
		b, err := r.ReadByte()
		if err == io.EOF || err == nil && b == 0 {
			return string(word), nil
		}
		if err != nil {
			return "", err
		}
		word = append(word, b)
	}
	return "", fmt.Errorf("a word of the list is longer than %d bytes", maxWord)
}

func (o *checkoutOptions) checkout(ctx context.Context, env *cli.Env, repo *ostreerepo.Repo, commit object.Checksum, subpath, dest string) error {
	if o.composefs || o.composefsNoVerity {
		return o.writeImage(ctx, env, repo, commit, subpath, dest)
	}
	opts, err := o.options()
	if err != nil {
		return err
	}
	opts.Subpath = subpath
	meter := env.Meter("checkout", cli.Files)
	defer meter.Done()
	opts.Progress = meter.Func()
	return checkout.Checkout(ctx, repo, commit, dest, opts)
}

// readOptions makes the library's options, but for the subpath.
func (o *checkoutOptions) readOptions() (checkout.Options, error) {
	overwrite, err := o.overwrite()
	if err != nil {
		return checkout.Options{}, err
	}
	skip, err := parseFile(o.skipList, readPaths)
	if err != nil {
		return checkout.Options{}, err
	}
	c := checkout.Options{
		UserMode: o.userMode, Overwrite: overwrite, DisableCache: o.disableCache,
		Whiteouts: o.whiteouts, PassthroughWhiteouts: o.passthrough, RequireHardlinks: o.requireHardlinks,
		ForceCopy: o.forceCopy, ForceCopyZerosized: o.forceCopyZerosized, BareUserOnlyDirs: o.bareUserDirs,
		CacheNoSync: !o.fsync,
	}
	if skip != nil {
		c.Skip = func(path string) bool { return (*skip)[path] }
	}
	if o.selinuxPolicy != "" {
		policy, err := policyAt(o.selinuxPolicy)
		if err != nil {
			return c, fmt.Errorf("selinux-policy: %w", err)
		}
		c.ForceCopy, c.Label, c.LabelRoot = true, policy.Label, o.selinuxPrefix
	}
	// ostree looks at --allow-noent in plain checkouts only.
	c.AllowNoent = o.allowNoent && c.Plain() && !o.disableCache
	return c, nil
}

func (o *checkoutOptions) overwrite() (checkout.Overwrite, error) {
	switch {
	case o.union && o.unionAdd:
		return 0, errors.New("Cannot specify both --union and --union-add")
	case o.union && o.unionIdentical:
		return 0, errors.New("Cannot specify both --union and --union-identical")
	case o.unionAdd && o.unionIdentical:
		return 0, errors.New("Cannot specify both --union-add and --union-identical")
	case o.requireHardlinks && (o.forceCopy || o.selinuxPolicy != ""):
		return 0, errors.New("Cannot specify both --require-hardlinks and --force-copy")
	case o.unionIdentical && !o.requireHardlinks:
		return 0, errors.New("--union-identical requires --require-hardlinks")
	case o.union:
		return checkout.UnionFiles, nil
	case o.unionAdd:
		return checkout.AddFiles, nil
	case o.unionIdentical:
		return checkout.UnionIdentical, nil
	}
	return checkout.OverwriteNone, nil
}

// readPaths reads a list of absolute paths, one a line. That of a directory
// ends in a slash.
func readPaths(r io.Reader) (*map[string]bool, error) {
	paths := map[string]bool{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		paths[lines.Text()] = true
	}
	return &paths, lines.Err()
}
