package oracle_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// layersMade is what encapsulate and plan say of layers with --json.
type layersMade struct {
	Digest string
	Layers []struct {
		DiffID        string
		Reused, Known bool
		Size          int64
		Exact         bool
		Components    []string
	}
}

func layersJSON(t *testing.T, args ...string) (made layersMade) {
	t.Helper()
	out := run(t, treenail, append([]string{"container"}, args...)...)
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		t.Fatal(err)
	}
	return made
}

// programs returns a part of a Debian tree, the programs and the package database,
// and a repository with a commit of it.
func programs(t *testing.T) (root, repo, commit string) {
	t.Helper()
	root, repo = filepath.Join(dir(t), "tree"), filepath.Join(dir(t), "repo")
	for _, path := range []string{"bin", "sbin", "usr/bin", "usr/sbin", "usr/share/dpkg-base"} {
		to := filepath.Dir(filepath.Join(root, path))
		if err := os.MkdirAll(to, 0o755); err != nil {
			t.Fatal(err)
		}
		run(t, "cp", "-a", filepath.Join(debian(t), path), to)
	}
	return root, repo, commitInto(t, repo, treenail, "archive", root)
}

// changeTen changes a file of each of ten packages and returns their names.
func changeTen(t *testing.T, root string) (names []string) {
	t.Helper()
	for _, name := range []string{"bash", "coreutils", "tar", "gzip", "sed", "grep", "findutils", "login", "passwd", "util-linux"} {
		list, err := os.ReadFile(filepath.Join(root, "usr/share/dpkg-base/info", name+".list"))
		if err != nil {
			t.Fatal(err)
		}
		for path := range strings.Lines(string(list)) {
			path = filepath.Join(root, strings.TrimSpace(path))
			if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() || !strings.Contains(path, "bin/") {
				continue
			}
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, append(data, "changed"...), 0o755); err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
			break
		}
	}
	if len(names) != 10 {
		t.Fatalf("changed only %q", names)
	}
	return names
}

