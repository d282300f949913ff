package ostree_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/internal/linuxfs"
)

// The policy of these tests is Debian's, which its package selinux-policy-default
// puts into /etc/selinux.

// labelTree is a tree in which much depends on path, type and policy.
func labelTree(t *testing.T) string {
	t.Helper()
	dir := makeTree(t, map[string]string{
		"usr/bin/bash": "shell", "usr/bin/sh": "-> bash", "usr/bin/other": "a program", "usr/lib/libx.so.1": "library",
		"usr/etc/shadow": "secret", "usr/etc/passwd": "users", "usr/etcetera/shadow": "none", "usr/share/man/man1/x.1": "manual",
		"home/joe/.ssh/id": "key", "lib64/x": "substituted", "proc/": "", "srv/www/index.html": "page", "var/lock/": "", "boot/vmlinuz": "kernel",
	})
	if err := os.Link(filepath.Join(dir, "usr/bin/bash"), filepath.Join(dir, "usr/share/bash")); err != nil {
		t.Fatal(err)
	}
	return dir
}

// withNone adds files of the policy's <<none>>, one of which has a label.
func withNone(t *testing.T, dir string) string {
	t.Helper()
	for _, name := range []string{"tmp/labelled", "tmp/plain"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	setLabel(t, dir, "tmp/labelled", "old_t")
	return dir
}

func setLabel(t *testing.T, dir, name, label string) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := linuxfs.SetXattr(int(f.Fd()), "security.selinux", []byte(label)); err != nil {
		t.Fatal(err)
	}
}

