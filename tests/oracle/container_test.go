package oracle_test

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// encapsulate writes the branch of a repository as an image and returns the
// digest it prints.
func encapsulate(t *testing.T, repo, image string, args ...string) string {
	t.Helper()
	args = append([]string{"container", "encapsulate", "--tls-verify=false", "--repo=" + repo}, args...)
	return strings.TrimSpace(run(t, treenail, append(args, branch, image)...))
}

// importInto imports an image into a new repository and returns that.
func importInto(t *testing.T, mode, image string) string {
	t.Helper()
	repo := filepath.Join(dir(t), "repo")
	run(t, treenail, "--repo="+repo, "init", "--mode="+mode)
	run(t, treenail, "container", "import", "--tls-verify=false", "--repo="+repo, "--write-ref="+branch, image)
	return repo
}

// isWhole checks that a repository has the commit, whole, in everybody's eyes.
func isWhole(t *testing.T, repo, mode, commit string) {
	t.Helper()
	revIs(t, repo, commit)
	run(t, treenail, "--repo="+repo, "fsck", "--quiet")
	if mode != "bare-split-xattrs" {
		run(t, "ostree", "--repo="+repo, "fsck", "--quiet")
	}
}

// TestRoundTrip takes commits to a registry and back into repositories of every
// mode: the checksum, and all that is in the repository, stay the same.
func TestRoundTrip(t *testing.T) {
	need(t, "ostree", "mmdebstrap")
	host := serveRegistry(t)
	for _, tree := range trees {
		image := "docker://" + host + "/round/" + tree + ":1"
		from := pairOf(t, tree, "archive")
		encapsulate(t, from.ours, image)
		for _, mode := range []string{"bare", "bare-user", "archive", "bare-split-xattrs"} {
			t.Run(tree+"/"+mode, func(t *testing.T) {
				repo := importInto(t, mode, image)
				isWhole(t, repo, mode, from.commit)
				same(t, "repository", repository(t, pairOf(t, tree, mode).ours), repository(t, repo))
			})
		}
	}
	t.Run("bare-user-only", func(t *testing.T) {
		from := pairOf(t, "debian", "bare-user-only")
		image := "docker://" + host + "/round/user-only:1"
		encapsulate(t, from.ours, image)
		repo := importInto(t, "bare-user-only", image)
		isWhole(t, repo, "bare-user-only", from.commit)
		same(t, "repository", repository(t, from.ours), repository(t, repo))
	})
}

// TestCopies lets skopeo carry an image through the forms that images take.
func TestCopies(t *testing.T) {
	need(t, "ostree", "skopeo", "mmdebstrap")
	host, d := serveRegistry(t), dir(t)
	from := pairOf(t, "debian", "archive")
	registry := "docker://" + host + "/debian/os:12"
	digest := encapsulate(t, from.ours, registry)

	t.Run("inspect", func(t *testing.T) {
		var image struct {
			Digest string
			Labels map[string]string
			Layers []string
		}
		out := run(t, "skopeo", "inspect", "--tls-verify=false", registry)
		if err := json.Unmarshal([]byte(out), &image); err != nil {
			t.Fatal(err)
		}
		if image.Digest != digest {
			t.Errorf("digest: skopeo sees %s, encapsulate said %s", image.Digest, digest)
		}
		if got := image.Labels["ostree.commit"]; got != from.commit {
			t.Errorf("label ostree.commit: %q", got)
		}
		if got := image.Labels["org.opencontainers.image.version"]; got != "12.1" {
			t.Errorf("label version: %q", got)
		}
		ours := inspect(t, registry)
		if ours.Digest != digest || ours.Commit != from.commit || ours.Version != "12.1" || len(ours.Layers) != len(image.Layers) {
			t.Errorf("treenail inspects %+v", ours)
		}
	})

	for _, c := range []struct {
		name, from, to string
		args           []string
	}{
		{"oci", registry, "oci:" + d + "/layout:tag", nil},
		{"registry again", "oci:" + d + "/layout:tag", "docker://" + host + "/copy/os:latest", nil},
		{"oci-archive", registry, "oci-archive:" + d + "/image.tar:tag", nil},
		{"docker schema 2", registry, "docker://" + host + "/schema2/os:1", []string{"--format=v2s2"}},
		{"zstd", registry, "oci:" + d + "/zstd:tag", []string{"--dest-compress-format=zstd"}},
		{"uncompressed", registry, "oci:" + d + "/plain:tag", []string{"--dest-decompress"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			run(t, "skopeo", append(append([]string{"copy", "--quiet", "--src-tls-verify=false", "--dest-tls-verify=false"}, c.args...), c.from, c.to)...)
			isWhole(t, importInto(t, "bare-user", c.to), "bare-user", from.commit)
		})
	}
	for name, image := range map[string]string{"to oci": "oci:" + d + "/ours:tag", "to oci-archive": "oci-archive:" + d + "/ours.tar:tag"} {
		t.Run(name, func(t *testing.T) {
			if got := encapsulate(t, from.ours, image); got != digest {
				t.Errorf("digest: want %s as in the registry, got %s", digest, got)
			}
			run(t, "skopeo", "inspect", image)
			isWhole(t, importInto(t, "archive", image), "archive", from.commit)
		})
	}
}

