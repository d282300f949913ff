package cli

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Completion returns the command that writes the script with which a shell
// completes the program's commands, options and refs.
func Completion() *Command {
	return &Command{
		Name: "completion", Args: "bash|zsh|fish|powershell", NoRepo: true,
		Summary:  "Write a shell completion script",
		Details:  "For the shell you are in:\n\n  source <(treenail completion bash)",
		Run:      runCompletion,
		Complete: func(*Env, []string) []string { return []string{"bash", "zsh", "fish", "powershell"} },
	}
}

func runCompletion(_ context.Context, env *Env, args []string) error {
	if len(args) != 1 {
		return Usagef("A SHELL must be specified")
	}
	return writeCompletion(env.root, args[0], env.Stdout)
}

func writeCompletion(root *cobra.Command, shell string, w io.Writer) error {
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(w, true)
	case "zsh":
		return root.GenZshCompletion(w)
	case "fish":
		return root.GenFishCompletion(w, true)
	case "powershell":
		return root.GenPowerShellCompletionWithDesc(w)
	}
	return fmt.Errorf("unknown shell '%s'", shell)
}
