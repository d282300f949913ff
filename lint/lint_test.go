package lint_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/lint"
	"golang.org/x/sys/unix"
)

// good is a tree that passes, as entries "path/", "path -> target" or "path=content".
var good = []string{
	"boot/", "dev/", "proc/", "run/", "sys/", "tmp/", "sysroot/", "ostree -> sysroot/ostree",
	"var/run -> /run", "var/log/empty=", "etc/hostname=name\n",
	"etc/passwd -> /usr/lib/passwd", "usr/lib/passwd=root:x:0:0::/:/bin/sh\nalice:x:5:5::/:/bin/sh\n", "etc/group=root:x:0:\nalice:x:5:\nwheel:x:10:\n",
	"usr/lib/sysusers.d/a.conf=# users\nu! alice 5 \"A\"\nm alice wheel\n", "etc/sysusers.d/off.conf -> /dev/null",
	"usr/lib/ostree/prepare-root.conf=[composefs]\nenabled=yes\n",
	"usr/lib/modules/6.1/vmlinuz=kernel", "usr/lib/bootc/kargs.d/a.toml=kargs = [\"quiet\"]\nmatch-architectures = [\"x86_64\"]\n",
	"usr/lib/tmpfiles.d/a.conf=d /var/lib/a 0755 - - -\nL /var/run - - - - ../run\nd /var/log 0755\nf /var/log/empty\n", "var/lib/a/",
}