// TestLayers looks at how content is split.
func TestLayers(t *testing.T) {
	need(t, "mmdebstrap")
	from := pairOf(t, "debian", "archive")
	d := dir(t)
	for _, c := range []struct {
		args     []string
		min, max int
	}{{nil, 50, 64}, {[]string{"--max-layers=8"}, 4, 8}, {[]string{"--max-layers=120"}, 65, 120}} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			image := "oci:" + d + "/image" + strings.Join(c.args, "") + ":1"
			encapsulate(t, from.ours, image, c.args...)
			i := inspect(t, image)
			if n := len(i.Layers); n < c.min || n > c.max {
				t.Errorf("%d layers, want %d to %d", n, c.min, c.max)
			}
			all := map[string]bool{}
			for _, l := range i.Layers[1:] {
				for _, name := range l.Components {
					if all[name] {
						t.Errorf("component %s is in two layers", name)
					}
					all[name] = true
				}
			}
			for _, name := range []string{"libc6", "dpkg", "bash", "coreutils", "perl-base"} {
				if !all[name] {
					t.Errorf("no layer has package %s", name)
				}
			}
		})
	}
}

// TestSameDigest encapsulates one commit in many ways that must not matter.
func TestSameDigest(t *testing.T) {
	need(t, "mmdebstrap")
	d := dir(t)
	var want string
	for _, c := range []struct{ name, mode, cores string }{
		{"archive 1", "archive", "1"}, {"archive 2", "archive", "2"}, {"bare 7", "bare", "7"}, {"bare-user 3", "bare-user", "3"},
		{"bare-split-xattrs 2", "bare-split-xattrs", "2"},
	} {
		cmd := exec.Command(treenail, "container", "encapsulate", "--repo="+pairOf(t, "debian", c.mode).ours, branch, "oci:"+filepath.Join(d, strings.ReplaceAll(c.name, " ", "-")))
		cmd.Env = append(os.Environ(), "GOMAXPROCS="+c.cores, "TZ=Asia/Kathmandu", "LC_ALL=C", "SOURCE_DATE_EPOCH=1")
		stdout, stderr, err := try(cmd)
		if err != nil {
			t.Fatalf("%s: %v\n%s", c.name, err, stderr)
		}
		if want == "" {
			want = stdout
		}
		if stdout != want {
			t.Errorf("%s: digest %s, want %s", c.name, stdout, want)
		}
	}
}

// inImage turns a checkout's snapshot into that of a container's root: /usr/etc
// is /etc there, /var/tmp is added, and the objects lie below /sysroot.
func inImage(checkout map[string]string) map[string]string {
	image := map[string]string{}
	for path, what := range checkout {
		if rest, ok := strings.CutPrefix(path, "usr/etc"); ok && (rest == "" || rest[0] == '/') {
			path = "etc" + rest
		}
		image[path] = what
	}
	return image
}

func withoutObjects(image map[string]string) map[string]string {
	image = maps.Clone(image)
	for path := range image {
		if path == "var/tmp" || path == "sysroot/ostree" || strings.HasPrefix(path, "sysroot/ostree/") {
			delete(image, path)
		}
	}
	return image
}

// TestPodman pulls an image from a registry and compares every file of it.
func TestPodman(t *testing.T) {
	need(t, "podman", "mmdebstrap")
	host, s := serveRegistry(t), newStore(t)
	from := pairOf(t, "debian", "archive")
	name := host + "/podman/os:1"
	encapsulate(t, from.ours, "docker://"+name)
	s.run(t, "podman", "pull", "--quiet", "--tls-verify=false", name)
	t.Run("mount", func(t *testing.T) {
		mounted := s.run(t, "podman", "image", "mount", name)
		t.Cleanup(func() { s.run(t, "podman", "image", "unmount", name) })
		want, got := inImage(snapshot(t, debian(t), everything)), withoutObjects(snapshot(t, mounted, everything))
		delete(want, ".") // podman passes over the mode of the root
		delete(got, ".")
		same(t, "image", want, got)
		linked, total := hardlinks(t, filepath.Join(mounted, "usr"))
		if linked < total*9/10 {
			t.Errorf("only %d of %d files share their inode with their object", linked, total)
		}
	})
	t.Run("run", func(t *testing.T) { runContainer(t, s, name) })
}

