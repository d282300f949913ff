package ostree_test

import (
	"os"
	"strings"
	"testing"
)

// composefsTree is one whose commits have the same checksum anywhere.
func composefsTree(t *testing.T) string {
	return makeTree(t, map[string]string{"usr/lib/modules/6.1/vmlinuz": "kernel", "usr/bin/sh": "shell", "etc": "-> usr/etc"})
}

// TestCommitComposefs compares with checksums that libostree 2026.4 has for the
// same commits: digest, and order of the metadata.
func TestCommitComposefs(t *testing.T) {
	const digest = "e2aad8e964f1b8564e89034494862ec62bcce3ec3931deee0634cd57afb7747d"
	newRepo(t, "bare-user")
	tree := composefsTree(t)
	for _, c := range []struct{ want, options string }{
		{"66321832572c68df0ae45a38488701f94c86daab95e0e86377419d8951e54fe2", ""},
		{"591086af382145ce4b8b3dec890b49d8286e38bf67e1818e7169634fe0afc27b", "--bootable"},
		{"9f21a04bf69822920a8e41ccf0c4291fb7ae5d17caeb02bd726fb70496692383", "--bootable --add-metadata-string=zz=1 --add-metadata-string=a=2 --add-metadata-string=version=3"},
		{"4ef4c8e8acf938fdb78a1cea2a0e9ea1bcebe5ddb5bbc7f1761e1bc416b056d4", "--no-bindings --add-metadata=ostree.composefs.digest.v0=1 --add-metadata-string=q=1"},
	} {
		args := append([]string{"commit", "--repo=repo", "-b", "main", "--parent=none", "--timestamp=@0", "--canonical-permissions",
			"--generate-composefs-metadata"}, strings.Fields(c.options)...)
		if got := must(t, append(args, tree)...); got != c.want {
			t.Errorf("%s: commit %s, want %s", c.options, got, c.want)
		}
		if got := must(t, "show", "--repo=repo", "--print-hex", "--print-metadata-key=ostree.composefs.digest.v0", "main"); got != digest {
			t.Errorf("%s: digest %s, want %s", c.options, got, digest)
		}
	}
}

func TestCheckoutComposefs(t *testing.T) {
	newRepo(t, "bare-user")
	must(t, "commit", "--repo=repo", "-b", "main", "--canonical-permissions", "--generate-composefs-metadata", composefsTree(t))
	for _, option := range []string{"-U", "--union", "--allow-noent", "--fsync=false", "--subpath=/"} {
		must(t, "checkout", "--repo=repo", "--composefs", option, "main", "image")
	}
	must(t, "checkout", "--repo=repo", "--composefs-noverity", "main", "plain")
	must(t, "checkout", "--repo=repo", "--composefs", "--composefs-noverity", "main", "both")
	image, plain, both := read(t, "image"), read(t, "plain"), read(t, "both")
	if image == plain || plain != both || len(image)%4096 != 0 {
		t.Errorf("images of %d, %d and %d bytes", len(image), len(plain), len(both))
	}
	for _, options := range []string{
		"--disable-cache", "--whiteouts", "--process-passthrough-whiteouts", "-H", "-C", "-z", "-M", "--union-add",
		"--union --union-add", "--union-identical", "--skip-list=/dev/null", "--selinux-policy=/", "--subpath=/usr",
	} {
		args := append([]string{"checkout", "--repo=repo", "--composefs", "main", "new"}, strings.Fields(options)...)
		o := ours(t, "", args...)
		if o.Code != 1 || o.Error != "error: Specified options are incompatible with --composefs" {
			t.Errorf("%s: %v", options, o)
		}
	}
	if _, err := os.Stat("new"); !os.IsNotExist(err) {
		t.Error("an image was written all the same")
	}
}
