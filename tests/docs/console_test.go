package docs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/treenail/treenail/tests/internal/program"
)

// TestSessions runs the console blocks of each document, one after the other in
// one directory, and compares what they show with what comes out.
func TestSessions(t *testing.T) {
	bin := t.TempDir()
	path, err := program.Build(bin)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(path, filepath.Join(bin, "treenail")); err != nil && !os.IsExist(err) {
		t.Fatal(err)
	}
	documents, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	steps := 0
	for _, document := range append(documents, filepath.Join(root, "README.md")) {
		name, err := filepath.Rel(root, document)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) {
			session := sessionOf(t, name)
			steps += len(session)
			play(t, bin, session)
		})
	}
	if steps == 0 {
		t.Error("no document has a console block")
	}
}

// step is a command line of a session and what the document shows below it.
type step struct{ command, output string }

func sessionOf(t *testing.T, document string) (session []step) {
	t.Helper()
	for _, b := range blocks(t, document) {
		if b.language != "console" {
			continue
		}
		for line := range strings.Lines(b.text) {
			command, isCommand := strings.CutPrefix(line, "$ ")
			switch {
			case isCommand:
				session = append(session, step{command: command})
			case len(session) == 0:
				t.Fatalf("%s: a session begins with output: %s", document, line)
			default:
				session[len(session)-1].output += line
			}
		}
	}
	return session
}

// play runs a session in a shell for each step, so a step cannot leave the
// directory.
func play(t *testing.T, bin string, session []step) {
	t.Helper()
	dir := t.TempDir()
	for _, s := range session {
		cmd := exec.Command("bash", "-c", "umask 022; "+s.command)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "TZ=UTC", "XDG_CACHE_HOME=/dev/null", fmt.Sprintf("PATH=%s:%s", bin, os.Getenv("PATH")))
		out, err := cmd.CombinedOutput()
		if _, exited := err.(*exec.ExitError); err != nil && !exited {
			t.Fatal(err)
		}
		if failed := strings.Contains(s.output, "error: "); failed != (err != nil) {
			t.Errorf("$ %s%v", s.command, err)
		}
		if diff := cmp.Diff(s.output, string(out)); diff != "" {
			t.Errorf("$ %s(-document +output)\n%s", s.command, diff)
		}
	}
}
