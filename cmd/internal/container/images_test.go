package container_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestCopy(t *testing.T) {
	distribution(t, "one=1", "one=2")
	must(t, "container", "image", "pull", "--quiet", "repo", "oci:a")
	must(t, "init", "--repo=other", "--mode=archive")
	must(t, "container", "image", "copy", "--src-repo=repo", "--dest-repo=other", "oci:a")
	if got := must(t, "container", "image", "list", "--repo=other"); got != "oci:a" {
		t.Error(got)
	}
	must(t, "fsck", "--quiet", "--repo=other")
	digest := must(t, "container", "push", "--repo=other", "--quiet", "oci:a", "oci:again")
	if i := inspect(t, "oci:a"); !strings.Contains(must(t, "container", "inspect", "oci:a"), digest) || len(i.Layers) == 0 {
		t.Error("the copy is another image")
	}
	for args, want := range map[string]string{
		"--src-repo=repo oci:a":                     "--dest-repo",
		"--src-repo=repo --dest-repo=other oci:b":   "Missing images: oci:b",
		"--src-repo=nope --dest-repo=other oci:a":   "nope",
		"--src-repo=repo --dest-repo=other":         "One IMAGE",
		"--src-repo=repo --dest-repo=other oci:a x": "One IMAGE",
	} {
		if o := run(t, append([]string{"container", "image", "copy"}, strings.Fields(args)...)...); o.Code != 1 || !strings.Contains(o.Stderr, want) {
			t.Errorf("%s: %+v", args, o)
		}
	}
}

