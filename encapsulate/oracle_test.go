package encapsulate_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/treenail/treenail/encapsulate"
	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
)

// run runs another program; that it isn't there is a failure, too.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	var stderr strings.Builder
	cmd := exec.Command(name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// TestSkopeoAndUmoci: other programs take the image, and unpacked it is the
// tree, with /etc where a container has it.
func TestSkopeoAndUmoci(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	sum := commitTree(t, r, small, xattrs{"usr/lib/libc.so": {{Name: "user.x", Value: []byte("y")}}})
	dir, result := encapsulateTo(t, r, sum, encapsulate.Options{Packages: smallPackages})

	var inspected struct {
		Digest string
		Labels map[string]string
		Layers []string
	}
	ok(t, json.Unmarshal([]byte(run(t, "skopeo", "inspect", "oci:"+dir+":latest")), &inspected))
	if inspected.Digest != string(result.Digest) || inspected.Labels["ostree.commit"] != sum.String() || len(inspected.Layers) != len(result.Layers) {
		t.Errorf("skopeo inspect: %+v", inspected)
	}
	copied := filepath.Join(t.TempDir(), "copy")
	run(t, "skopeo", "copy", "--preserve-digests", "oci:"+dir+":latest", "oci:"+copied+":latest")
	checkComplete(t, r, sum, objects(t, copied))

	bundle := filepath.Join(t.TempDir(), "bundle")
	run(t, "umoci", "unpack", "--image", copied+":latest", bundle)
	root := filepath.Join(bundle, "rootfs")
	for path, want := range small {
		inRoot := filepath.Join(root, strings.Replace(path, "usr/etc/", "etc/", 1))
		got := ""
		var err error
		if target, isLink := strings.CutPrefix(want, "-> "); isLink {
			want = target
			got, err = os.Readlink(inRoot)
		} else if !strings.HasSuffix(path, "/") {
			var data []byte
			data, err = os.ReadFile(inRoot)
			got = string(data)
		} else {
			_, err = os.Stat(inRoot)
		}
		if err != nil || got != want {
			t.Errorf("%s: %.40q, %v; want %.40q", path, got, err, want)
		}
	}
}

// TestOSTreeReadsLayers: the repository in the unpacked image is one that ostree reads.
func TestOSTreeReadsLayers(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	files := tree{"usr/bin/x": "x", "usr/lib/y": "y", "usr/link": "-> lib/y"}
	sum := commitTree(t, r, files, nil)
	dir, _ := encapsulateTo(t, r, sum, encapsulate.Options{MaxLayers: 1})
	bundle := filepath.Join(t.TempDir(), "bundle")
	run(t, "umoci", "unpack", "--image", dir+":latest", bundle)
	repo := filepath.Join(bundle, "rootfs", "sysroot", "ostree", "repo")
	if got := run(t, "ostree", "--repo="+repo, "ls", "-R", "-C", sum.String()); !strings.Contains(got, "/usr/bin/x") {
		t.Errorf("ostree ls: %s", got)
	}
	if got := run(t, "ostree", "--repo="+repo, "cat", sum.String(), "/usr/lib/y"); got != "y" {
		t.Errorf("ostree cat: %q", got)
	}
}
