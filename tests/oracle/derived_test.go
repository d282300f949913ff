package oracle_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// derivation is what a container build does to our image.
const derivation = `FROM localhost/base
RUN echo hello >/usr/share/hello && rm -rf /usr/share/doc && ln /usr/bin/ls /usr/bin/ls2 && chmod 700 /usr/share/man && chown 5:6 /usr/bin/cat && echo conf >/etc/new.conf
RUN rm /usr/share/hello && mkdir /usr/share/hello && echo dir >/usr/share/hello/in && rm -rf /usr/share/perl5 && mkdir /usr/share/perl5 && touch /usr/share/perl5/new && ln /usr/bin/ls2 /usr/bin/ls3
RUN touch -h /usr/bin/cat && mv /usr/share/common-licenses /usr/share/licenses && mkdir -p /var/lib/mine && echo 1 >/run/gone
`

// TestDerivedImage builds images on top of ours and of a plain one with buildah,
// pulls them, and compares with what buildah shows as the file system of each.
func TestDerivedImage(t *testing.T) {
	need(t, "ostree", "mmdebstrap")
	store := newStore(t)
	d := store.dir // buildah wants paths of images in lower case
	buildah := func(args ...string) string {
		t.Helper()
		return store.run(t, "buildah", args...)
	}
	encapsulate(t, pairOf(t, "debian", "archive").ours, "oci:"+d+"/base:latest")
	buildah("tag", buildah("pull", "--quiet", "oci:"+d+"/base:latest"), "localhost/base")
	file := d + "/Containerfile"
	if err := os.WriteFile(file, []byte(derivation), 0o644); err != nil {
		t.Fatal(err)
	}
	buildah("bud", "--layers", "--isolation=chroot", "--network=host", "--quiet", "-t", "derived", "-f", file, d)
	image := "oci:" + d + "/derived:1"
	buildah("push", "--quiet", "localhost/derived", image)
	container := buildah("from", "localhost/derived")
	want := snapshot(t, buildah("mount", container), everything)
	for path := range want {
		if strings.HasPrefix(path, "sysroot/ostree") || path == "run/gone" || path == "var/tmp" || path == "." { // what layer 0, the build and buildah have besides
			delete(want, path)
		}
	}
	want = etcInUsr(want)
	for _, mode := range []string{"bare", "archive"} {
		t.Run(mode, func(t *testing.T) {
			repo := filepath.Join(dir(t), "repo")
			run(t, treenail, "--repo="+repo, "init", "--mode="+mode)
			run(t, treenail, "container", "image", "pull", repo, image)
			run(t, "ostree", "--repo="+repo, "fsck", "--quiet")
			out := filepath.Join(dir(t), "out")
			ref := strings.Fields(run(t, "ostree", "--repo="+repo, "refs", "--list", "ostree/container/image"))
			if len(ref) != 1 {
				t.Fatalf("refs of images: %q", ref)
			}
			run(t, "ostree", "--repo="+repo, "checkout", ref[0], out)
			got := snapshot(t, out, everything)
			delete(got, "usr/etc/hosts") // also empty, but ostree-ext keeps it
			delete(got, ".")
			same(t, "files", want, got)
		})
	}
	buildah("rm", "--all")
}

// etcInUsr moves etc to where a commit has it, and leaves out what buildah put
// there empty.
func etcInUsr(files map[string]string) map[string]string {
	moved := map[string]string{}
	for path, what := range files {
		if path == "etc" || strings.HasPrefix(path, "etc/") {
			path = "usr/" + path
		}
		if path != "usr/etc/hostname" && path != "usr/etc/resolv.conf" && path != "usr/etc/hosts" {
			moved[path] = what
		}
	}
	return moved
}
