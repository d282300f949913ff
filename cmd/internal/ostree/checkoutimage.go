package ostree

import (
	"context"
	"errors"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/composefs"
)

// writeImage makes a composefs image of the commit, in place of its files.
func (o *checkoutOptions) writeImage(ctx context.Context, env *cli.Env, repo *ostreerepo.Repo, commit object.Checksum, subpath, dest string) error {
	if !o.suitsImage() || subpath != "" && subpath != "/" {
		return errors.New("Specified options are incompatible with --composefs")
	}
	meter := env.Meter("checkout", cli.Files)
	defer meter.Done()
	return composefs.Write(ctx, repo, commit, dest,
		composefs.Options{NoVerity: o.composefsNoVerity, NoSync: !o.fsync, Progress: meter.Func()})
}

// suitsImage reports whether none of the other options asks for what an image can't
// have. As in libostree --user-mode and --union go with it: an image says itself
// who owns its files, and takes the place of the file that is there.
func (o *checkoutOptions) suitsImage() bool {
	return !o.disableCache && !o.whiteouts && !o.passthrough && !o.requireHardlinks &&
		!o.unionAdd && !o.unionIdentical && !o.forceCopy && !o.forceCopyZerosized &&
		!o.bareUserDirs && o.skipList == "" && o.selinuxPolicy == ""
}
