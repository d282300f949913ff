// Package arch_test guards the shape of the module: the five sentences of
// docs/architecture.md that say where a line of code belongs. It reads imports
// and nothing else, so a rule that only words can state (a repository never
// mentions an image) stays with the reviewer.
package arch_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/treenail/treenail"

var (
	places = []string{"ostreerepo", "oci", "sysroot"}
	arrows = []string{"encapsulate", "import", "deploy", "serve"}
	// What opens, waits or speaks has no business in a format.
	forbiddenInFormats = []string{"os", "net", "syscall", "context", "log", "golang.org/x/sys"}
)

// pkg is one package and what it imports, all paths relative to the module
// where they are of the module.
type pkg struct {
	ImportPath string
	Imports    []string
}

func TestFiveSentences(t *testing.T) {
	pkgs, err := list()
	if err != nil {
		t.Fatal(err)
	}
	if len(pkgs) < 5 {
		t.Fatalf("go list names only %d packages", len(pkgs))
	}
	for _, v := range violations(pkgs) {
		t.Error(v)
	}
}

// TestViolations shows that each sentence can be broken and is heard.
func TestViolations(t *testing.T) {
	for _, c := range []struct {
		name, from string
		imports    []string
		want       []string
	}{
		{"formats may use formats", "format/object", []string{"io", "io/fs", "format/gvariant"}, nil},
		{"1: a format opens", "format/object", []string{"os"}, []string{"1: format/object imports os"}},
		{"1: a format dials", "format/summary", []string{"net/http"}, []string{"1: format/summary imports net/http"}},
		{"1: a format needs a place", "format/object", []string{"ostreerepo"}, []string{"1: format/object imports ostreerepo"}},
		{"2: place to place", "oci/transport", []string{"ostreerepo"}, []string{"2: oci/transport imports ostreerepo"}},
		{"2: place to arrow", "ostreerepo", []string{"import"}, []string{"2: ostreerepo imports import"}},
		{"3: arrow to arrow", "import", []string{"encapsulate"}, []string{"3: import imports encapsulate"}},
		{"arrows may use places", "import", []string{"oci", "ostreerepo/tree"}, nil},
		{"4: parent to child", "oci", []string{"oci/transport"}, []string{"4: oci imports oci/transport"}},
		{"children may use parents", "oci/transport", []string{"oci"}, nil},
		{"5: upwards", "ostreerepo", []string{"cmd/internal/cli"}, []string{"5: ostreerepo imports cmd/internal/cli"}},
		{"5: tests stay outside", "oci", []string{"tests/internal/program"}, []string{"5: oci imports tests/internal/program"}},
		{"commands may use all", "cmd/internal/container", []string{"import", "encapsulate", "cmd/internal/cli"}, nil},
		{"names that only begin alike", "ocicrypt", []string{"ostreerepo", "oshelper"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := violations([]pkg{{c.from, c.imports}})
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// list asks the go tool for the module's packages.
func list() ([]pkg, error) {
	cmd := exec.Command("go", "list", "-e", "-json=ImportPath,Imports", module+"/...")
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var pkgs []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, err
		}
		p.ImportPath = relative(p.ImportPath)
		for i := range p.Imports {
			p.Imports[i] = relative(p.Imports[i])
		}
		pkgs = append(pkgs, p)
	}
}

func relative(path string) string { return strings.TrimPrefix(path, module+"/") }

// violations returns one line "N: package imports package" for each import
// that breaks sentence N.
func violations(pkgs []pkg) []string {
	var found []string
	for _, p := range pkgs {
		for _, imp := range p.Imports {
			if n := broken(p.ImportPath, imp); n != 0 {
				found = append(found, fmt.Sprintf("%d: %s imports %s", n, p.ImportPath, imp))
			}
		}
	}
	return found
}

// broken returns the number of the sentence that an import breaks, or 0.
func broken(from, imp string) int {
	place, arrow := within(from, places...), within(from, arrows...)
	switch {
	case within(imp, "cmd") != "" && within(from, "cmd") == "",
		within(imp, "tests") != "" && within(from, "tests") == "":
		return 5
	case strings.HasPrefix(imp, from+"/"):
		return 4
	case within(from, "format") != "" && within(imp, slices.Concat(forbiddenInFormats, places, arrows)...) != "":
		return 1
	case place != "" && within(imp, slices.Concat(places, arrows)...) != "" && within(imp, place) == "":
		return 2
	case arrow != "" && within(imp, arrows...) != "" && within(imp, arrow) == "":
		return 3
	}
	return 0
}

// within returns the first of roots that path is or lies under.
func within(path string, roots ...string) string {
	for _, root := range roots {
		if path == root || strings.HasPrefix(path, root+"/") {
			return root
		}
	}
	return ""
}
