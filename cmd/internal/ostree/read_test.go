package ostree_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// objects are the checksums of a file, a symlink, a dirtree and a dirmeta.
func objects(t *testing.T) (file, link, tree, meta string) {
	t.Helper()
	field := func(path string, n int) string {
		return strings.Fields(must(t, "ls", "--repo=repo", "-dC", "os/stable", path))[n]
	}
	return field("/usr/bin/a", 4), field("/usr/bin/l", 4), field("/usr", 4), field("/usr", 5)
}

// TestReadCommands compares everything that only reads with the real ostree.
func TestReadCommands(t *testing.T) {
	for _, mode := range []string{"archive", "bare", "bare-user", "bare-user-only"} {
		t.Run(mode, func(t *testing.T) {
			sampleRepo(t, mode)
			file, link, tree, meta := objects(t)
			metaFile := fmt.Sprintf("repo/objects/%s/%s.dirmeta", meta[:2], meta[2:])
			for _, args := range [][]string{
				{"log"}, {"log", "os/stable"}, {"log", "--raw", "os/stable"}, {"log", "os/stable^"}, {"log", "nope"}, {"log", "other^"},
				{"show"}, {"show", "os/stable"}, {"show", "other"}, {"show", "os/stable^"}, {"show", "nope"},
				{"show", "--raw", "os/stable"}, {"show", "--raw", "-B", "os/stable"}, {"show", "-B", "os/stable"}, {"show", "-B", meta}, {"show", "-B", tree},
				{"show", file}, {"show", link}, {"show", tree}, {"show", meta}, {"show", strings.Repeat("0", 64)},
				{"show", "--raw", file}, {"show", "--raw", tree}, {"show", "--raw", meta}, {"show", "--raw", "-B", meta},
				{"show", "--print-metadata-key=version", "os/stable"}, {"show", "--print-metadata-key=num", "os/stable"},
				{"show", "-B", "--print-metadata-key=num", "os/stable"}, {"show", "--print-metadata-key=blob", "os/stable"},
				{"show", "--print-metadata-key=nope", "os/stable"}, {"show", "--print-metadata-key=x", "nope"},
				{"show", "--print-detached-metadata-key=sig", "os/stable"}, {"show", "--print-detached-metadata-key=nope", "os/stable"},
				{"show", "--print-detached-metadata-key=sig", "other"}, {"show", "--print-related", "os/stable"},
				{"show", "--print-sizes", "os/stable"}, {"show", "--print-variant-type=(uuua(ayay))", metaFile},
				{"ls"}, {"ls", "nope"}, {"ls", "os/stable"}, {"ls", "os/stable", "/usr", "etc/conf", "/usr/bin/l"},
				{"ls", "-R", "os/stable"}, {"ls", "-d", "os/stable", "/usr"}, {"ls", "-RCX", "os/stable"}, {"ls", "-R", "os/stable", "/usr"},
				{"ls", "--nul-filenames-only", "-R", "os/stable"}, {"ls", "-d", "-R", "os/stable", "usr"},
				{"ls", "os/stable", "/nope"}, {"ls", "os/stable", "/nope/more"}, {"ls", "os/stable", "/usr/zero/x"},
				{"cat"}, {"cat", "os/stable"}, {"cat", "os/stable", "/usr/bin/a", "/etc/conf"}, {"cat", "os/stable", "/etc/abs"},
				{"cat", "os/stable", "/etc/broken"}, {"cat", "os/stable", "/nope"}, {"cat", "os/stable", "/usr"}, {"cat", "os/stable", "/etc/dir/zero"},
				{"cat", "os/stable", "/usr/bin/a", "/nope"}, {"cat", "os/stable", "/etc/big"},
				{"rev-parse"}, {"rev-parse", "os/stable", "other", "os/stable^"}, {"rev-parse", "other^"}, {"rev-parse", "nope"},
				{"rev-parse", "-S"}, {"rev-parse", "-S", "other"}, {"rev-parse", "origin:os/stable"}, {"rev-parse", "os/alias"},
				{"refs", "--list", "origin:os"}, {"refs", "other"}, {"refs", "nope"}, {"refs", "!"}, {"refs", "os/"},
				{"refs", "origin:"}, {"refs", "origin:os"}, {"refs", "origin:os/stable"}, {"refs", "-A"}, {"refs", "-A", "os/alias"}, {"refs", "-c"},
				{"refs", "-c", "org.example.Os"}, {"refs", "-c", "org.example.Other"}, {"refs", "-c", "bad"}, {"refs", "--delete"},
				{"refs", "--create=x"}, {"refs", "--create=x", "a", "b"}, {"refs", "--create=other", "os/stable"}, {"refs", "--create=!", "other"},
				{"refs", "--create=x", "nope"}, {"refs", "--delete", "os/stable"}, {"refs", "-A", "--create=x", "nope"},
				{"refs", "-A", "--create=origin:x", "other"}, {"refs", "-c", "--create=bad:x", "other"},
				{"config"}, {"config", "get"}, {"config", "get", "core.mode"}, {"config", "get", "mode"}, {"config", "get", "core.nope"},
				{"config", "get", "nope.nope"}, {"config", "get", "--group=core", "mode"}, {"config", "get", "--group=core"},
				{"config", "get", "a.b", "c"}, {"config", "set"}, {"config", "set", "core.x"}, {"config", "set", "--group=core", "x"},
				{"config", "set", "a.b", "c", "d"}, {"config", "unset"}, {"config", "unset", "--group=core"}, {"config", "unset", "a.b", "c"},
				{"config", "unset", "core.nope"}, {"config", "nope"},
				{"fsck"}, {"fsck", "-q"}, {"fsck", "-a"},
				{"init", "--mode=nope"}, {"init", "--collection-id=bad"}, {"init"},
				{"checkout"}, {"checkout", "nope", "dest"}, {"commit"}, {"commit", "-b"}, {"commit", "--nope"}, {"nope"}, {"--nope"},
			} {
				same(t, append([]string{"--repo=repo"}, args...)...)
			}
		})
	}
}

