package container_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// listing is what is in a tree: path, mode and time of each file.
func listing(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil {
			all = append(all, path+" "+info.Mode().String()+" "+info.ModTime().String())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestBuild(t *testing.T) {
	distribution(t, "one=1 two=2", "")
	t.Setenv("TMPDIR", t.TempDir())
	write(t, "tree/a/etc/conf", "conf", "tree/a/usr/lib/modules/6.1/vmlinuz", "kernel", "tree/a/sysroot/x", "x", "tree/a/run/y/z", "z", "tree/a/proc/.keep", "")
	before := listing(t, "tree/a")
	build := func(args ...string) string {
		return must(t, append([]string{"container", "build", "--rootfs=tree/a", "--quiet", "--bootc", "--created=2024-05-06T07:08:09Z", "--arch=amd64", "--owner-uid=0", "--owner-gid=0"}, args...)...)
	}
	digest := build("oci:built")
	if diff := cmp.Diff(before, listing(t, "tree/a")); diff != "" {
		t.Error(diff)
	}
	i := inspect(t, "oci:built")
	var components []string
	for _, l := range i.Layers {
		components = append(components, strings.Join(l.Components, ","))
	}
	if diff := cmp.Diff([]string{"", "one", "two"}, components); diff != "" {
		t.Error(diff)
	}
	if i.Labels["containers.bootc"] != "1" || i.Labels["ostree.linux"] != "6.1" || i.Created != "2024-05-06T07:08:09Z" {
		t.Errorf("%+v", i)
	}
	// The same in a repository that keeps the commit, of another mode.
	if got := build("--repo=repo", "--branch=kept", "oci:kept"); got != digest {
		t.Errorf("%s, want %s", got, digest)
	}
	must(t, "fsck", "--quiet", "--repo=repo")
	want := `d00755 0 0      0 /
d00755 0 0      0 /proc
d00755 0 0      0 /run
d00755 0 0      0 /sysroot
d00755 0 0      0 /usr
d00755 0 0      0 /usr
d00755 0 0      0 /usr/bin
d00755 0 0      0 /usr/etc
d00755 0 0      0 /usr/lib`
	got := must(t, "ls", "--repo=repo", "kept", "/") + "\n" + must(t, "ls", "--repo=repo", "kept", "/usr")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := must(t, "cat", "--repo=repo", "kept", "/usr/etc/conf"); got != "conf" {
		t.Error(got)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	t.Setenv("SOURCE_DATE_EPOCH", "86400")
	must(t, "container", "build", "--rootfs=tree/a", "--quiet", "oci:epoch")
	if i := inspect(t, "oci:epoch"); i.Created != "1970-01-02T00:00:00Z" {
		t.Error(i.Created)
	}
	write(t, "tree/a/usr/etc/conf", "conf")
	for args, want := range map[string]string{
		"--rootfs=tree/a oci:x":                 "root file system tree/a: both /etc and /usr/etc exist",
		"--rootfs=nope oci:x":                   "nope: No such file or directory",
		"oci:x":                                 "--rootfs and one IMAGE",
		"--rootfs=tree/a --branch=b oci:x":      "--branch needs --repo",
		"--rootfs=tree/a --created=today oci:x": "--created: ",
	} {
		if o := run(t, append([]string{"container", "build"}, strings.Fields(args)...)...); o.Code != 1 || !strings.Contains(o.Stderr, want) {
			t.Errorf("%s: %+v", args, o)
		}
	}
	if _, err := os.Stat("x/index.json"); err == nil {
		t.Error("an image that failed is visible")
	}
}

func TestRechunk(t *testing.T) {
	distribution(t, "one=1 two=2", "")
	t.Setenv("TMPDIR", t.TempDir())
	write(t, "config.json", `{"Env":["A=b"],"Labels":{"mine":"1"}}`)
	must(t, "container", "encapsulate", "--quiet", "--repo=repo", "--config=config.json", "--created=2024-01-02T03:04:05Z", "--max-layers=1", "a", "oci:single")
	must(t, "container", "rechunk", "--quiet", "oci:single", "oci:chunked")
	before, after := inspect(t, "oci:single"), inspect(t, "oci:chunked")
	if len(before.Layers) != 1 || len(after.Layers) != 3 || after.Commit != before.Commit || after.Created != before.Created || after.Labels["mine"] != "1" {
		t.Errorf("%+v", after)
	}
	// Again gives the same.
	if diff := cmp.Diff(must(t, "container", "rechunk", "--quiet", "oci:single", "oci:one"), must(t, "container", "rechunk", "--quiet", "oci:chunked", "oci:two")); diff != "" {
		t.Error(diff)
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
