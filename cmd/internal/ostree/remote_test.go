package ostree_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRemote runs the same sequence with both programs and compares the files.
func TestRemote(t *testing.T) {
	newRepo(t, "archive")
	t.Setenv("OSTREE_DUMMY_SIGN_ENABLED", "1")
	must(t, "init", "--repo=parent", "--mode=archive")
	must(t, "remote", "add", "--repo=parent", "inherited", "http://parent/")
	parent, err := filepath.Abs("parent")
	if err != nil {
		t.Fatal(err)
	}
	must(t, "config", "--repo=repo", "set", "core.parent", parent)
	if err := os.CopyFS("theirs", os.DirFS("repo")); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{
		"add", "add a", "add a http://a", "add a http://b", "add --if-not-exists a http://b x y", "list", "list -u", "list extra",
		"add longer-name mirrorlist=http://m x;1 y --contenturl=mirrorlist=http://c", "list --show-urls", "show-url longer-name", "show-url", "show-url nope",
		"show-url inherited", "delete inherited", "add --force a http://c", "add --force --if-not-exists a http://d", "add inherited http://mine", "show-url inherited",
		"add b http://b --set=k=v --set=branches=q --set=gpg-verify=hm z --no-gpg-verify --custom-backend=cb --collection-id=org.example.A",
		"add c http://c --no-sign-verify --set=empty=", "add d http://d --set=nope", "add x:y http://x", "add . http://x", "add e: http://x",
		"add s http://s --sign-verify=dummy=inline:abc --sign-verify=dummy=file:/k", "add f http://f --sign-verify=dummy", "add f http://f --sign-verify=zz=inline:x",
		"add f http://f --sign-verify=dummy=what:x", "add f http://f --sign-verify=dummy=inline:x --no-sign-verify", "add v http://v --sign-verify=dummy=inline:a:b",
		"delete", "delete nope", "delete --if-exists nope", "delete a extra", "delete a", "list", "add m metalink=http://m", "show-url m", "list -u",
	} {
		fields := append([]string{"remote"}, strings.Fields(args)...)
		want, got := theirs(t, "", append(fields, "--repo=theirs")...), ours(t, "", append(fields, "--repo=repo")...)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-ostree +treenail):\n%s", args, diff)
		}
		a, _ := os.ReadFile("theirs/config")
		b, _ := os.ReadFile("repo/config")
		if diff := cmp.Diff(string(a), string(b)); diff != "" {
			t.Fatalf("%s (-ostree +treenail):\n%s", args, diff)
		}
	}
	if got := must(t, "remote", "list", "--repo=repo", "--json"); !strings.Contains(got, `"url": "http://mine"`) {
		t.Error(got)
	}
	for _, option := range []string{"--sysroot=x", "--sysroot=/"} {
		if o := ours(t, "", "remote", "add", "--repo=repo", "n", "http://n", option); o.Code != 1 || !strings.Contains(o.Error, option[:5]) {
			t.Error(o)
		}
	}
	same(t, "remote")
	same(t, "remote", "nope")
}

// TestRemoteKeys: a remote's keys go with it.
func TestRemoteKeys(t *testing.T) {
	newRepo(t, "archive")
	must(t, "remote", "add", "--repo=repo", "a", "http://a")
	if err := os.WriteFile("repo/a.trustedkeys.gpg", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	must(t, "remote", "delete", "--repo=repo", "a")
	if _, err := os.Stat("repo/a.trustedkeys.gpg"); err == nil {
		t.Error("the keys are still there")
	}
}

func TestReset(t *testing.T) {
	sampleRepo(t, "archive")
	if err := os.CopyFS("theirs", os.DirFS("repo")); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"", "other", "nope other", "other nope", "other os/stable^", "os/stable other extra", "origin:os/stable other"} {
		fields := append([]string{"reset"}, strings.Fields(args)...)
		want, got := theirs(t, "", append(fields, "--repo=theirs")...), ours(t, "", append(fields, "--repo=repo")...)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-ostree +treenail):\n%s", args, diff)
		}
		if diff := cmp.Diff(refFiles(t, "theirs"), refFiles(t, "repo")); diff != "" {
			t.Errorf("%q (-ostree +treenail):\n%s", args, diff)
		}
	}
}

func TestChecksum(t *testing.T) {
	t.Chdir(sampleTree(t))
	for _, path := range []string{"", "usr/bin/a", "usr/bin/l", "etc/broken", "usr", "usr/", ".", "/", "etc/big", "usr/zero"} {
		same(t, append([]string{"checksum"}, strings.Fields(path)...)...)
		same(t, append([]string{"checksum", "--ignore-xattrs"}, strings.Fields(path)...)...)
	}
	if o := ours(t, "", "checksum", "nope"); o.Code != 1 || !strings.HasSuffix(o.Error, "nope: No such file or directory") {
		t.Error(o)
	}
}
