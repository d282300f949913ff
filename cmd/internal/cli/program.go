package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A Program is a set of commands under a name.
type Program struct {
	Name     string // as the user called it; it stands in every usage line
	Summary  string // what the program is for, in a line
	Flat     bool   // help lists all commands under one heading, as the C ostree does
	Commands []*Command
	Groups   []string          // headings of the help, in order, when not Flat
	Version  func(w io.Writer) // writes the answer to --version

	// Programs called NAME-VERB, for these names, supply further verbs: see
	// [Program.Extension]. They are looked for in the directories before $PATH.
	Extensions, ExtensionDirs []string
}

// Streams are the three files a program is born with.
type Streams struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Run runs the command that args (without the program's name) asks for and
// returns the exit code.
func (p *Program) Run(ctx context.Context, args []string, s Streams) int {
	out := bufio.NewWriterSize(s.Stdout, 64<<10)
	env := &Env{Program: p.Name, Stdin: s.Stdin, Stdout: out, Stderr: s.Stderr, out: out}
	r := &runner{program: p, env: env, args: verbFirst(p.Commands, args)}
	cmd, err := r.tree().ExecuteContextC(ctx)
	err = cause(ctx, err)
	if flushErr := out.Flush(); err == nil {
		err = flushErr
	}
	if err != nil {
		r.report(cmd, err)
	}
	return exitCode(err)
}

// verbFirst moves the command before the options that precede it, so that they
// are read as the command's own: as for the C ostree, the command is the first
// word that is no option, even one that would be the value of the option before.
func verbFirst(commands []*Command, args []string) []string {
	i := firstWord(args)
	if i < 0 {
		return args
	}
	verb, rest := args[i], slices.Concat(args[:i], args[i+1:])
	if j := slices.IndexFunc(commands, func(c *Command) bool { return c.is(verb) }); j >= 0 && len(commands[j].Commands) > 0 {
		rest = verbFirst(commands[j].Commands, rest)
	}
	return append([]string{verb}, rest...)
}

// firstWord is the index of the first argument that is no option, -1 for none.
func firstWord(args []string) int {
	return slices.IndexFunc(args, func(arg string) bool { return !strings.HasPrefix(arg, "-") })
}

// runner is one run of a program: it knows the command line as given.
type runner struct {
	program *Program
	env     *Env
	args    []string
}

// completing reports whether a shell asks what the command line may go on with.
// Then cobra reads the options, to see where in them it stands.
func (r *runner) completing() bool {
	return len(r.args) > 0 && (r.args[0] == cobra.ShellCompRequestCmd || r.args[0] == cobra.ShellCompNoDescRequestCmd)
}

// commonOptions are the options every command has.
type commonOptions struct {
	version bool
}

// report writes what went wrong, after the usage where the command line
// itself was at fault.
func (r *runner) report(cmd *cobra.Command, err error) {
	var usage *UsageError
	if errors.As(err, &usage) {
		r.help(r.env.Stderr, cmd)
		fmt.Fprintln(r.env.Stderr)
		if !usage.tight {
			fmt.Fprintln(r.env.Stderr)
		}
	}
	printError(r.env.Stderr, err)
}

// tree makes cobra's commands out of ours.
func (r *runner) tree() *cobra.Command {
	root := r.group(&Command{Name: r.program.Name, Summary: r.program.Summary, NoRepo: true, Commands: r.program.Commands}, nil)
	r.env.root = root
	root.SetArgs(append([]string{}, r.args...)) // for nil it would take os.Args
	root.SetIn(r.env.Stdin)
	root.SetOut(r.env.Stdout)
	root.SetErr(r.env.Stderr)
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetHelpCommand(&cobra.Command{Use: "help [COMMAND…]", Hidden: true, Args: cobra.ArbitraryArgs, RunE: r.helpCommand})
	return root
}

// node makes a cobra command with what all of them have in common.
func (r *runner) node(c *Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: c.Name, Aliases: c.Aliases, Short: c.Summary, Long: c.Details, Hidden: c.Hidden, GroupID: c.Group,
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true, SilenceUsage: true, DisableFlagsInUseLine: true,
		DisableFlagParsing: !r.completing(), // see parse
		Annotations:        map[string]string{"args": c.Args},
	}
	cmd.SetHelpFunc(func(cmd *cobra.Command, _ []string) {
		r.help(r.env.Stdout, cmd)
		fmt.Fprintln(r.env.Stdout)
	})
	set := cmd.Flags()
	set.SortFlags = false
	set.VarPF(helpValue{}, "help", "h", "Show help options").NoOptDefVal = "true"
	return cmd
}