// plant makes a tree. An entry "-path" removes what is there.
func plant(t *testing.T, dir string, entries []string) {
	t.Helper()
	for _, e := range entries {
		name, target, isLink := strings.Cut(e, " -> ")
		name, content, isFile := strings.Cut(name, "=")
		remove := strings.HasPrefix(name, "-")
		at := filepath.Join(dir, strings.TrimPrefix(name, "-"))
		err := os.MkdirAll(filepath.Dir(at), 0o755)
		switch {
		case err != nil:
		case remove:
			err = os.RemoveAll(at)
		case isLink:
			err = os.Symlink(target, at)
		case strings.HasSuffix(name, "|"):
			err = unix.Mkfifo(strings.TrimSuffix(at, "|"), 0o644)
		case isFile:
			err = os.WriteFile(at, []byte(content), 0o644)
		default:
			err = os.MkdirAll(at, 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func run(t *testing.T, entries []string, o lint.Options) *lint.Report {
	t.Helper()
	dir := t.TempDir()
	plant(t, dir, good)
	plant(t, dir, entries)
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	r, err := lint.Run(t.Context(), root, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestLints(t *testing.T) {
	tested := map[string]bool{}
	for _, c := range []struct {
		name    string // of the lint that finds something
		entries string
		want    string
	}{
		{"api-base-directories", "-tmp -proc proc=file", "Missing directories: [/proc /tmp]"},
		{"baseimage-root", "-sysroot", "/sysroot is not a directory []"},
		{"baseimage-root", "-ostree", "/ostree is missing; it has to be a symlink to sysroot/ostree []"},
		{"baseimage-root", "-ostree ostree/", "/ostree is not a symlink to sysroot/ostree []"},
		{"baseimage-root", "usr/share/doc/bootc/baseimage/base/", "/usr/share/doc/bootc/baseimage/base/sysroot is not a directory []"},
		{"baseimage-composefs", "-usr/lib/ostree", "there is no ostree/prepare-root.conf in /etc or /usr/lib []"},
		{"baseimage-composefs", "etc/ostree/prepare-root.conf=[composefs]", "/etc/ostree/prepare-root.conf enables neither composefs nor a transient root []"},
		{"baseimage-composefs", "etc/ostree/prepare-root.conf=what", "/etc/ostree/prepare-root.conf: Key file contains line “what” which is not a key-value pair, group, or comment []"},
		{"bootc-kargs", "usr/lib/bootc/kargs.d/b.toml=kargs", "Kernel arguments cannot be read: [/usr/lib/bootc/kargs.d/b.toml: toml: line 1: unexpected EOF; expected key separator '=']"},
		{"bootc-kargs", "usr/lib/bootc/kargs.d/b.toml=kargs=1", "Kernel arguments cannot be read: [/usr/lib/bootc/kargs.d/b.toml: toml: line 1 (last key \"kargs\"): incompatible types: TOML value has type int64; destination has type slice]"},
		{"bootc-kargs", "usr/lib/bootc/kargs.d/b.toml=kargs=[]\nx=1", "Kernel arguments cannot be read: [/usr/lib/bootc/kargs.d/b.toml: unknown key x]"},
		{"bootc-kargs", "usr/lib/bootc/kargs.d/b.toml=", "Kernel arguments cannot be read: [/usr/lib/bootc/kargs.d/b.toml: no key kargs]"},
		{"buildah-injected", "etc/hostname= etc/resolv.conf=", "Found empty files that buildah may have left: [/etc/hostname /etc/resolv.conf]"},
		{"etc-usretc", "usr/etc/", "both /etc and /usr/etc exist []"},
		{"kernel", "usr/lib/modules/6.2/vmlinuz=x", "Found several kernels: [/usr/lib/modules/6.1/vmlinuz /usr/lib/modules/6.2/vmlinuz]"},
		{"nonempty-boot", "boot/EFI/ boot/x=", "Found content in /boot: [/boot/x]"},
		{"nonempty-boot", "-boot", "/boot is not a directory []"},
		{"nonempty-run-tmp", "run/x/y/ run/systemd/resolve/stub-resolv.conf= run/.containerenv= tmp/z=", "Found content in runtime directories: [/run/x /tmp/z]"},
		{"special-files", "usr/fifo| dev/fifo|", "Found devices, fifos or sockets: [/usr/fifo]"},
		{"sysroot-content", "sysroot/x=", "Found content in /sysroot: [/sysroot/x]"},
		{"sysusers", "usr/lib/sysusers.d/a.conf=u\talice\n", "Found users or groups without an entry in sysusers.d: [group wheel]"},
		{"utf8", "usr/\xff=", `Found names or link targets that are not UTF-8: [/usr/\xff]`},
		{"utf8", "usr/\xfe/in/", `Found names or link targets that are not UTF-8: [/usr/\xfe]`},
		{"utf8", "usr/l->\xff", `Found names or link targets that are not UTF-8: [/usr/l -> \xff]`},
		{"var-log", "var/log/a/dpkg.log=x var/log/link->a", "Found log files: [/var/log/a/dpkg.log]"},
		{"var-run", "-var/run var/run/", "/var/run is not a symlink []"},
		{"var-tmpfiles", "var/lib/b/ var/lib/a/file=", "Found content in /var without an entry in tmpfiles.d, or that none can make: [/var/lib/a/file /var/lib/b]"},
		{"whiteout-names", "usr/.wh.x=", "Found names that mean a deletion in an image layer: [/usr/.wh.x]"},
	} {
		tested[c.name] = true
		entries := strings.Fields(c.entries)
		if strings.Contains(c.entries, "\n") || strings.Contains(c.entries, "\t") {
			entries = []string{c.entries}
		}
		for i := range entries {
			entries[i] = strings.Replace(entries[i], "->", " -> ", 1)
		}
		r := run(t, entries, lint.Options{Running: c.name == "var-tmpfiles"})
		var got []string
		for _, f := range r.Findings {
			got = append(got, fmt.Sprintf("%s: %s %s", f.Lint, f.Text, f.Items))
		}
		if diff := cmp.Diff([]string{c.name + ": " + c.want}, got); diff != "" {
			t.Errorf("%q:\n%s", c.entries, diff)
		}
	}
	for _, l := range lint.All() {
		if !tested[l.Name] {
			t.Errorf("lint %s is not tested", l.Name)
		}
	}
}

func TestGoodTree(t *testing.T) {
	n := len(lint.All())
	for _, c := range []struct {
		o    lint.Options
		want lint.Report
	}{
		{lint.Options{}, lint.Report{Passed: n - 1, Skipped: 1}},
		{lint.Options{Running: true}, lint.Report{Passed: n - 1, Skipped: 1}},
		{lint.Options{Skip: []string{"utf8", "kernel"}}, lint.Report{Passed: n - 3, Skipped: 3}},
	} {
		c.want.Findings = []lint.Finding{}
		if diff := cmp.Diff(&c.want, run(t, nil, c.o)); diff != "" {
			t.Errorf("%+v:\n%s", c.o, diff)
		}
	}
}

func TestUnknownLint(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	_, err = lint.Run(t.Context(), root, lint.Options{Skip: []string{"nope"}})
	if unknown := (*lint.UnknownError)(nil); !errors.As(err, &unknown) || unknown.Name != "nope" {
		t.Error(err)
	}
}
