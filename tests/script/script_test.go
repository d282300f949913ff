// Package script_test runs the scripts in this directory against the built
// program, one script for each command. They show what a command does and how
// it fails, in the language of testscript: "exec" runs a program, "!" says that
// it fails, "stdout" and "stderr" look for a regular expression in what it
// wrote, "cmp" compares files. The files of a script stand below it.
//
// "treenail", "ostree" and "rofiles-fuse" are the same program under three names.
package script_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/treenail/treenail/tests/internal/program"
)

// bin is the directory with the program.
var bin string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	var err error
	if bin, err = os.MkdirTemp("", "treenail-script-"); err != nil {
		return 1, err
	}
	defer os.RemoveAll(bin)
	path, err := program.Build(bin)
	if err != nil {
		return 1, err
	}
	for _, name := range []string{"treenail", "ostree", "rofiles-fuse"} {
		if err := os.Symlink(path, filepath.Join(bin, name)); err != nil && !os.IsExist(err) {
			return 1, err
		}
	}
	return m.Run(), nil
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 ".",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			env.Setenv("LC_ALL", "C.UTF-8")
			env.Setenv("TZ", "UTC")
			env.Setenv("XDG_CACHE_HOME", "/dev/null") // every layer is made
			return nil
		},
	})
}
