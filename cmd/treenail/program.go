package main

import (
	"fmt"
	"io"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/cmd/internal/container"
	"github.com/treenail/treenail/cmd/internal/ostree"
	"github.com/treenail/treenail/cmd/internal/rofiles"
)

// version is treenail's own; a release sets it at link time.
var version = "devel"

const (
	groupContainers = "Move trees between repositories and container images"
	groupProgram    = "About this program"
)

// program is everything the binary can do, under the name it was called by.
func program(name string) *cli.Program {
	p := &cli.Program{
		Name:    name,
		Flat:    name == "ostree",
		Version: writeVersion,
		Groups:  []string{groupContainers, ostree.GroupCommits, ostree.GroupRepo, groupProgram},

		Extensions:    []string{"ostree"},
		ExtensionDirs: []string{"/usr/libexec/libostree/ext", "/usr/lib/libostree/ext"}, // as Debian and Fedora, and as others build libostree
	}
	if !p.Flat {
		p.Extensions = []string{"treenail", "ostree"}
		p.Summary = "OSTree repositories and OCI container images, and the way from one to the other."
	}
	images := container.Command()
	images.Group = groupContainers
	view := rofiles.Command()
	view.Group = ostree.GroupRepo
	completion := cli.Completion()
	completion.Group = groupProgram
	p.Commands = append(ostree.Commands(), view, images, completion)
	return p
}

// compatible is the libostree release whose command line this is.
const compatible = "2026.4"

// features are the words of libostree's own list that hold for treenail too.
// Scripts look for them before they use what they name.
var features = []string{"gpgme", "composefs", "ex-fsverity", "libarchive", "selinux", "sign-ed25519", "sign-spki", "release"}

// writeVersion writes what scripts read of libostree's answer, as YAML.
func writeVersion(w io.Writer) {
	fmt.Fprintf(w, "libostree:\n Version: '%s'\n Features:\n", compatible)
	for _, f := range features {
		fmt.Fprintf(w, "  - %s\n", f)
	}
	fmt.Fprintf(w, "treenail:\n Version: '%s'\n", version)
}
