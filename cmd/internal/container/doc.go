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
		Details: "An IMAGE is docker://HOST/NAME:TAG, oci:PATH[:TAG], oci-archive:PATH[:TAG], dir:PATH,\n" +
			"docker-archive:PATH[:NAME:TAG] or containers-storage:NAME:TAG. Before it, ostree-image-signed:\n" +
			"wants signatures verified by the host's policy, ostree-remote-image:REMOTE: the commit by\n" +
			"the keys of a remote.",
		Commands: []*cli.Command{
			encapsulateCommand(),
			planCommand(),
			indexCommand(),
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
