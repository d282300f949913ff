package script_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// maxInit is how many milliseconds the initialisation of one package may take
// at every start. Some versions of libraries that ours need take twenty.
const maxInit = 2.0

var initLine = regexp.MustCompile(`(?m)^init (\S+) @\S+ ms, (\S+) ms clock`)

// TestInit reads the trace of package initialisation. The machine may be busy
// with other things, so for each package the fastest of several starts counts.
func TestInit(t *testing.T) {
	fastest := map[string]float64{}
	for range 7 {
		cmd := exec.Command(filepath.Join(bin, "treenail"), "--version")
		cmd.Env = append(os.Environ(), "GODEBUG=inittrace=1")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, m := range initLine.FindAllStringSubmatch(string(out), -1) {
			ms, err := strconv.ParseFloat(m[2], 64)
			if err != nil {
				t.Fatal(err)
			}
			if was, ok := fastest[m[1]]; !ok || ms < was {
				fastest[m[1]] = ms
			}
		}
	}
	if len(fastest) < 10 {
		t.Fatalf("only %d packages in the trace", len(fastest))
	}
	for name, ms := range fastest {
		if ms > maxInit {
			t.Errorf("package %s takes %.1f ms at every start", name, ms)
		}
	}
}
