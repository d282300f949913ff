package ostree

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/export"
)

func exportCommand() *cli.Command {
	o := exportOptions{format: "gnu"}
	return &cli.Command{
		Name: "export", Args: "COMMIT", Group: GroupCommits,
		Summary: "Write a commit as a tar archive",
		Details: "The default format, that of GNU tar, has no xattrs. What is written with\n" +
			"--format=pax can be committed again without loss:\n\n" +
			"  export --format=pax COMMIT | commit --tree=tar=- …",
		Flags: func(f *cli.Flags) {
			f.Bool(&o.NoXattrs, "no-xattrs", "", "Leave out extended attributes")
			f.String(&o.Subpath, "subpath", "", "PATH", "Export only this directory of the commit")
			f.String(&o.Prefix, "prefix", "", "PATH", "What the names in the archive begin with, such as DIRECTORY/")
			f.String(&o.output, "output", "o", "PATH", "Write to this file instead of standard output")
			f.Choice(&o.format, "format", "", "FORMAT", []string{"gnu", "pax"}, "gnu (default), or pax, which has extended attributes")
		},
		Run:      o.run,
		Complete: completeRefs,
	}
}

type exportOptions struct {
	export.Options
	output, format string
}

func (o *exportOptions) run(ctx context.Context, env *cli.Env, args []string) error {
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	if len(args) == 0 {
		return cli.Usagef("A COMMIT argument is required")
	}
	if o.format == "pax" {
		o.Format = export.FormatPAX
	}
	c, commit, err := loadRev(repo, args[0])
	if err != nil {
		return err
	}
	if _, err := lookup(repo, commit, o.Subpath); err != nil {
		return err
	}
	if o.output != "" {
		return o.toFile(ctx, repo, c)
	}
	return o.toTape(ctx, repo, c, env.Stdout)
}

func (o *exportOptions) toFile(ctx context.Context, repo *ostreerepo.Repo, c object.Checksum) error {
	f, err := os.Create(o.output)
	if err != nil {
		return fmt.Errorf("Failed to open '%s'", o.output)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if info.Mode().IsRegular() {
		err = export.Write(ctx, f, repo, c, o.Options)
	} else {
		err = o.toTape(ctx, repo, c, f)
	}
	if err != nil {
		return err
	}
	return f.Close()
}

// toTape writes whole records, as to all that is no regular file.
func (o *exportOptions) toTape(ctx context.Context, repo *ostreerepo.Repo, c object.Checksum, w io.Writer) error {
	t := &tape{w: w}
	if err := export.Write(ctx, t, repo, c, o.Options); err != nil {
		return err
	}
	return t.fill()
}

// tapeRecord is the unit, in bytes, in which tar has written since there were
// tapes.
const tapeRecord = 20 * 512

// tape counts what is written.
type tape struct {
	w io.Writer
	n int64
}

func (t *tape) Write(p []byte) (int, error) {
	n, err := t.w.Write(p)
	t.n += int64(n)
	return n, err
}

// fill completes the last record.
func (t *tape) fill() error {
	if rest := t.n % tapeRecord; rest > 0 {
		_, err := t.Write(make([]byte, tapeRecord-rest))
		return err
	}
	return nil
}