func TestPullCheck(t *testing.T) {
	distribution(t, "one=1", "one=2")
	must(t, "container", "image", "pull", "--quiet", "--ostree-digestfile=digest", "repo", "oci:a")
	commit, err := os.ReadFile("digest")
	if err != nil || !strings.HasPrefix(string(commit), must(t, "rev-parse", "--repo=repo", "ostree/container/image/oci_3A_a")) {
		t.Errorf("%s %v", commit, err)
	}
	if got := must(t, "container", "image", "pull", "--check=manifest", "repo", "oci:a"); got != "No changes in oci:a => "+string(commit) {
		t.Error(got)
	}
	if _, err := os.Stat("manifest"); err == nil {
		t.Error("a manifest without an update")
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	must(t, "sign", "--repo=repo", "--sign-type=ed25519", string(commit), base64.StdEncoding.EncodeToString(key))
	if err := os.RemoveAll("a"); err != nil { // what the reference names becomes the other image
		t.Fatal(err)
	}
	if err := os.Rename("b", "a"); err != nil {
		t.Fatal(err)
	}
	got := must(t, "container", "image", "pull", "--check=manifest", "repo", "oci:a")
	if !strings.HasPrefix(got, "Total new layers: 2") || !strings.Contains(got, "layers already present: 0; layers needed: 2 (") {
		t.Error(got)
	}
	if manifest, err := os.ReadFile("manifest"); err != nil || !json.Valid(manifest) {
		t.Errorf("%s %v", manifest, err)
	}
	has := func(key string) bool {
		return run(t, "show", "--repo=repo", "--print-detached-metadata-key="+key, string(commit)).Code == 0
	}
	if !has("ostree-ext.cached.manifest-digest") || !has("ostree-ext.cached.config") || !has("ostree.sign.ed25519") {
		t.Error("the update is not noted, or the signature gone")
	}
	must(t, "container", "image", "clear-cached-update", "--repo=repo", "oci:a")
	if has("ostree-ext.cached.manifest-digest") || has("ostree-ext.cached.manifest") || !has("ostree.sign.ed25519") {
		t.Error("the update is not forgotten, or the signature gone")
	}
	var j struct {
		Unchanged bool
		Fetch     struct{ Count int }
	}
	if err := json.Unmarshal([]byte(must(t, "container", "image", "pull", "--json", "--check=manifest", "repo", "oci:a")), &j); err != nil || j.Unchanged || j.Fetch.Count != 2 {
		t.Errorf("%+v %v", j, err)
	}
}

func TestPruneImages(t *testing.T) {
	distribution(t, "one=1", "one=2")
	if err := os.MkdirAll("sys/ostree", 0o755); err != nil {
		t.Fatal(err)
	}
	must(t, "init", "--repo=sys/ostree/repo", "--mode=bare-user")
	for _, image := range []string{"oci:a", "oci:b"} {
		must(t, "container", "image", "pull", "--quiet", "sys/ostree/repo", image)
	}
	write(t, "sys/ostree/deploy/os/deploy/abc.0.origin", "[origin]\ncontainer-image-reference=ostree-unverified-image:oci:a\n",
		"sys/ostree/deploy/os/deploy/def.0.origin", "[origin]\nrefspec=os/stable\n")
	prune := func(args ...string) string {
		return must(t, append([]string{"container", "image", "prune-images", "--sysroot=sys"}, args...)...)
	}
	if got := prune("--and-layers"); got != "Removed: oci:b\nRemoved layers: 2" {
		t.Error(got)
	}
	if got := prune(); got != "No unreferenced images." {
		t.Error(got)
	}
	// What is broken stops nothing: a ref that stands for no image, and one without a commit.
	write(t, "sys/ostree/repo/refs/heads/ostree/container/image/what_ZZ_", strings.Repeat("0", 64)+"\n",
		"sys/ostree/repo/refs/heads/ostree/container/baseimage/x/0", strings.Repeat("0", 64)+"\n")
	for _, args := range [][]string{{"prune-images", "--sysroot=sys", "--and-layers"}, {"list", "--repo=sys/ostree/repo"}, {"prune-layers", "--repo=sys/ostree/repo"}} {
		if o := run(t, append([]string{"container", "image"}, args...)...); o.Code != 0 || !strings.Contains(o.Stderr, "warning: ref ostree/container/") {
			t.Errorf("%s: %+v", args, o)
		}
	}
	for _, name := range []string{"image/what_ZZ_", "baseimage/x/0"} {
		if err := os.Remove("sys/ostree/repo/refs/heads/ostree/container/" + name); err != nil {
			t.Fatal(err)
		}
	}
	if got := prune("--full"); !strings.HasPrefix(got, "Removed images: 0\nRemoved layers: 0\nRemoved objects: ") {
		t.Error(got)
	}
	if got := prune("--full"); got != "No content was pruned." {
		t.Error(got)
	}
	must(t, "fsck", "--quiet", "--repo=sys/ostree/repo")
	write(t, "sys/ostree/deploy/os/deploy/abc.0.origin", "[origin]\ncontainer-image-reference=what\n")
	if o := run(t, "container", "image", "prune-images", "--sysroot=sys"); o.Code != 1 || !strings.Contains(o.Stderr, "abc.0.origin: Missing ':' in what") {
		t.Errorf("%+v", o)
	}
	if got := must(t, "container", "image", "list", "--repo=sys/ostree/repo"); got != "oci:a" {
		t.Error(got)
	}
}

func TestDetachedMetadata(t *testing.T) {
	t.Chdir(t.TempDir())
	must(t, "init", "--repo=repo", "--mode=archive")
	must(t, "init", "--repo=other", "--mode=bare-user")
	write(t, "tree/usr/bin/a", "a")
	commit := must(t, "commit", "--repo=repo", "-b", "os", "--canonical-permissions", "--timestamp=@1", "--add-detached-metadata-string=k=v", "tree")
	must(t, "container", "encapsulate", "--quiet", "--repo=repo", "os", "oci:first")
	metadata := run(t, "container", "image", "cat-detached-metadata", "oci:first").Stdout
	if !strings.HasPrefix(metadata, "k\x00") {
		t.Errorf("%q", metadata)
	}
	write(t, "metadata", metadata)
	plain := must(t, "container", "image", "replace-detached-metadata", "--src=oci:first", "--dest=oci:plain")
	if got := run(t, "container", "image", "cat-detached-metadata", "oci:plain").Stdout; got != "" {
		t.Errorf("%q", got)
	}
	// Adding what was there gives the first image back.
	got := must(t, "container", "image", "replace-detached-metadata", "--src=oci:plain", "--dest=oci:back", "metadata")
	want := "Pushed: " + must(t, "container", "encapsulate", "--quiet", "--repo=repo", "os", "oci:first")
	if got != want || plain == want {
		t.Errorf("%s, %s, want %s", plain, got, want)
	}
	for _, image := range []string{"oci:plain", "oci:back"} {
		if got := must(t, "container", "import", "--quiet", "--repo=other", image); got != "Imported: "+commit {
			t.Error(got)
		}
	}
	before, after := inspect(t, "oci:first"), inspect(t, "oci:plain")
	if before.Layers[0].Digest == after.Layers[0].Digest || after.Labels["ostree.final-diffid"] != after.Layers[len(after.Layers)-1].DiffID {
		t.Errorf("%+v", after)
	}
	for i := range before.Layers[1:] {
		if diff := cmp.Diff(before.Layers[1+i], after.Layers[1+i]); diff != "" {
			t.Error(diff)
		}
	}
	write(t, "bad", "no variant")
	for _, args := range [][]string{
		{"--src=oci:first", "--dest=oci:x", "bad"}, {"--src=oci:first"}, {"--src=oci:first", "--dest=oci:x", "nope"}, {"--src=oci:nope", "--dest=oci:x"},
	} {
		if o := run(t, slices.Concat([]string{"container", "image", "replace-detached-metadata"}, args)...); o.Code != 1 || !strings.Contains(o.Stderr, "error: ") {
			t.Errorf("%s: %+v", args, o)
		}
		if _, err := os.Stat("x/index.json"); err == nil {
			t.Errorf("%s: an image that failed is visible", args)
		}
	}
}

func TestReexport(t *testing.T) {
	distribution(t, "one=1 two=2", "")
	must(t, "container", "image", "pull", "--quiet", "repo", "oci:a")
	digest := must(t, "container", "encapsulate", "--quiet", "--repo=repo", "a", "oci:first")
	reexport := func(args ...string) string {
		return must(t, append([]string{"container", "image", "reexport", "--repo=repo", "--quiet", "oci:a"}, args...)...)
	}
	if got := reexport("oci:exact"); got != "Exported: "+digest {
		t.Error(got)
	}
	// As if another program had pulled it: of a commit and its chunks the same comes out.
	must(t, "refs", "--repo=repo", "--delete", "treenail")
	if got := reexport("oci:anew"); got != "Exported: "+digest {
		t.Error(got)
	}
	if got := reexport("--compression-fast", "oci:fast"); got == "Exported: "+digest {
		t.Error("compressed as before")
	}
	fast := inspect(t, "oci:fast")
	for i, l := range inspect(t, "oci:first").Layers {
		if diff := cmp.Diff(l.DiffID, fast.Layers[i].DiffID); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(l.Components, fast.Layers[i].Components); diff != "" {
			t.Error(diff)
		}
	}
	if o := run(t, "container", "image", "reexport", "--repo=repo", "oci:nope", "oci:x"); o.Code != 1 || !strings.Contains(o.Stderr, "Missing images: oci:nope") {
		t.Errorf("%+v", o)
	}
	if o := run(t, "container", "image", "reexport", "--repo=repo", "oci:a", "oci:x"); !strings.Contains(o.Stderr, "warning: ") {
		t.Errorf("%+v", o)
	}
}