func TestRepoErrors(t *testing.T) {
	newRepo(t, "archive")
	for _, args := range [][]string{{"refs"}, {"refs", "--repo=nope"}, {"refs", "--repo=repo/config"}} {
		same(t, args...)
	}
	t.Chdir("repo")
	same(t, "refs")
}

// TestNewerThanOracle checks what libostree 2026.4 does and 2022.7 does not.
func TestNewerThanOracle(t *testing.T) {
	sampleRepo(t, "archive")
	head := must(t, "rev-parse", "--repo=repo", "os/stable")
	other := must(t, "rev-parse", "--repo=repo", "other")
	for _, c := range []struct{ args, want string }{
		{"refs", "origin:os/stable\nos/alias\nos/stable\nother"},
		{"refs -r", fmt.Sprintf("origin:os/stable\t%s\nos/alias\t%s\nos/stable\t%s\nother\t%s", head, head, head, other)},
		{"refs -r os", fmt.Sprintf("alias\t%s\nstable\t%s", head, head)},
		{"refs -c -r", "(org.example.Os, os/mirrored)\t" + other},
		{"show --list-metadata-keys os/stable", "blob\nnum\nostree.ref-binding\nversion"},
		{"show --list-detached-metadata-keys os/stable", "sig"},
		{"show --print-hex --print-metadata-key=blob os/stable", "01ff"},
		{"show --print-hex --print-metadata-key=version os/stable", "'1.0'"},
		{"cat os/stable /etc/up", "x=1"}, // 2022.7 leaves the tree and fails
	} {
		if got := must(t, append([]string{"--repo=repo"}, strings.Fields(c.args)...)...); got != c.want {
			t.Errorf("%s:\n%s\nwant:\n%s", c.args, got, c.want)
		}
	}
}

func TestSymlinkLoop(t *testing.T) {
	newRepo(t, "archive")
	must(t, "commit", "--repo=repo", "-b", "loop", makeTree(t, map[string]string{"a": "-> b", "b": "-> a"}))
	if o := ours(t, "", "cat", "--repo=repo", "loop", "/a"); o.Code != 1 || !strings.Contains(o.Error, "too many levels of symbolic links") {
		t.Error(o)
	}
}

