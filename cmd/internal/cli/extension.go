package cli

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// Extension is a program of its own that supplies a verb.
type Extension struct {
	Path string
	name string // by which it is called
}

// Extension finds the program for the verb in args when the verb is none of p's
// commands: for each of p.Extensions, NAME-VERB in one of p.ExtensionDirs, then in
// $PATH. The answer is nil when there is none.
func (p *Program) Extension(args []string) *Extension {
	i := firstWord(args)
	if i < 0 || p.knows(args[i]) || strings.ContainsRune(args[i], '/') {
		return nil
	}
	for _, program := range p.Extensions {
		name := program + "-" + args[i]
		for _, dir := range p.ExtensionDirs {
			if path := filepath.Join(dir, name); isExecutable(path) {
				return &Extension{Path: path, name: path}
			}
		}
		// A relative directory in $PATH counts, as it does for a shell.
		if path, err := exec.LookPath(name); err == nil || errors.Is(err, exec.ErrDot) {
			return &Extension{Path: path, name: name}
		}
	}
	return nil
}

func (p *Program) knows(verb string) bool {
	return verb == "help" || slices.ContainsFunc(p.Commands, func(c *Command) bool { return c.is(verb) })
}

func (c *Command) is(verb string) bool { return c.Name == verb || slices.Contains(c.Aliases, verb) }

func isExecutable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// Exec makes this process the program, which sees args as they are. It returns
// only when that is not possible, with the exit code.
func (x *Extension) Exec(args []string, stderr io.Writer) int {
	argv := append([]string{x.name}, args...)
	err := syscall.Exec(x.Path, argv, os.Environ())
	if errors.Is(err, syscall.ENOEXEC) { // a script without a first line that says so
		argv = append([]string{"sh", x.Path}, args...)
		err = syscall.Exec("/bin/sh", argv, os.Environ())
	}
	printError(stderr, fmt.Errorf("Executing %s: %w", x.name, err))
	return 1
}
