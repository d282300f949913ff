package container_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// write writes files, given as path and content by turns.
func write(t *testing.T, pairs ...string) {
	t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if err := os.MkdirAll(filepath.Dir(pairs[i]), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(pairs[i], []byte(pairs[i+1]), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// distribution moves into a directory with two releases of a system, as trees tree/a and tree/b,
// commits a and b in the repository "repo" and images oci:a and oci:b. Packages are
// given as name=version.
func distribution(t *testing.T, a, b string) {
	t.Helper()
	t.Chdir(t.TempDir())
	must(t, "init", "--repo=repo", "--mode=bare-user")
	for release, list := range map[string]string{"a": a, "b": b} {
		status := ""
		for _, p := range strings.Fields(list) {
			name, version, _ := strings.Cut(p, "=")
			status += fmt.Sprintf("Package: %s\nStatus: install ok installed\nVersion: %s\nArchitecture: all\n\n", name, version)
			write(t, "tree/"+release+"/usr/bin/"+name, p, "tree/"+release+"/usr/lib/sysimage/dpkg/info/"+name+".list", "/usr/bin/"+name+"\n")
		}
		write(t, "tree/"+release+"/usr/lib/sysimage/dpkg/status", status)
		must(t, "commit", "--repo=repo", "-b", release, "--canonical-permissions", "--timestamp=@1", "tree/"+release)
		must(t, "container", "encapsulate", "--repo=repo", "--quiet", release, "oci:"+release)
	}
}

func TestCompare(t *testing.T) {
	distribution(t, "same=1 up=1 gone=3", "same=1 up=2 new=7")
	sizes := regexp.MustCompile(`Size: .*`)
	for _, c := range []struct{ args, want string }{
		{"oci:a oci:b", `Total new layers: 4     Size: N
Removed layers:   3     Size: N
Added layers:     3     Size: N
Layers to fetch:  3     Size: N
Packages:         1 added, 1 removed, 1 in layers that changed
  removed gone
  added new`},
		{"--repo=repo a b", `Files:            2 added, 2 removed, 2 modified
Packages:         1 added, 1 removed, 1 changed
  removed gone 3
  added new 7
  changed up 1 -> 2`},
		{"oci:a oci:a", `Total new layers: 4     Size: N
Removed layers:   0     Size: 0 bytes
Added layers:     0     Size: 0 bytes
Layers to fetch:  0     Size: 0 bytes
Packages:         0 added, 0 removed, 0 changed`},
	} {
		got := must(t, append([]string{"container", "compare"}, strings.Fields(c.args)...)...)
		got = sizes.ReplaceAllStringFunc(got, func(s string) string {
			if strings.HasPrefix(s, "Size: 0") {
				return s
			}
			return "Size: N"
		})
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s:\n%s", c.args, diff)
		}
	}
	for _, image := range []string{"oci:a", "oci:b"} {
		must(t, "container", "image", "pull", "--quiet", "repo", image)
	}
	var got struct {
		Layers   struct{ Added, Fetch struct{ Count int } }
		Packages struct{ Changed []struct{ Name string } }
		Files    struct{ Modified int }
	}
	if err := json.Unmarshal([]byte(must(t, "container", "compare", "--json", "--repo=repo", "oci:a", "oci:b")), &got); err != nil {
		t.Fatal(err)
	}
	if got.Layers.Added.Count != 3 || got.Layers.Fetch.Count != 0 || len(got.Packages.Changed) != 1 || got.Files.Modified != 2 {
		t.Errorf("%+v", got)
	}
	for args, want := range map[string]string{
		"oci:a":               "OLD and NEW must be specified",
		"--repo=repo a oci:c": "oci:c",
		"oci:a b":             "Missing ':' in b",
	} {
		if o := run(t, append([]string{"container", "compare"}, strings.Fields(args)...)...); o.Code != 1 || !strings.Contains(o.Stderr, want) {
			t.Errorf("%s: %+v", args, o)
		}
	}
	must(t, "init", "--repo=other", "--mode=bare-user")
	must(t, "pull-local", "--repo=other", "repo", "a")
	if o := run(t, "container", "compare", "--repo=other", "a", "oci:b"); !strings.Contains(o.Stderr, "nothing that can be compared") {
		t.Errorf("%+v", o)
	}
}
