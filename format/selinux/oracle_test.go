package selinux_test

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/treenail/treenail/format/selinux"
)

// systemPolicy is what Debian's package selinux-policy-default puts together.
const systemPolicy = "/etc/selinux/default"

// TestLikeMatchpathcon compares with libselinux what every specification of
// Debian's policy, and some more, says about paths made for them.
func TestLikeMatchpathcon(t *testing.T) {
	p, err := selinux.Load(os.DirFS("/"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Name() != "default" {
		t.Fatalf("Debian's package selinux-policy-default is needed; there is policy %q", p.Name())
	}
	paths := pathsFor(t, "file_contexts", "file_contexts.homedirs")
	if len(paths) < 5000 {
		t.Errorf("only %d paths", len(paths))
	}
	for kind, mode := range map[string]uint32{"file": regular, "dir": dir, "lnk_file": symlink, "blk_file": block} {
		for chunk := range slices.Chunk(paths, 2000) {
			for i, want := range matchpathcon(t, kind, chunk) {
				got, ok := p.Label(chunk[i], mode)
				if !ok {
					got = "<<none>>"
				}
				if got != want {
					t.Errorf("%s as %s: %s, want %s", chunk[i], kind, got, want)
				}
			}
		}
	}
}

func matchpathcon(t *testing.T, kind string, paths []string) []string {
	t.Helper()
	args := append([]string{"-n", "-N", "-P", systemPolicy, "-m", kind}, paths...)
	out, err := exec.Command("matchpathcon", args...).Output()
	if err != nil {
		t.Fatalf("matchpathcon of Debian's package selinux-utils is needed: %v", err)
	}
	labels := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(labels) != len(paths) {
		t.Fatalf("%d answers for %d paths", len(labels), len(paths))
	}
	return labels
}

// pathsFor makes paths of the patterns in files: what is optional is there in one
// and not in the other.
func pathsFor(t *testing.T, files ...string) []string {
	t.Helper()
	with := strings.NewReplacer(`(/.*)?`, "/x/y", `.*`, "x", `.+`, "x", `[^/]+`, "x", `[^/]*`, "x", `[0-9]+`, "7", `[0-9]*`, "7", `[0-9]`, "7", `(.*/)?`, "x/", `\`, "", `?`, "", "(", "", ")", "")
	without := strings.NewReplacer(`(/.*)?`, "", `(.*/)?`, "", `.*`, "", `.+`, "y.é", `[^/]+`, "y", `[^/]*`, "", `[0-9]+`, "0", `[0-9]*`, "", `[0-9]`, "0", `\`, "", `(64)?`, "", `(32)?`, "", `?`, "")
	seen := map[string]bool{"/proc": true} // which is libostree's business
	paths := []string{"/", "/a", "/a/b/c", "/usr/lib/python3/x.so.1", "/bin/sh", "/srv/x/"}
	for _, file := range files {
		data, err := os.ReadFile(systemPolicy + "/contexts/files/" + file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(data) {
			pattern, _, _ := strings.Cut(string(line), "\t")
			for _, path := range []string{with.Replace(pattern), without.Replace(pattern)} {
				if strings.HasPrefix(path, "/") && !seen[path] {
					seen[path] = true
					paths = append(paths, path)
				}
			}
		}
	}
	return paths
}
