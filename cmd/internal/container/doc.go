// Package container is the face of treenail for container images: the verbs
// of ostree-ext's "ostree container", with its options and output, and what
// treenail adds to them.
package container

import "github.com/treenail/treenail/cmd/internal/cli"

// Command is the group "container".
func Command() *cli.Command {
	return &cli.Command{
		Name: "container", NoRepo: true,
		Summary: "Encapsulate commits in container images and import them again",
		Details: "An IMAGE is docker://HOST/NAME:TAG, oci:PATH[:TAG] or oci-archive:PATH[:TAG].",
		Commands: []*cli.Command{
			encapsulateCommand(),
			importCommand(),
			inspectCommand(),
			compareCommand(),
			lintCommand(),
			commitCommand(),
			buildCommand(),
			rechunkCommand(),
			pushCommand(),
			imageCommand(),
		},
	}
}
