package transport_test

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"testing"
)

const smallProgram = `package main

import "github.com/treenail/treenail/oci/transport"

func main() { _ = transport.OpenSource }
`

var initLine = regexp.MustCompile(`(?m)^init (\S+) @\S+ ms, (\S+) ms clock`)

// TestStartUpCost builds a program that imports this package and does nothing,
// without cgo, and looks at what runs before its main.
// Each package's best of several starts counts, for the machine may be busy.
func TestStartUpCost(t *testing.T) {
	const limit = 2.0 // ms
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/main.go", []byte(smallProgram), 0o644); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-tags", "containers_image_openpgp,containers_image_docker_daemon_stub", "-o", dir+"/program", dir+"/main.go")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "HOME="+os.Getenv("REAL_HOME"))
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	best := make(map[string]float64)
	for range 10 {
		if traceInits(t, dir+"/program", best) < limit {
			return
		}
	}
	for name, ms := range best {
		if ms > limit {
			t.Errorf("init of %s takes %v ms", name, ms)
		}
	}
}

// traceInits starts a program once, updates each package's best time, and
// returns the largest of them.
func traceInits(t *testing.T, program string, best map[string]float64) (largest float64) {
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, line := range initLine.FindAllSubmatch(out, -1) {
		name := string(line[1])
		ms, err := strconv.ParseFloat(string(line[2]), 64)
		if err != nil {
			t.Fatal(err)
		}
		if name == "runtime" { // every Go program's
			continue
		}
		if old, ok := best[name]; !ok || ms < old {
			best[name] = ms
		}
		largest = max(largest, best[name])
	}
	if _, ok := best["net/http"]; !ok {
		t.Fatalf("no trace of net/http in\n%s", out)
	}
	return largest
}
