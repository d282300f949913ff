// Package cli is the manner of speaking that treenail's commands share: how
// options are written, how help looks, where messages go and which exit code
// ends the program.
//
// A command is a plain [Command] value: its words, its options and the
// function that runs it. A [Program] is a set of them under a name, and
// [Program.Run] turns an argument vector into an exit code without touching
// the process it runs in, so a test needs no child process.
//
// # Options
//
// Scripts written for the C ostree must not notice a difference, so options
// follow GLib's GOption where the two ways differ from Go's usual ones:
// options and arguments mix freely, the first "--" ends the options, long
// names are never abbreviated, a boolean option becomes true however it is
// written (--quiet=0 too), integers may be decimal, octal or hexadecimal.
//
// # Speech
//
// Results go to standard output, everything else to standard error. The last
// line of a run that did not succeed is "error: " and the cause. A command
// line that cannot be understood is answered with the usage of the command
// before that line. Progress is drawn only on a terminal, or written as JSON
// lines when asked for; a pipe sees nothing of it.
//
// # Exit codes
//
// 0 means done and 1 means not done; after an interrupt the code is 128 plus
// the number of the signal, as a shell reports it for a killed program.
package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// A Command is one verb, or a group of verbs when Commands is set.
type Command struct {
	Name    string   // the verb
	Aliases []string // other names of the verb
	Args    string   // what the usage line shows after the options, such as "REV"
	Summary string   // one line, capitalised, no full stop
	Details string   // paragraphs for the command's own help, optional
	Group   string   // heading under which treenail's own help lists it
	Hidden  bool     // works, but no help lists it
	NoRepo  bool     // the command uses no repository: no --repo option

	Flags    func(*Flags)                                             // declares the options, optional
	Run      func(ctx context.Context, env *Env, args []string) error // does the work; args are the words that are no options
	Complete func(env *Env, args []string) []string                   // words a shell may complete to, optional
	Commands []*Command                                               // verbs of a group
}

// Env is what a running command sees of the outside world.
type Env struct {
	Program string // name the program was called by: "treenail" or "ostree"
	Stdin   io.Reader
	Stdout  io.Writer // buffered, flushed when the command ends
	Stderr  io.Writer
	Repo    string // value of --repo, "" when not given
	Verbose bool   // --verbose was given

	out      *bufio.Writer
	progress string         // value of --progress
	root     *cobra.Command // the command tree, which completion describes
}

// Printf writes to standard output.
func (e *Env) Printf(format string, args ...any) { fmt.Fprintf(e.Stdout, format, args...) }

// Println writes a line to standard output.
func (e *Env) Println(args ...any) { fmt.Fprintln(e.Stdout, args...) }

// Warnf writes a line to standard error, after what standard output has so far.
func (e *Env) Warnf(format string, args ...any) {
	e.Flush()
	fmt.Fprintf(e.Stderr, format+"\n", args...)
}

// Debugf writes a line to standard error when --verbose was given, prefixed
// as the C ostree prefixes its debug messages.
func (e *Env) Debugf(format string, args ...any) {
	if e.Verbose {
		e.Warnf("OT: "+format, args...)
	}
}

// Flush hands buffered output on, for a command that pauses between results.
func (e *Env) Flush() {
	if e.out != nil {
		e.out.Flush()
	}
}

// JSON writes v as indented JSON and a newline to standard output.
func (e *Env) JSON(v any) error {
	w := json.NewEncoder(e.Stdout)
	w.SetEscapeHTML(false)
	w.SetIndent("", "  ")
	return w.Encode(v)
}