// decode reads JSON that a command of ours printed.
func decode[T any](t *testing.T, args ...string) (v T) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(must(t, args...)))
	d.DisallowUnknownFields()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", strings.Join(args, " "), err)
	}
	return v
}

type commitJSON struct {
	Commit, Parent, ContentChecksum, Date, Version, Subject, Body, Tree, Meta string
	Timestamp                                                                 uint64
	Metadata                                                                  map[string]string
}

func TestJSON(t *testing.T) {
	sampleRepo(t, "archive")
	head := must(t, "rev-parse", "--repo=repo", "os/stable")
	parent := must(t, "rev-parse", "--repo=repo", "os/stable^")

	log := decode[[]commitJSON](t, "log", "--repo=repo", "--json", "os/stable")
	if len(log) != 2 || log[0].Commit != head || log[0].Parent != parent || log[1].Parent != "" || log[0].Version != "1.0" ||
		log[0].Date != "2023-11-14T22:13:21Z" || log[0].Metadata["ostree.ref-binding"] != "['os/stable']" {
		t.Errorf("log: %+v", log)
	}
	if show := decode[commitJSON](t, "show", "--repo=repo", "--json", "os/stable"); !cmp.Equal(show, log[0]) {
		t.Errorf("show: %s", cmp.Diff(log[0], show))
	}
	file, link, tree, _ := objects(t)
	if o := decode[map[string]any](t, "show", "--repo=repo", "--json", file); o["fileType"] != "regular" || o["size"] != 3.0 || o["mode"] != "0100644" {
		t.Errorf("show file: %v", o)
	}
	if o := decode[map[string]any](t, "show", "--repo=repo", "--json", link); o["fileType"] != "symlink" || o["target"] != "a" {
		t.Errorf("show symlink: %v", o)
	}
	if o := decode[map[string]any](t, "show", "--repo=repo", "--json", tree); o["type"] != "dirtree" {
		t.Errorf("show dirtree: %v", o)
	}
	type ref struct{ Ref, Commit, Collection, Alias string }
	want := []ref{{Ref: "os/alias", Commit: head, Alias: "os/stable"}, {Ref: "os/stable", Commit: head}}
	if diff := cmp.Diff(want, decode[[]ref](t, "refs", "--repo=repo", "--json", "--list", "os")); diff != "" {
		t.Error("refs:", diff)
	}
	if refs := decode[[]ref](t, "refs", "--repo=repo", "--json", "nope"); refs == nil || len(refs) != 0 {
		t.Errorf("refs nope: %v", refs)
	}
	if c := decode[map[string]map[string]string](t, "config", "--repo=repo", "--json"); c["core"]["mode"] != "archive-z2" {
		t.Errorf("config: %v", c)
	}
	if mode := decode[string](t, "config", "--repo=repo", "--json", "get", "core.mode"); mode != "archive-z2" {
		t.Errorf("config get: %v", mode)
	}
}

func TestLsJSON(t *testing.T) {
	sampleRepo(t, "archive")
	type entry struct {
		Path, Type, Mode, Target, Checksum, Meta, Xattrs string
		UID, GID, Size                                   int
	}
	entries := decode[[]entry](t, "ls", "--repo=repo", "--json", "-R", "os/stable")
	var paths []string
	for _, e := range entries {
		paths = append(paths, e.Path)
	}
	text := must(t, "ls", "--repo=repo", "-R", "--nul-filenames-only", "os/stable")
	if diff := cmp.Diff(strings.Split(strings.TrimSuffix(text, "\x00"), "\x00"), paths); diff != "" {
		t.Error(diff)
	}
	i := slices.IndexFunc(entries, func(e entry) bool { return e.Path == "/usr/bin/l" })
	if e := entries[i]; e.Type != "symlink" || e.Target != "a" || e.Mode != "00777" {
		t.Errorf("%+v", e)
	}
	if e := entries[0]; e.Type != "directory" || e.Meta == "" || e.UID != os.Getuid() {
		t.Errorf("%+v", e)
	}
}