// options declares a command's options: --repo, its own, the common ones.
func (r *runner) options(cmd *cobra.Command, c *Command) *commonOptions {
	f := &Flags{set: cmd.Flags(), env: r.env}
	if !c.NoRepo {
		f.String(&r.env.Repo, "repo", "", "PATH", "The repository (default: the current directory, else $OSTREE_REPO, else the system's)")
	}
	if c.Flags != nil {
		c.Flags(f)
	}
	o := &commonOptions{}
	short := "v"
	if f.set.ShorthandLookup(short) != nil { // the command's own option has it
		short = ""
	}
	f.Bool(&r.env.Verbose, "verbose", short, "Print debug messages to standard error")
	f.Bool(&o.version, "version", "", "Print the version and exit")
	return o
}

// leaf makes a command that does something.
func (r *runner) leaf(c *Command) *cobra.Command {
	cmd := r.node(c)
	o := r.options(cmd, c)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		args, err := parse(cmd.Flags(), args)
		if err != nil {
			return err
		}
		if o.version {
			r.program.Version(r.env.Stdout)
			return nil
		}
		if err := excluded(cmd.Flags()); err != nil {
			return err
		}
		return c.Run(cmd.Context(), r.env, args)
	}
	if c.Complete != nil {
		cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			return c.Complete(r.env, args), cobra.ShellCompDirectiveDefault
		}
	}
	return cmd
}

// group makes a command that only holds others. parent is nil for the root.
func (r *runner) group(c *Command, parent *cobra.Command) *cobra.Command {
	cmd := r.node(c)
	if c.Args == "" {
		cmd.Annotations["args"] = "COMMAND"
	}
	o := r.options(cmd, c)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return r.runGroup(cmd, parent == nil, o, args) }
	if parent == nil {
		for _, g := range r.program.Groups {
			cmd.AddGroup(&cobra.Group{ID: g, Title: g})
		}
	}
	for _, sub := range c.Commands {
		if len(sub.Commands) > 0 {
			cmd.AddCommand(r.group(sub, cmd))
		} else {
			cmd.AddCommand(r.leaf(sub))
		}
	}
	return cmd
}

// runGroup runs when no verb of the group was recognised.
func (r *runner) runGroup(cmd *cobra.Command, top bool, o *commonOptions, args []string) error {
	switch _, err := parse(cmd.Flags(), args); {
	case err == pflag.ErrHelp:
		return err
	case err != nil:
		return topUsagef("%s", err)
	case o.version:
		r.program.Version(r.env.Stdout)
		return nil
	}
	kind := "command"
	if !top {
		kind = fmt.Sprintf("%q subcommand", cmd.Name())
	}
	i := firstWord(args)
	if i < 0 {
		return topUsagef("No %s specified", kind)
	}
	return topUsagef("Unknown %s '%s'", kind, args[i])
}

// helpCommand answers "help VERB…" as VERB --help does.
func (r *runner) helpCommand(cmd *cobra.Command, args []string) error {
	target, rest, err := cmd.Root().Find(args)
	if err != nil || len(rest) > 0 {
		return fmt.Errorf("Unknown command '%s'", strings.Join(args, " "))
	}
	target.HelpFunc()(target, nil)
	return nil
}