// copyPolicy puts the system's policy below dir.
func copyPolicy(t *testing.T, dir string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", "-r", "/etc/selinux", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func TestCommitLabels(t *testing.T) {
	newRepo(t, "archive")
	plain, os1 := withNone(t, labelTree(t)), labelTree(t)
	copyPolicy(t, filepath.Join(os1, "usr/etc"))
	inEtc := labelTree(t)
	copyPolicy(t, filepath.Join(inEtc, "etc"))
	for branch, dir := range map[string]string{"plain": plain, "os": os1, "inetc": inEtc} {
		must(t, "commit", "--repo=repo", "-b", branch, dir)
	}
	if out, err := exec.Command("tar", "-C", plain, "-cf", "tree.tar", ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if out, err := exec.Command("tar", "-C", plain, "-cf", "part.tar", "usr/bin/bash", "usr/etc").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const debian = "--selinux-policy=/"
	for _, args := range []string{
		debian + " --tree=dir=" + plain,
		debian + " --tree=dir=" + plain + " --no-xattrs",
		debian + " --tree=dir=" + plain + " --canonical-permissions",
		debian + " --tree=dir=" + plain + " --owner-uid=7",
		debian + " --tree=tar=tree.tar",
		debian + " --tree=tar=part.tar --tar-autocreate-parents",
		debian + " --tree=tar=part.tar --tar-autocreate-parents --tar-pathname-filter=^usr/etc,etc",
		debian + " --tree=ref=plain",
		debian + " --tree=ref=plain --tree=dir=" + os1,
		debian + " --base=plain --tree=dir=" + os1,
		"-P --tree=dir=" + os1,
		"-P " + os1,
		"-P --tree=ref=os",
		"-P --tree=ref=os --tree=dir=" + plain,
		"-P --tree=ref=inetc",
		"-P --tree=dir=" + inEtc,
		"-P --tree=dir=" + plain,
		"-P --base=os --tree=tar=part.tar --tar-autocreate-parents",
		"-P --tree=tar=tree.tar",
		"-P " + debian + " " + plain,
		"--selinux-policy=/nonexistent " + plain,
		"--selinux-policy=" + plain + " " + plain,
	} {
		same(t, append(strings.Fields("commit --repo=repo --parent=none -b new --timestamp=@1"), strings.Fields(args)...)...)
	}
}

// Files that are links to objects get the object that a commit without that
// knowledge gives them.
func TestCommitLabelsOfLinks(t *testing.T) {
	newRepo(t, "bare")
	dir := withNone(t, labelTree(t))
	must(t, "commit", "--repo=repo", "-b", "plain", dir)
	commit := func(args ...string) string {
		return must(t, append(strings.Fields("commit --repo=repo --parent=none -b labelled --timestamp=@1 --selinux-policy=/"), args...)...)
	}
	want := commit(dir)
	must(t, "checkout", "--repo=repo", "-H", "plain", "links")
	if got := commit("--link-checkout-speedup", "links"); got != want {
		t.Errorf("of links to unlabelled objects: %s, want %s", got, want)
	}
	must(t, "checkout", "--repo=repo", "-H", "labelled", "labelled")
	if got := commit("--link-checkout-speedup", "labelled"); got != want {
		t.Errorf("of links to labelled objects: %s, want %s", got, want)
	}
	if got := commit("--consume", "labelled"); got != want {
		t.Errorf("consumed: %s, want %s", got, want)
	}
	same(t, "fsck", "--repo=repo", "-q")
}

func TestLabelingEpoch(t *testing.T) {
	newRepo(t, "archive")
	dir := labelTree(t)
	shadows := func(args ...string) string {
		must(t, append(strings.Fields("commit --repo=repo -b main --selinux-policy=/"), args...)...)
		var labels []string
		for _, path := range []string{"/usr/etc/shadow", "/usr/etc", "/usr/etcetera/shadow"} {
			line := must(t, "ls", "--repo=repo", "-X", "-d", "main", path)
			_, label, _ := strings.Cut(line, "object_r:")
			label, _, _ = strings.Cut(label, ":")
			labels = append(labels, label)
		}
		return strings.Join(labels, " ")
	}
	for _, c := range []struct{ args, want string }{
		{dir, "etc_t etc_t usr_t"},
		{"--selinux-labeling-epoch=0 " + dir, "etc_t etc_t usr_t"},
		{"--selinux-labeling-epoch=1 " + dir, "shadow_t etc_t usr_t"},
	} {
		if got := shadows(strings.Fields(c.args)...); got != c.want {
			t.Errorf("%s: %s, want %s", c.args, got, c.want)
		}
	}
	o := ours(t, "", "commit", "--repo=repo", "-b", "main", "--selinux-labeling-epoch=2", dir)
	if o.Code != 1 || o.Error != "error: Unknown SELinux labeling epoch: 2" {
		t.Error(o)
	}
}

// libostree writes objects there that it finds damaged afterwards.
func TestNoPlaceForLabels(t *testing.T) {
	newRepo(t, "bare-user-only")
	dir := labelTree(t)
	o := ours(t, "", "commit", "--repo=repo", "-b", "main", "--selinux-policy=/", dir)
	if o.Code != 1 || !strings.Contains(o.Error, "takes no extended attributes") {
		t.Error(o)
	}
	must(t, "commit", "--repo=repo", "-b", "main", "--selinux-policy="+dir, dir) // which has no policy
}

// A policy is read inside of the directory it is said to be in.
func TestPolicyStaysInside(t *testing.T) {
	newRepo(t, "archive")
	dir := makeTree(t, map[string]string{"etc/selinux": "-> /etc/selinux"})
	o := ours(t, "", "commit", "--repo=repo", "-b", "main", "--selinux-policy="+dir, dir)
	if o.Code != 1 || !strings.Contains(o.Error, "path escapes from parent") {
		t.Error(o)
	}
}

// labels lists the labels of a checkout, without the NUL that libostree leaves out
// in some places.
func labels(t *testing.T, top string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		parent, err := os.Open(filepath.Dir(path))
		if err != nil {
			return err
		}
		defer parent.Close()
		label, err := linuxfs.ReadLXattr(int(parent.Fd()), filepath.Base(path), "security.selinux")
		if err != nil && !linuxfs.IsNoXattr(err) {
			return err
		}
		found[strings.TrimPrefix(path, top)+" "+d.Type().String()] = strings.TrimSuffix(string(label), "\x00")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestCheckoutLabels: checked out with a policy is like committed with it. Where the
// kernel has no SELinux, as here, the real program labels regular files only.
func TestCheckoutLabels(t *testing.T) {
	newRepo(t, "bare")
	dir := labelTree(t)
	must(t, "commit", "--repo=repo", "-b", "plain", dir)
	must(t, "commit", "--repo=repo", "-b", "labelled", "--selinux-policy=/", dir)
	must(t, "checkout", "--repo=repo", "labelled", "want")
	must(t, "checkout", "--repo=repo", "--selinux-policy=/", "plain", "got")
	if diff := cmp.Diff(labels(t, "want"), labels(t, "got")); diff != "" {
		t.Errorf("(-committed +checked out):\n%s", diff)
	}
	for i, args := range []string{
		"plain DEST", "labelled DEST", "plain DEST --subpath=/usr/etc", "plain DEST --subpath=/usr/etc --selinux-prefix=/etc",
		"plain DEST --subpath=usr/etc --selinux-prefix=/etc/", "plain DEST --subpath=/usr/etc/shadow", "-U plain DEST",
	} {
		var found [2]map[string]string
		for n, run := range []func(*testing.T, string, ...string) output{theirs, ours} {
			dest := fmt.Sprintf("dest-%d-%d", i, n)
			o := run(t, "", strings.Fields("checkout --repo=repo --selinux-policy=/ "+strings.ReplaceAll(args, "DEST", dest))...)
			if o.Code != 0 {
				t.Fatalf("%s: %v", args, o)
			}
			found[n] = labels(t, dest)
			for path := range found[n] {
				if !strings.HasSuffix(path, fs.FileMode(0).String()) {
					delete(found[n], path)
				}
			}
		}
		if diff := cmp.Diff(found[0], found[1]); diff != "" || len(found[0]) == 0 {
			t.Errorf("%s (-ostree +treenail):\n%s", args, diff)
		}
	}
	same(t, "checkout", "--repo=repo", "--selinux-policy=/", "-H", "plain", "no")
}

// What the real program does not survive: files without a label, in a policy or for
// want of one.
func TestCheckoutWithoutLabels(t *testing.T) {
	newRepo(t, "bare")
	dir := withNone(t, labelTree(t))
	must(t, "commit", "--repo=repo", "-b", "main", dir)
	must(t, "checkout", "--repo=repo", "--selinux-policy=/", "main", "dest")
	got := labels(t, "dest")
	if a, b := got["/tmp/labelled ----------"], got["/tmp/plain ----------"]; a != "old_t" || b != "" {
		t.Errorf("labels %q and %q", a, b)
	}
	must(t, "checkout", "--repo=repo", "--selinux-policy="+dir, "main", "kept")
	for path, label := range labels(t, "kept") {
		if label != "" && label != "old_t" {
			t.Errorf("%s is labelled %s by no policy", path, label)
		}
	}
	must(t, "checkout", "--repo=repo", "--selinux-policy=/", "--subpath=/usr/etc/shadow", "--selinux-prefix=/etc", "main", "one")
	if got := labels(t, "one")["/shadow ----------"]; got != "system_u:object_r:shadow_t:s0" {
		t.Errorf("a single file is labelled %q", got)
	}
}
