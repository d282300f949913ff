package oracle_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// in is the name of an image in this storage, for containers-storage.
func (s *store) in(name string) string {
	return "containers-storage:[overlay@" + s.dir + "/root+" + s.dir + "/run]" + name
}

// sampleRepo is a repository with a small commit, and the commit.
func sampleRepo(t *testing.T) (repo, commit string) {
	t.Helper()
	d := dir(t)
	if err := os.MkdirAll(d+"/os/usr/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"hello": "#!/bin/sh\necho hello\n", "empty": ""} {
		if err := os.WriteFile(d+"/os/usr/bin/"+name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run(t, "setfattr", "-n", "user.component", "-v", "hello", d+"/os/usr/bin/hello")
	repo = d + "/repo"
	run(t, treenail, "--repo="+repo, "init", "--mode=bare")
	return repo, strings.TrimSpace(run(t, treenail, "--repo="+repo, "commit", "--branch="+branch, "--timestamp=@0", "--tree=dir="+d+"/os"))
}

// diffIDs are those of an image by the layer, as we see it.
func diffIDs(t *testing.T, image string) map[string]string {
	t.Helper()
	all := map[string]string{}
	for i, l := range inspect(t, image).Layers {
		all[strconv.Itoa(i)] = l.DiffID
	}
	return all
}

// TestTransports writes an image to every transport, by treenail and by skopeo, and
// reads it by both: the commit and the layers are the same, and so are digests where the
// transport keeps them.
func TestTransports(t *testing.T) {
	need(t, "skopeo", "setfattr")
	d, s := dir(t), newStore(t)
	repo, commit := sampleRepo(t)
	first := "oci:" + d + "/first:tag"
	digest := encapsulate(t, repo, first)
	layers := diffIDs(t, first)
	pulled := filepath.Join(d, "pulled")
	run(t, treenail, "--repo="+pulled, "init", "--mode=archive")
	run(t, treenail, "container", "image", "pull", pulled, first)
	for name, place := range map[string]func(string) string{
		"dir":                func(by string) string { return "dir:" + d + "/dir-" + by },
		"docker-archive":     func(by string) string { return "docker-archive:" + d + "/" + by + ".tar:localhost/os:1" },
		"oci-archive":        func(by string) string { return "oci-archive:" + d + "/oci-" + by + ".tar:tag" },
		"containers-storage": func(by string) string { return s.in("localhost/" + by + ":1") },
	} {
		t.Run(name, func(t *testing.T) {
			encapsulate(t, repo, place("encapsulate"))
			run(t, treenail, "container", "push", "--repo="+pulled, first, place("push"))
			run(t, "skopeo", "copy", "--quiet", first, place("skopeo"))
			for _, by := range []string{"encapsulate", "push", "skopeo"} {
				image := place(by)
				isWhole(t, importInto(t, "bare-user", image), "bare-user", commit)
				same(t, by+": diffIDs", layers, diffIDs(t, image))
				if got := inspect(t, image).Digest; name != "docker-archive" && got != digest {
					t.Errorf("by %s: digest is %s, want %s", by, got, digest)
				}
				back := "oci:" + d + "/back-" + name + "-" + by
				run(t, "skopeo", "copy", "--quiet", image, back)
				same(t, by+": diffIDs of skopeo's copy", layers, diffIDs(t, back))

				// And as any image, with the bytes it had.
				repo := filepath.Join(dir(t), "repo")
				run(t, treenail, "--repo="+repo, "init", "--mode=archive")
				run(t, treenail, "container", "image", "pull", repo, image)
				out := "oci:" + d + "/out-" + name + "-" + by
				if got := strings.TrimSpace(run(t, treenail, "container", "push", "--repo="+repo, image, out)); got != inspect(t, image).Digest {
					t.Errorf("by %s: pushed as %s", by, got)
				}
			}
		})
	}
}

// TestPodmanStorage has podman build on an image that we put into its storage, takes what
// it built from there, and lets it run what we put back.
func TestPodmanStorage(t *testing.T) {
	s, d := newStore(t), dir(t)
	if err := os.MkdirAll(d+"/os/usr/bin", 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "cp", treenail, d+"/os/usr/bin/treenail") // a program that needs nothing beside it
	run(t, treenail, "--repo="+d+"/repo", "init", "--mode=bare")
	run(t, treenail, "--repo="+d+"/repo", "commit", "--branch="+branch, "--tree=dir="+d+"/os")
	encapsulate(t, d+"/repo", s.in("localhost/base:1"), "--compression-fast")
	if got := s.run(t, "podman", "images", "--format={{.Repository}}:{{.Tag}}"); got != "localhost/base:1" {
		t.Errorf("podman has images %q", got)
	}
	for name, text := range map[string]string{"file": "built\n", "Containerfile": "FROM localhost/base:1\nCOPY file /usr/share/built\n"} {
		if err := os.WriteFile(s.dir+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.run(t, "podman", "build", "--network=host", "--quiet", "-t", "localhost/derived:1", s.dir)
	run(t, treenail, "--repo="+d+"/pulled", "init", "--mode=bare")
	image := s.in("localhost/derived:1")
	run(t, treenail, "container", "image", "pull", d+"/pulled", image)
	run(t, "ostree", "--repo="+d+"/pulled", "fsck", "--quiet")
	ref := strings.TrimSpace(run(t, "ostree", "--repo="+d+"/pulled", "refs", "--list", "ostree/container/image"))
	if got := run(t, treenail, "--repo="+d+"/pulled", "cat", ref, "/usr/share/built"); got != "built\n" {
		t.Errorf("what podman built has %q", got)
	}
	run(t, treenail, "container", "push", "--repo="+d+"/pulled", image, s.in("localhost/again:1"))
	want := run(t, treenail, "--version")
	if got := s.run(t, "podman", "run", "--rm", "--network=none", "localhost/again:1", "/usr/bin/treenail", "--version"); got != strings.TrimSpace(want) {
		t.Errorf("podman runs it and says %q", got)
	}
}
