// Package ostree is the face of treenail that a user of the ostree command
// knows: the same verbs, options, output and exit codes, one file per command.
//
// A command parses, calls one function of a library and prints. Where a line
// of output or a message is read by scripts, it is libostree's to the byte,
// which is why some messages here begin with a capital; the tests compare them
// with the real program. What libostree does not have is named in the help of
// the command: --json for scripts, --progress for people.
package ostree

import "github.com/treenail/treenail/cmd/internal/cli"

// Headings of treenail's overview.
const (
	GroupCommits = "Make and read commits"
	GroupRepo    = "Look after a repository"
)

// Commands lists the commands of this face by name.
func Commands() []*cli.Command {
	return []*cli.Command{
		catCommand(),
		checkoutCommand(),
		checksumCommand(),
		commitCommand(),
		configCommand(),
		diffCommand(),
		exportCommand(),
		fsckCommand(),
		gpgSignCommand(),
		initCommand(),
		logCommand(),
		lsCommand(),
		pruneCommand(),
		pullLocalCommand(),
		refsCommand(),
		remoteCommand(),
		resetCommand(),
		revParseCommand(),
		showCommand(),
		signCommand(),
		summaryCommand(),
	}
}
