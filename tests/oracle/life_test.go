package oracle_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// lastSteps are those of a build whose image is to boot.
const lastSteps = `FROM localhost/base
COPY treenail /usr/bin/treenail
RUN echo new >/usr/share/new && echo conf >/etc/new.conf && rm -rf /usr/share/doc && mkdir -p /var/cache/x && echo x >/var/cache/x/y && echo z >/var/tmp/z
RUN treenail container commit && treenail container lint --skip=buildah-injected && rm /usr/bin/treenail
`

// TestBuildSteps builds on top of our image with buildah, in which the build commits and
// lints, and then lets the result live on: pulled, compared, given back after another
// program's pull, and split anew.
func TestBuildSteps(t *testing.T) {
	need(t, "ostree", "mmdebstrap", "skopeo")
	store := newStore(t)
	d := store.dir
	buildah := func(args ...string) string {
		t.Helper()
		return store.run(t, "buildah", args...)
	}
	encapsulate(t, pairOf(t, "debian", "archive").ours, "oci:"+d+"/base:latest")
	buildah("tag", buildah("pull", "--quiet", "oci:"+d+"/base:latest"), "localhost/base")
	context := filepath.Join(d, "context")
	if err := os.Mkdir(context, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "cp", treenail, context+"/treenail")
	if err := os.WriteFile(context+"/Containerfile", []byte(lastSteps), 0o644); err != nil {
		t.Fatal(err)
	}
	out := buildah("bud", "--layers", "--isolation=chroot", "--network=host", "-t", "derived", context)
	if !strings.Contains(out, "Checks passed: ") {
		t.Errorf("no lint:\n%s", out)
	}
	image := "oci:" + d + "/derived:1"
	buildah("push", "--quiet", "localhost/derived", image)
	buildah("rm", "--all")

	repo := filepath.Join(d, "repo")
	run(t, treenail, "--repo="+repo, "init", "--mode=bare")
	run(t, treenail, "container", "image", "pull", "--quiet", "--keep-blobs", repo, image)
	commit := func(image string) string {
		t.Helper()
		var images []struct{ Reference, Commit string }
		if err := json.Unmarshal([]byte(run(t, treenail, "container", "image", "list", "--json", "--repo="+repo)), &images); err != nil {
			t.Fatal(err)
		}
		for _, i := range images {
			if i.Reference == image {
				return i.Commit
			}
		}
		t.Fatalf("%s is not in %v", image, images)
		return ""
	}
	files := run(t, "ostree", "--repo="+repo, "ls", "-R", "--nul-filenames-only", commit(image))
	for path, want := range map[string]bool{"/usr/share/new": true, "/usr/etc/new.conf": true, "/var/cache/x": false, "/var/tmp/z": false, "/usr/share/doc": false} {
		if strings.Contains(files, path+"\x00") != want {
			t.Errorf("%s is there: %v", path, !want)
		}
	}
	run(t, treenail, "container", "image", "pull", "--quiet", repo, "oci:"+d+"/base:latest")
	got := run(t, treenail, "container", "compare", "--repo="+repo, "oci:"+d+"/base:latest", image)
	if !strings.Contains(got, "Layers to fetch:  0 ") || !strings.Contains(got, "Packages:         0 added, 0 removed, 0 changed") || !strings.Contains(got, "Files:            ") {
		t.Error(got)
	}

	// Another program would not have recorded how the image was made up.
	digest := strings.TrimSpace(run(t, treenail, "container", "image", "reexport", "--quiet", "--repo="+repo, image, "oci:"+d+"/exact"))
	if want := "Exported: " + inspect(t, image).Digest; digest != want {
		t.Errorf("%s, want %s", digest, want)
	}
	run(t, "ostree", "--repo="+repo, "refs", "--delete", "treenail")
	anew := "oci:" + d + "/anew"
	run(t, treenail, "container", "image", "reexport", "--quiet", "--compression-fast", "--repo="+repo, image, anew)
	run(t, treenail, "container", "image", "pull", "--quiet", repo, anew)
	if diff := run(t, "ostree", "--repo="+repo, "diff", commit(image), commit(anew)); diff != "" {
		t.Errorf("made anew it is another tree:\n%s", diff)
	}

	chunked := "oci:" + d + "/chunked"
	run(t, treenail, "container", "rechunk", "--quiet", "--compression-fast", image, chunked)
	run(t, treenail, "container", "import", "--quiet", "--repo="+repo, "--write-ref=chunked", chunked)
	if diff := run(t, "ostree", "--repo="+repo, "diff", commit(image), "chunked"); diff != "" {
		t.Errorf("split anew it is another tree:\n%s", diff)
	}
	before, after := inspect(t, image), inspect(t, chunked)
	if len(after.Layers) < 40 || after.Labels["io.buildah.version"] != before.Labels["io.buildah.version"] || before.Commit == after.Commit {
		t.Errorf("%d layers, %v", len(after.Layers), after.Labels)
	}
	run(t, "ostree", "--repo="+repo, "fsck", "--quiet")
}

// TestBuildRootfs makes an image of a directory. The commit in it is the one that ostree
// makes of the same directory, and the directory stays as it is.
func TestBuildRootfs(t *testing.T) {
	need(t, "ostree", "mmdebstrap", "skopeo", "umoci")
	d := dir(t)
	t.Setenv("TMPDIR", d)
	tree := debian(t)
	before := snapshot(t, tree, everything)
	image := "oci:" + d + "/image:1"
	args := []string{"container", "build", "--quiet", "--rootfs=" + tree, "--created=2024-01-01T00:00:00Z", "--arch=amd64"}
	digest := run(t, treenail, append(args, image)...)
	same(t, "the tree", before, snapshot(t, tree, everything))
	repo := d + "/repo"
	run(t, "ostree", "--repo="+repo, "init", "--mode=bare")
	theirs := strings.TrimSpace(run(t, "ostree", "--repo="+repo, "commit", "--no-bindings", "--orphan", "--timestamp=@1704067200", "--tree=dir="+tree))
	if i := inspect(t, image); i.Commit != theirs {
		t.Errorf("commit %s, ostree makes %s", i.Commit, theirs)
	}
	if again := run(t, treenail, append(args, "--repo="+repo, image)...); again != digest {
		t.Errorf("with a repository: %s, want %s", again, digest)
	}
	var skopeo struct{ Labels map[string]string }
	if err := json.Unmarshal([]byte(run(t, "skopeo", "inspect", image)), &skopeo); err != nil || skopeo.Labels["ostree.commit"] != theirs {
		t.Errorf("%+v %v", skopeo, err)
	}
	run(t, "umoci", "unpack", "--image", d+"/image:1", d+"/bundle")
	got := snapshot(t, d+"/bundle/rootfs/usr/bin", everything)
	same(t, "files", snapshot(t, tree+"/usr/bin", everything), got)
}
