// Package docs_test holds the documents to what they say: it builds the examples
// of README.md, CONTRIBUTING.md and docs/ and runs them.
//
// A fenced block with a path after its language is a file of the module; one in
// the language diff is a change to a file that is there. The go tool takes both
// from an overlay, so the module itself stays as it is. A block in the language
// console is a session: lines after "$ " are commands, the others what they print.
package docs_test

import (
	"encoding/json"
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// root is the directory of the module.
const root = "../.."

// block is a fenced block of a document.
type block struct {
	language, path, text string
}

// blocks returns the fenced blocks of a document.
func blocks(t *testing.T, document string) []block {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, document))
	if err != nil {
		t.Fatal(err)
	}
	var found []block
	var open *block
	for line := range strings.Lines(string(data)) {
		fence, isFence := strings.CutPrefix(line, "```")
		switch {
		case isFence && open == nil:
			language, path, _ := strings.Cut(strings.TrimSpace(fence), " ")
			open = &block{language: language, path: path}
		case isFence:
			found = append(found, *open)
			open = nil
		case open != nil:
			open.text += line
		}
	}
	return found
}

// files returns the blocks of a document that are files of the module.
func files(t *testing.T, document string) []block {
	t.Helper()
	return slices.DeleteFunc(blocks(t, document), func(b block) bool { return b.path == "" })
}

// contents is what the file of a block holds once the block is applied.
func (b block) contents() (string, error) {
	if b.language != "diff" {
		return b.text, nil
	}
	data, err := os.ReadFile(filepath.Join(root, b.path))
	if err != nil {
		return "", err
	}
	var before, after strings.Builder
	for line := range strings.Lines(b.text) {
		if line[0] != '+' {
			before.WriteString(line[1:])
		}
		if line[0] != '-' {
			after.WriteString(line[1:])
		}
	}
	if n := strings.Count(string(data), before.String()); n != 1 {
		return "", fmt.Errorf("%s has the lines of the change %d times, want once", b.path, n)
	}
	return strings.Replace(string(data), before.String(), after.String(), 1), nil
}

// overlay writes blocks to a directory and returns a file that makes the go tool
// see them at their places in the module.
func overlay(t *testing.T, blocks []block) string {
	t.Helper()
	dir := t.TempDir()
	module, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	replace := map[string]string{}
	for i, b := range blocks {
		text, err := b.contents()
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(b.path, ".go") {
			checkFormat(t, b.path, text)
		}
		file := filepath.Join(dir, fmt.Sprint(i, "-", filepath.Base(b.path)))
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(module, b.path)] = file
	}
	data, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func checkFormat(t *testing.T, path, text string) {
	t.Helper()
	formatted, err := format.Source([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if string(formatted) != text {
		t.Errorf("%s is not as gofmt has it", path)
	}
}

// build builds a package of the module with the blocks in it.
func build(t *testing.T, pkg, program string, blocks []block) {
	t.Helper()
	cmd := exec.Command("go", "build", "-overlay", overlay(t, blocks),
		"-tags", "containers_image_openpgp,containers_image_docker_daemon_stub", "-o", program, pkg)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// TestAddingACommand does what CONTRIBUTING.md tells a newcomer to do.
func TestAddingACommand(t *testing.T) {
	found := files(t, "CONTRIBUTING.md")
	if len(found) != 3 {
		t.Fatalf("%d blocks with a path, want a command, its registration and a script", len(found))
	}
	bin := t.TempDir()
	build(t, "./cmd/treenail", filepath.Join(bin, "treenail"), found)
	scripts := t.TempDir()
	for _, b := range found {
		if b.language == "txtar" {
			if err := os.WriteFile(filepath.Join(scripts, filepath.Base(b.path)), []byte(b.text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	testscript.Run(t, testscript.Params{
		Dir:                 scripts,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
			env.Setenv("XDG_CACHE_HOME", "/dev/null")
			return nil
		},
	})
}

// TestLibraryExamples builds the Go programs of the documents and runs them.
func TestLibraryExamples(t *testing.T) {
	dir := t.TempDir()
	push, journey := filepath.Join(dir, "push"), filepath.Join(dir, "journey")
	build(t, "./example/push", push, files(t, "README.md"))
	build(t, "./example/journey", journey, files(t, "docs/library.md"))
	image := "oci:" + filepath.Join(dir, "image:1")
	for _, run := range []struct {
		args []string
		want string
	}{
		{[]string{journey, filepath.Join(root, "tests/docs"), dir, image}, `^imported [0-9a-f]{64}\n-rw-r--r-- +\d+ /console_test.go\n`},
		{[]string{push, filepath.Join(dir, "first"), "os/stable", image}, `^sha256:[0-9a-f]{64}\n$`},
	} {
		out, err := exec.Command(run.args[0], run.args[1:]...).CombinedOutput()
		if err != nil || !regexp.MustCompile(run.want).Match(out) {
			t.Errorf("%s: %v\n%s", strings.Join(run.args, " "), err, out)
		}
	}
}
