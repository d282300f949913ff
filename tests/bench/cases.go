package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// benchCase is a job that two programs do.
type benchCase struct {
	name  string
	peer  string  // the peer's name
	goal  float64 // ratio of wall times to reach, 0 for none
	times int     // repetitions in one measurement, for what takes milliseconds; 0: one
	ours  job
	other job
}

// job is one command and what has to be there before it. Out is a path that does
// not exist yet and belongs to this run of the job.
type job struct {
	before func(out string) error
	argv   func(out string) []string
}

func command(argv ...string) job {
	return job{argv: func(string) []string { return argv }}
}

func (b *bench) cases() []benchCase {
	cases := []benchCase{{
		name: "start", peer: "ostree", goal: 1, times: 50,
		ours: command(b.treenail, "--version"), other: command("ostree", "--version"),
	}}
	goals := map[string]float64{"archive": 0.2, "bare-user": 0.4, "bare": 0.4}
	for _, mode := range modes {
		cases = append(cases, benchCase{
			name: "commit to " + mode, peer: "ostree", goal: goals[mode],
			ours: b.commit(b.treenail, mode), other: b.commit("ostree", mode),
		})
	}
	cases = append(cases,
		b.checkout("checkout -U -H, bare-user", 0.8, "bare-user", "-U", "-H"),
		b.checkout("checkout -H, bare", 0.8, "bare", "-H"),
		b.checkout("checkout -U -C, bare-user", 1, "bare-user", "-U", "-C"),
		b.checkout("checkout -C, bare", 1, "bare", "-C"),
		b.checkout("checkout, archive", 1, "archive"),
	)
	for _, mode := range modes {
		repo := "--repo=" + b.path("source-"+mode)
		cases = append(cases, benchCase{
			name: "fsck " + mode, peer: "ostree", goal: 0.25,
			ours: command(b.treenail, "fsck", repo), other: command("ostree", "fsck", repo),
		})
	}
	cases = append(cases, b.upkeep()...)
	return append(cases, b.encapsulateExport(), b.encapsulateUmoci(), b.importImage())
}

func (b *bench) commit(program, mode string) job {
	return job{
		before: func(out string) error { return b.plain("ostree", "init", "--repo="+out, "--mode="+mode) },
		argv: func(out string) []string {
			return []string{program, "commit", "--repo=" + out, "--branch=os", "--timestamp=@1", "--tree=dir=" + b.tree}
		},
	}
}

func (b *bench) checkout(name string, goal float64, mode string, options ...string) benchCase {
	with := func(program string) job {
		return job{argv: func(out string) []string {
			args := append([]string{program, "checkout", "--repo=" + b.path("source-"+mode)}, options...)
			return append(args, "os", out)
		}}
	}
	return benchCase{name: name, peer: "ostree", goal: goal, ours: with(b.treenail), other: with("ostree")}
}

func (b *bench) encapsulate() job {
	return job{argv: func(out string) []string {
		return []string{b.treenail, "container", "encapsulate", "--no-layer-cache", "--repo=" + b.path("source-bare-user"), "os", "oci:" + out + ":latest"}
	}}
}

func (b *bench) encapsulateExport() benchCase {
	export := fmt.Sprintf("ostree export --repo=%s os | pigz -p2 >\"$0\"", b.path("source-bare-user"))
	return benchCase{
		name: "encapsulate", peer: "ostree export | pigz", goal: 0.4, ours: b.encapsulate(),
		other: job{argv: func(out string) []string { return []string{"sh", "-c", export, out} }},
	}
}

func (b *bench) encapsulateUmoci() benchCase {
	return benchCase{
		name: "encapsulate", peer: "umoci insert", ours: b.encapsulate(),
		other: job{
			before: func(out string) error {
				if err := b.plain("umoci", "init", "--layout", out); err != nil {
					return err
				}
				return b.plain("umoci", "new", "--image", out+":latest")
			},
			argv: func(out string) []string {
				return []string{"umoci", "insert", "--image", out + ":latest", b.tree, "/"}
			},
		},
	}
}

// importImage compares with the way that needs no further program: the layers as
// files, and a commit of their tars.
func (b *bench) importImage() benchCase {
	image := "oci:" + b.path("image") + ":latest"
	initRepo := func(out string) error { return b.plain("ostree", "init", "--repo="+out, "--mode=bare-user") }
	return benchCase{
		name: "import", peer: "skopeo + ostree", goal: 0.5,
		ours: job{before: initRepo, argv: func(out string) []string {
			return []string{b.treenail, "container", "import", "--repo=" + out, "--write-ref=os", image}
		}},
		other: job{before: initRepo, argv: func(out string) []string {
			script := fmt.Sprintf("skopeo copy -q %s dir:%s-dir && ostree commit --repo=%s --branch=os --tar-autocreate-parents", image, out, out)
			for _, layer := range b.layers() {
				script += " --tree=tar=" + filepath.Join(out+"-dir", layer)
			}
			return []string{"sh", "-c", script}
		}},
	}
}

// layers lists the layers of the prepared image as skopeo names them in a dir: image.
func (b *bench) layers() []string {
	var index, manifest struct {
		Manifests []struct{ Digest string }
		Layers    []struct{ Digest string }
	}
	data, err := os.ReadFile(b.path("image/index.json"))
	if err != nil || json.Unmarshal(data, &index) != nil || len(index.Manifests) == 0 {
		return nil
	}
	hex := func(digest string) string { return strings.TrimPrefix(digest, "sha256:") }
	data, err = os.ReadFile(b.path("image/blobs/sha256/" + hex(index.Manifests[0].Digest)))
	if err != nil || json.Unmarshal(data, &manifest) != nil {
		return nil
	}
	var layers []string
	for _, l := range manifest.Layers {
		layers = append(layers, hex(l.Digest))
	}
	return layers
}
