package cli_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/treenail/treenail/cmd/internal/cli"
)

// extended is a program with one command and two names of extensions.
func extended(dirs ...string) *cli.Program {
	return &cli.Program{
		Name:          "treenail",
		Commands:      []*cli.Command{{Name: "own", Aliases: []string{"o"}}},
		Extensions:    []string{"treenail", "ostree"},
		ExtensionDirs: dirs,
	}
}

// script writes an executable and returns its path.
func script(t *testing.T, dir, name, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestExtension(t *testing.T) {
	dir, onPath := t.TempDir(), t.TempDir()
	t.Setenv("PATH", onPath)
	const nothing = "#!/bin/sh\n"
	inDir := script(t, dir, "ostree-both", nothing, 0o755)
	script(t, onPath, "ostree-both", nothing, 0o755)
	script(t, dir, "ostree-twice", nothing, 0o755)
	twice := script(t, onPath, "treenail-twice", nothing, 0o755)
	plain := script(t, onPath, "ostree-plain", nothing, 0o755)
	script(t, onPath, "ostree-text", nothing, 0o644)
	script(t, dir, "ostree-text", nothing, 0o644)
	for _, name := range []string{"own", "o", "help"} {
		script(t, onPath, "ostree-"+name, nothing, 0o755)
	}
	if err := os.Mkdir(filepath.Join(dir, "ostree-dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, want string }{
		{"both", inDir}, {"twice", twice}, {"plain x", plain}, {"--repo=r -v plain --help", plain}, {"-- plain", plain},
		{"text", ""}, {"dir", ""}, {"own", ""}, {"o", ""}, {"help", ""}, {"nope", ""}, {"own plain", ""}, {"--own", ""}, {"", ""},
		{"../" + filepath.Base(onPath) + "/plain", ""},
	} {
		got := ""
		if x := extended(dir).Extension(strings.Fields(c.args)); x != nil {
			got = x.Path
		}
		if got != c.want {
			t.Errorf("%q: %q, want %q", c.args, got, c.want)
		}
	}
	t.Chdir(onPath)
	t.Setenv("PATH", ".")
	if x := extended().Extension([]string{"plain"}); x == nil {
		t.Error("relative PATH: not found")
	}
}

// TestExec runs this test in a child process, which becomes the extension.
func TestExec(t *testing.T) {
	if args, ok := os.LookupEnv("EXTENSION_ARGS"); ok {
		words := strings.Fields(args)
		os.Exit(extended().Extension(words).Exec(words, os.Stderr))
	}
	dir := t.TempDir()
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	script(t, dir, "ostree-sh", "#!/bin/sh\necho \"$@\"\nexit 7\n", 0o755)
	script(t, dir, "ostree-bare", "echo bare \"$@\"\n", 0o755)
	script(t, dir, "ostree-bad", "#!/nonexistent/interpreter\n", 0o755)
	for _, c := range []struct {
		args, stdout, stderr string
		code                 int
	}{
		{"--repo=r sh a -- b", "--repo=r sh a -- b\n", "", 7},
		{"bare 1", "bare bare 1\n", "", 0},
		{"bad", "", "error: Executing ostree-bad: No such file or directory\n", 1},
	} {
		var stdout, stderr bytes.Buffer
		cmd := exec.Command(os.Args[0], "-test.run=^TestExec$")
		cmd.Env = append(os.Environ(), "EXTENSION_ARGS="+c.args)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		var exit *exec.ExitError
		if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		if stdout.String() != c.stdout || stderr.String() != c.stderr || cmd.ProcessState.ExitCode() != c.code {
			t.Errorf("%s: exit code %d, %q, %q", c.args, cmd.ProcessState.ExitCode(), stdout.String(), stderr.String())
		}
	}
}