// runContainer runs a program in a container of the image. Where that fails, an
// image that podman itself makes of the same tree tells whether the machine
// runs containers at all.
func runContainer(t *testing.T, s *store, image string) {
	want, err := os.ReadFile(filepath.Join(debian(t), "usr/etc/debian_version"))
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"run", "--rm", "--network=none"}
	stdout, stderr, err := try(s.command("podman", append(args, image, "cat", "/etc/debian_version")...))
	if err == nil {
		if stdout != string(want) {
			t.Errorf("the container says %q, want %q", stdout, want)
		}
		return
	}
	tarball := filepath.Join(dir(t), "control.tar")
	run(t, "tar", "-C", debian(t), "-cf", tarball, "--transform=s,^usr/etc,etc,", "usr", "bin", "lib", "lib64", "sbin")
	s.run(t, "podman", "import", "--quiet", tarball, "localhost/control:1")
	if _, control, err := try(s.command("podman", append(args, "localhost/control:1", "true")...)); err != nil {
		t.Logf("this machine runs no containers, not even of podman's own images: %s", control)
		return
	}
	t.Errorf("podman run: %s", stderr)
}

// TestBuildah derives an image: FROM it, a file added, committed.
func TestBuildah(t *testing.T) {
	need(t, "buildah", "mmdebstrap")
	host, s, d := serveRegistry(t), newStore(t), dir(t)
	from := pairOf(t, "debian", "archive")
	encapsulate(t, from.ours, "docker://"+host+"/base/os:1")
	added := filepath.Join(d, "added")
	if err := os.WriteFile(added, []byte("derived\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	container := s.run(t, "buildah", "from", "--tls-verify=false", host+"/base/os:1")
	s.run(t, "buildah", "copy", container, added, "/usr/share/added")
	derived := "docker://" + host + "/derived/os:1"
	s.run(t, "buildah", "commit", "--quiet", "--tls-verify=false", container, derived)

	i, base := inspect(t, derived), inspect(t, "docker://"+host+"/base/os:1")
	if !i.Encapsulated || i.Commit != from.commit {
		t.Errorf("the commit is not found in the derived image: %+v", i)
	}
	if len(i.Layers) != len(base.Layers)+1 || i.Layers[len(base.Layers)].Kind != "derived" {
		t.Errorf("want one derived layer after %d, got %d layers", len(base.Layers), len(i.Layers))
	}
	for n := range base.Layers {
		if i.Layers[n].DiffID != base.Layers[n].DiffID {
			t.Errorf("layer %d was changed", n)
		}
	}
	repo := filepath.Join(d, "repo")
	run(t, treenail, "--repo="+repo, "init", "--mode=archive")
	refuse(t, treenail, "container", "import", "--tls-verify=false", "--repo="+repo, derived)
}

// TestUmoci unpacks an image with umoci and compares every file of it.
func TestUmoci(t *testing.T) {
	need(t, "umoci", "mmdebstrap")
	d := dir(t)
	encapsulate(t, pairOf(t, "debian", "archive").ours, "oci:"+d+"/image:1")
	run(t, "umoci", "unpack", "--image", d+"/image:1", d+"/bundle")
	same(t, "rootfs", inImage(snapshot(t, debian(t), everything)), withoutObjects(snapshot(t, d+"/bundle/rootfs", everything)))
}

// TestEpoch: SOURCE_DATE_EPOCH is the time of a commit, and so of its image.
func TestEpoch(t *testing.T) {
	need(t, "ostree")
	tree := filepath.Join(treeOf(t, "hard"), "deep")
	commit := func(ostree string) (repo, commit string) {
		repo = filepath.Join(dir(t), "repo")
		run(t, ostree, "--repo="+repo, "init", "--mode=archive")
		cmd := exec.Command(ostree, "--repo="+repo, "commit", "--branch="+branch, "--subject=s", "--tree=dir="+tree)
		cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=1234567890")
		stdout, stderr, err := try(cmd)
		if err != nil {
			t.Fatalf("%v\n%s", err, stderr)
		}
		return repo, strings.TrimSpace(stdout)
	}
	_, want := commit("ostree")
	repo, got := commit(treenail)
	if want != got {
		t.Errorf("commit: want %s, got %s", want, got)
	}
	image := "oci:" + dir(t) + "/image:1"
	encapsulate(t, repo, image)
	if out := run(t, "skopeo", "inspect", image); !strings.Contains(out, "2009-02-13T23:31:30Z") {
		t.Errorf("the image was not created at the commit's time:\n%s", out)
	}
}