// TestUpdate changes ten packages: only their layers and the first change, plan
// says so before, and what did not change is neither compressed nor sent again.
func TestUpdate(t *testing.T) {
	need(t, "skopeo", "mmdebstrap")
	host := serveRegistry(t)
	root, repo, _ := programs(t)
	cache := "--layer-cache=" + dir(t)
	first, second := "docker://"+host+"/update/os:1", "docker://"+host+"/update/os:2"
	encapsulate(t, repo, first, cache)

	changed := changeTen(t, root)
	repo = filepath.Join(dir(t), "repo")
	commitInto(t, repo, treenail, "archive", root)
	common := []string{"--repo=" + repo, "--tls-verify=false", "--quiet", "--json", "--previous=" + first}
	plan := layersJSON(t, append([]string{"plan", branch}, common...)...)
	made := layersJSON(t, append([]string{"encapsulate", branch, second, cache}, common...)...)

	old := inspect(t, first)
	for i, l := range made.Layers {
		known := slices.ContainsFunc(old.Layers, func(o struct {
			Kind, Digest, DiffID string
			Size                 int64
			Components           []string
		}) bool {
			return o.DiffID == l.DiffID
		})
		touched := i == 0 || slices.ContainsFunc(l.Components, func(name string) bool { return slices.Contains(changed, name) })
		if known == touched || l.Reused != known || plan.Layers[i].Known != known || plan.Layers[i].DiffID != l.DiffID {
			t.Errorf("layer %d, %q: known %t, reused %t, plan %+v", i, l.Components, known, l.Reused, plan.Layers[i])
		}
		if p := plan.Layers[i]; p.Size*10 < l.Size*8 || p.Size*10 > l.Size*12 || p.Exact && p.Size != l.Size {
			t.Errorf("layer %d: planned %d bytes, exact %t, has %d", i, p.Size, p.Exact, l.Size)
		}
	}
	t.Run("annotations dropped", func(t *testing.T) {
		docker := "docker://" + host + "/update/docker:1"
		run(t, "skopeo", "copy", "--quiet", "--format=v2s2", "--src-tls-verify=false", "--dest-tls-verify=false", first, docker)
		plan := layersJSON(t, "plan", branch, "--repo="+repo, "--tls-verify=false", "--quiet", "--json", "--previous="+docker)
		reused := make(map[string]bool) // by components
		for _, l := range made.Layers {
			reused[strings.Join(l.Components, ",")] = l.Reused
		}
		for i, l := range plan.Layers {
			if want, ok := reused[strings.Join(l.Components, ",")]; !ok || l.Known != want {
				t.Errorf("layer %d, %q: known %t, as with annotations %t", i, l.Components, l.Known, ok)
			}
		}
	})
	t.Run("manifest", func(t *testing.T) {
		manifest := filepath.Join(dir(t), "manifest.json")
		if err := os.WriteFile(manifest, []byte(run(t, "skopeo", "inspect", "--raw", "--tls-verify=false", first)), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := encapsulate(t, repo, "oci:"+dir(t)+":1", "--previous="+manifest); got != made.Digest {
			t.Errorf("digest: want %s as with the image, got %s", made.Digest, got)
		}
	})
}

// TestCompression lets the others read what treenail compresses.
func TestCompression(t *testing.T) {
	need(t, "skopeo", "mmdebstrap", "zstd")
	host, s := serveRegistry(t), newStore(t)
	t.Cleanup(func() { s.command("podman", "system", "reset", "--force").Run() })
	_, repo, commit := programs(t)
	d := dir(t)
	var diffIDs string
	for _, format := range []string{"gzip", "zstd", "zstd:chunked", "none"} {
		t.Run(format, func(t *testing.T) {
			name := host + "/compression/" + strings.ReplaceAll(format, ":", "-") + ":1"
			encapsulate(t, repo, "docker://"+name, "--max-layers=8", "--compression="+format, "--annotation=org.example=x")
			isWhole(t, importInto(t, "bare-user", "docker://"+name), "bare-user", commit)
			run(t, "skopeo", "copy", "--quiet", "--preserve-digests", "--src-tls-verify=false", "docker://"+name, "oci:"+d+"/copy:1")
			var manifest struct {
				Annotations map[string]string
				Layers      []struct {
					MediaType   string
					Digest      string
					Annotations map[string]string
				}
			}
			raw := run(t, "skopeo", "inspect", "--raw", "oci:"+d+"/copy:1")
			if err := json.Unmarshal([]byte(raw), &manifest); err != nil {
				t.Fatal(err)
			}
			if manifest.Annotations["org.example"] != "x" {
				t.Errorf("annotations %v", manifest.Annotations)
			}
			for i, l := range manifest.Layers {
				wantType := map[string]string{"gzip": "+gzip", "none": ""}
				suffix, ok := wantType[format]
				if !ok {
					suffix = "+zstd"
				}
				_, chunked := l.Annotations["io.github.containers.zstd-chunked.manifest-checksum"]
				if l.MediaType != "application/vnd.oci.image.layer.v1.tar"+suffix || chunked != (format == "zstd:chunked") {
					t.Errorf("layer %d: %+v", i, l)
				}
				if suffix == "+zstd" {
					run(t, "zstd", "--test", "-q", filepath.Join(d, "copy/blobs/sha256", strings.TrimPrefix(l.Digest, "sha256:")))
				}
			}
			s.run(t, "podman", "pull", "--quiet", "--tls-verify=false", name)
			layers := s.run(t, "podman", "image", "inspect", "--format={{.RootFS.Layers}}", name)
			if diffIDs == "" {
				diffIDs = layers
			}
			if layers != diffIDs {
				t.Errorf("podman has layers %s, want %s", layers, diffIDs)
			}
		})
	}
}

// TestIndex joins images of two architectures.
func TestIndex(t *testing.T) {
	need(t, "skopeo", "mmdebstrap")
	host, d := serveRegistry(t), dir(t)
	_, repo, commit := programs(t)
	amd, arm := "docker://"+host+"/parts/amd:1", "oci:"+d+"/arm:1"
	digests := map[string]string{
		"amd64": encapsulate(t, repo, amd, "--arch=amd64", "--max-layers=4"),
		"arm64": encapsulate(t, repo, arm, "--arch=arm64", "--max-layers=4"),
	}
	image := "docker://" + host + "/whole/os:1"
	index := func(image string, sources ...string) string {
		return strings.TrimSpace(run(t, treenail, append([]string{"container", "index", "--tls-verify=false", image}, sources...)...))
	}
	index(image, amd)
	digest := index(image, image, arm)
	for _, dest := range []string{image, "oci:" + d + "/whole:1", "oci-archive:" + d + "/whole.tar:1"} {
		if dest != image {
			if got := index(dest, amd, arm); got != digest {
				t.Errorf("%s: digest %s, in the registry %s", dest, got, digest)
			}
		}
		var list struct {
			Manifests []struct {
				Digest   string
				Platform struct{ Architecture string }
			}
		}
		raw := run(t, "skopeo", "inspect", "--raw", "--tls-verify=false", dest)
		if err := json.Unmarshal([]byte(raw), &list); err != nil {
			t.Fatal(err)
		}
		if len(list.Manifests) != 2 {
			t.Fatalf("%s: %s", dest, raw)
		}
		for _, m := range list.Manifests {
			if m.Digest != digests[m.Platform.Architecture] {
				t.Errorf("%s: %+v, want %v", dest, m, digests)
			}
		}
		run(t, "skopeo", "copy", "--quiet", "--all", "--src-tls-verify=false", dest, "dir:"+filepath.Join(dir(t), "copy"))
		isWhole(t, importInto(t, "bare-user", dest), "bare-user", commit)
	}
	if got := strings.TrimSpace(run(t, "skopeo", "--override-arch=arm64", "inspect", "--tls-verify=false", "--format={{.Architecture}}", image)); got != "arm64" {
		t.Errorf("skopeo finds %s", got)
	}
}
