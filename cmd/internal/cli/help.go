package cli

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The layout of help is GOption's, because scripts (and shell completions)
// read commands and options out of it:
//
//	Usage:
//	  PROGRAM VERB [OPTION…] ARGS
//
//	SUMMARY
//
//	Builtin "VERB" Commands:
//	  NAME              SUMMARY
//
//	Help Options:
//	  -h, --help        …
//
//	Application Options:
//	  -l, --long=ARG    …
//
// treenail's own overview differs in one point: its commands stand under
// headings that name a task.

// commandColumn is the width of a command's name in a list of commands.
const commandColumn = 18

// help writes the help of cmd.
func (r *runner) help(w io.Writer, cmd *cobra.Command) {
	fmt.Fprintf(w, "Usage:\n  %s\n", usageLine(cmd))
	if cmd.Short != "" {
		fmt.Fprintf(w, "\n%s\n", cmd.Short)
	}
	if cmd.Long != "" {
		fmt.Fprintf(w, "\n%s\n", strings.TrimSpace(cmd.Long))
	}
	r.commandList(w, cmd)
	optionList(w, cmd.Flags())
}

func usageLine(cmd *cobra.Command) string {
	line := cmd.CommandPath() + " [OPTION…]"
	if args := cmd.Annotations["args"]; args != "" {
		line += " " + args
	}
	return line
}

// commandList lists the verbs of a group.
func (r *runner) commandList(w io.Writer, cmd *cobra.Command) {
	switch {
	case !cmd.HasAvailableSubCommands():
	case cmd.HasParent():
		listCommands(w, fmt.Sprintf("Builtin %q Commands", cmd.Name()), cmd.Commands())
	case r.program.Flat:
		listCommands(w, "Builtin Commands", cmd.Commands())
	default:
		for _, g := range cmd.Groups() {
			listCommands(w, g.Title, inGroup(cmd.Commands(), g.ID))
		}
	}
}

func inGroup(cmds []*cobra.Command, id string) (in []*cobra.Command) {
	for _, c := range cmds {
		if c.GroupID == id {
			in = append(in, c)
		}
	}
	return in
}

func listCommands(w io.Writer, title string, cmds []*cobra.Command) {
	fmt.Fprintf(w, "\n%s:\n", title)
	for _, c := range cmds {
		if !c.Hidden {
			fmt.Fprintf(w, "  %-*s %s\n", commandColumn-1, c.Name(), c.Short)
		}
	}
}

// optionList writes the two blocks of options, descriptions aligned.
func optionList(w io.Writer, set *pflag.FlagSet) {
	width := 0
	visit(set, func(f *pflag.Flag) { width = max(width, utf8.RuneCountInString(optionWords(f))) })
	fmt.Fprint(w, "\nHelp Options:\n")
	line := func(f *pflag.Flag) {
		words := optionWords(f)
		fmt.Fprintf(w, "  %s%s%s\n", words, strings.Repeat(" ", width+5-utf8.RuneCountInString(words)), f.Usage)
	}
	line(set.Lookup("help"))
	fmt.Fprint(w, "\nApplication Options:\n")
	visit(set, func(f *pflag.Flag) {
		if f.Name != "help" {
			line(f)
		}
	})
}

func visit(set *pflag.FlagSet, fn func(*pflag.Flag)) {
	set.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			fn(f)
		}
	})
}

// optionWords is an option as the help names it: "-b, --branch=BRANCH".
func optionWords(f *pflag.Flag) string {
	words := "--" + f.Name
	if f.Shorthand != "" {
		words = "-" + f.Shorthand + ", " + words
	}
	if arg := f.Value.Type(); arg != "" && f.NoOptDefVal == "" {
		words += "=" + arg
	}
	return words
}
