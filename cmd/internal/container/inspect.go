package container

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/treenail/treenail/cmd/internal/cli"
	importer "github.com/treenail/treenail/import"
	"github.com/treenail/treenail/oci"
)

func inspectCommand() *cli.Command {
	var o inspectOptions
	return &cli.Command{
		Name: "inspect", Args: "IMAGE", NoRepo: true,
		Summary: "Say what an image holds: commit, version, layers",
		Flags: func(f *cli.Flags) {
			o.access.flags(f)
			platformFlags(f, &o.platform)
			f.Bool(&o.json, "json", "", "Write everything as JSON, labels and annotations too")
		},
		Run: o.run,
	}
}

type inspectOptions struct {
	access
	platform oci.Platform
	json     bool
}

func (o *inspectOptions) run(ctx context.Context, env *cli.Env, args []string) error {
	if len(args) != 1 {
		return cli.Usagef("One IMAGE must be specified")
	}
	ref, err := oci.ParseReference(args[0])
	if err != nil {
		return err
	}
	if ref.Scheme == oci.SchemeRemote {
		return fmt.Errorf("%s: a commit is verified while it is imported only; inspect %s", ref, ref.Image())
	}
	src, err := o.openSource(ctx, ref)
	if err != nil {
		return err
	}
	defer src.Close()
	info, err := importer.Inspect(ctx, src, o.platform)
	if err != nil {
		return err
	}
	if o.json {
		return env.JSON(info)
	}
	writeSummary(env.Stdout, info)
	return writeLayers(env.Stdout, info.Layers)
}

func writeSummary(w io.Writer, info *importer.Info) {
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%-10s %s\n", name+":", value)
		}
	}
	line("Digest", string(info.Digest))
	line("Commit", commitText(info))
	line("Version", info.Version)
	line("Created", info.Created)
	line("Platform", info.OS+"/"+info.Architecture)
	line("Bootable", bootableText(info))
	line("Size", sizeText(info))
}

func commitText(info *importer.Info) string {
	switch {
	case !info.Encapsulated:
		return "none, this is an ordinary container image"
	case info.Commit.IsZero():
		return "yes, its checksum is not noted in the image"
	}
	return info.Commit.String()
}

func bootableText(info *importer.Info) string {
	switch {
	case !info.Bootable:
		return ""
	case info.Linux != "":
		return "yes, Linux " + info.Linux
	}
	return "yes"
}

func sizeText(info *importer.Info) string {
	text := fmt.Sprintf("%s in %s", cli.Size(uint64(info.Size)), plural(len(info.Layers), "layer"))
	if info.Encapsulated && info.DerivedSize > 0 {
		text += fmt.Sprintf(" (commit %s, derived %s)", cli.Size(uint64(info.CommitSize)), cli.Size(uint64(info.DerivedSize)))
	}
	return text
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// maxComponents is how many components of a layer its line names.
const maxComponents = 4

// writeLayers writes the table of layers.
func writeLayers(w io.Writer, layers []importer.LayerInfo) error {
	line := func(index, kind, size, digest, components string) error {
		text := fmt.Sprintf("%5s  %-7s  %9s  %-12s  %s", index, kind, size, digest, components)
		_, err := fmt.Fprintln(w, strings.TrimRight(text, " "))
		return err
	}
	fmt.Fprintln(w)
	err := line("LAYER", "KIND", "SIZE", "DIGEST", "COMPONENTS")
	for _, l := range layers {
		size := cli.Size(uint64(l.Size))
		err = line(strconv.Itoa(l.Index), string(l.Kind), size, shortDigest(l.Digest), componentText(l.Components))
	}
	return err
}

// shortDigest is enough of a digest to tell layers apart.
func shortDigest(d oci.Digest) string {
	_, hex, _ := strings.Cut(string(d), ":")
	return hex[:min(12, len(hex))]
}

func componentText(names []string) string {
	if len(names) <= maxComponents {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxComponents], ", "), len(names)-maxComponents)
}
