package packages_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/encapsulate"
	"github.com/treenail/treenail/encapsulate/packages"
	"github.com/treenail/treenail/oci/layout"
	"github.com/treenail/treenail/ostreerepo"
)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run runs another program; that it isn't there is a failure, too.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// write makes files below root; "-> x" as a file's content makes a symlink.
func write(t testing.TB, root string, files map[string]string) {
	t.Helper()
	for path, text := range files {
		path = filepath.Join(root, path)
		ok(t, os.MkdirAll(filepath.Dir(path), 0o755))
		if target, isLink := strings.CutPrefix(text, "-> "); isLink {
			ok(t, os.Symlink(target, path))
		} else {
			ok(t, os.WriteFile(path, []byte(text), 0o644))
		}
	}
}

// layersOf commits a directory with the real ostree, encapsulates it and lists
// the layers after the first, "NAME: COMPONENTS", and the packages that were read.
func layersOf(t testing.TB, root string) (list []string, found []encapsulate.Package, err error) {
	t.Helper()
	result, err := encapsulateDir(t, root, func(ctx context.Context, tree *encapsulate.Tree) (_ []encapsulate.Package, err error) {
		found, err = packages.Read(ctx, tree)
		return found, err
	})
	if err != nil {
		return nil, nil, err
	}
	for _, l := range result.Layers[1:] {
		list = append(list, l.Name+": "+strings.Join(l.Components, ","))
	}
	return list, found, nil
}

type reader func(context.Context, *encapsulate.Tree) ([]encapsulate.Package, error)

func encapsulateDir(t testing.TB, root string, read reader) (*encapsulate.Result, error) {
	t.Helper()
	repo := filepath.Join(t.TempDir(), "repo")
	run(t, "ostree", "init", "--repo="+repo, "--mode=archive")
	run(t, "ostree", "commit", "--repo="+repo, "-b", "test", "--tree=dir="+root, "--owner-uid=0", "--owner-gid=0", "--no-xattrs")
	r, err := ostreerepo.Open(repo)
	ok(t, err)
	defer r.Close()
	sum, err := r.Resolve("test")
	ok(t, err)
	sink, err := layout.OpenSink(filepath.Join(t.TempDir(), "image"), "")
	ok(t, err)
	defer sink.Close()
	return encapsulate.Encapsulate(context.Background(), r, sum, sink, encapsulate.Options{Packages: read})
}

const dpkgStatus = `Package: bash
Status: install ok installed
Architecture: amd64
Version: 5.2.15-2+b2
Description: shell
 Package: not this
 .
 more

Package: libc6
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Source: glibc (2.36-9)
Version: 2.36-9+deb12u1

Package: libc6
Status: install ok installed
Architecture: i386
Multi-Arch: same
Source: glibc (2.36-9)
Version: 2.36-9+deb12u1

Package: gone
Status: deinstall ok not-installed
Architecture: amd64

Package: tzdata
Status: install ok installed
Architecture: all
Version: 2024a
Conffiles:
 /etc/default/tz 00112233445566778899aabbccddeeff
`

// dpkgTree is a tree of Debian's kind, with the database in dir.
func dpkgTree(dir string) map[string]string {
	return map[string]string{
		"bin": "-> usr/bin", "usr/bin/bash": "bash", "lib": "-> usr/lib", "usr/lib/x86/libc.so": "libc", "usr/lib/i386/libc.so": "libc32",
		"usr/share/zoneinfo/UTC": "utc", "usr/etc/default/tz": "tz", "usr/share/doc/tzdata/copyright": "gpl", "usr/share/doc/bash/copyright": "gpl",
		"usr/own":                      "nobody's",
		dir + "/status":                dpkgStatus,
		dir + "/info/bash.list":        "/.\n/bin\n/bin/bash\n/usr\n/usr/share/doc/bash\n/usr/share/doc/bash/copyright\n",
		dir + "/info/libc6:amd64.list": "/.\n/lib\n/lib/x86\n/lib/x86/libc.so\n",
		dir + "/info/libc6:i386.list":  "/lib/i386/libc.so\n",
		dir + "/info/tzdata.list":      "/usr/share/zoneinfo/UTC\n/etc/default/tz\n/usr/share/doc/tzdata/copyright\n/usr/absent\n",
		dir + "/info/gone.list":        "/usr/own\n",
	}
}

func TestDpkg(t *testing.T) {
	want := []string{
		"bash_5.2.15-2+b2_amd64: bash",
		"libc6_2.36-9+deb12u1_amd64 and libc6_2.36-9+deb12u1_i386: libc6",
		"tzdata_2024a_all: tzdata",
	}
	for _, dir := range []string{"var/lib/dpkg", "usr/share/dpkg-base", "usr/lib/dpkg", "usr/share/dpkg/database"} {
		root := t.TempDir()
		write(t, root, dpkgTree(dir))
		got, _, err := layersOf(t, root)
		ok(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("database in %s: %s", dir, diff)
		}
	}
}

// TestDpkgElsewhere: an empty database in the usual place and a symlink to it
// don't hide the real one.
func TestDpkgElsewhere(t *testing.T) {
	root := t.TempDir()
	write(t, root, dpkgTree("usr/lib/sysimage/dpkg"))
	write(t, root, map[string]string{"var/lib/dpkg/status": "", "usr/share/dpkg-base": "-> ../lib/sysimage/dpkg"})
	got, found, err := layersOf(t, root)
	ok(t, err)
	if len(got) != 3 || len(found) != 4 {
		t.Errorf("%d layers of %d packages: %q", len(got), len(found), got)
	}
}

func TestDistroless(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{
		"usr/lib/libc.so": "libc", "usr/share/zoneinfo/UTC": "utc", "etc/x": "x",
		"var/lib/dpkg/status.d/libc6":          "Package: libc6\nSource: glibc\nVersion: 2\nArchitecture: amd64\n",
		"var/lib/dpkg/status.d/libc6.md5sums":  "00112233445566778899aabbccddeeff  usr/lib/libc.so\n",
		"var/lib/dpkg/status.d/tzdata":         "Package: tzdata\nVersion: 1\nArchitecture: all\n",
		"var/lib/dpkg/status.d/tzdata.md5sums": "00112233445566778899aabbccddeeff  usr/share/zoneinfo/UTC\nbroken line\n",
	})
	got, _, err := layersOf(t, root)
	ok(t, err)
	if diff := cmp.Diff([]string{"libc6_2_amd64: libc6", "tzdata_1_all: tzdata"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestNoDatabase(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"usr/x": "x"})
	if got, found, err := layersOf(t, root); err != nil || len(got) != 0 || len(found) != 0 {
		t.Errorf("%q, %v, %v", got, found, err)
	}
}

const spec = `
Name: hello
Version: 1.0
Release: 2
Epoch: 3
Summary: test
License: none
BuildArch: noarch
%description
test
%package -n world
Summary: test
Epoch: 0
%description -n world
test
%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/usr/share/hello %{buildroot}/etc
echo hello > %{buildroot}/usr/bin/hello
echo data > %{buildroot}/usr/share/hello/data
echo conf > %{buildroot}/etc/hello.conf
echo world > %{buildroot}/usr/bin/world
%files
/usr/bin/hello
/usr/share/hello
/etc/hello.conf
%files -n world
/usr/bin/world
`

// TestRPM reads databases that the real rpm made.
func TestRPM(t *testing.T) {
	work := t.TempDir()
	write(t, work, map[string]string{"hello.spec": spec})
	run(t, "rpmbuild", "-bb", "--define", "_topdir "+work, "--define", "_build_id_links none", filepath.Join(work, "hello.spec"))
	for _, tt := range []struct{ dir, dirInTree string }{
		{"/usr/lib/sysimage/rpm", ""}, {"/var/lib/rpm", ""}, {"/var/lib/rpm", "usr/share/rpm"},
	} {
		t.Run(tt.dir+tt.dirInTree, func(t *testing.T) {
			root := t.TempDir()
			db := []string{"--root", root, "--define", "_db_backend sqlite", "--dbpath", tt.dir, "--nodeps", "--noscripts"}
			run(t, "rpm", append(db, "-i", filepath.Join(work, "RPMS/noarch/hello-1.0-2.noarch.rpm"), filepath.Join(work, "RPMS/noarch/world-1.0-2.noarch.rpm"))...)
			ok(t, os.MkdirAll(filepath.Join(root, "usr"), 0o755))
			ok(t, os.Rename(filepath.Join(root, "etc"), filepath.Join(root, "usr/etc")))
			if tt.dirInTree != "" {
				ok(t, os.MkdirAll(filepath.Join(root, "usr/share"), 0o755))
				ok(t, os.Rename(filepath.Join(root, tt.dir), filepath.Join(root, tt.dirInTree)))
			}
			got, found, err := layersOf(t, root)
			ok(t, err)
			if diff := cmp.Diff([]string{"hello-3:1.0-2.noarch and world-1.0-2.noarch: hello,world"}, got); diff != "" {
				t.Error(diff)
			}
			var paths []string
			for _, p := range found {
				paths = append(paths, p.Source+" "+strings.Join(p.Paths, " "))
			}
			slices.Sort(paths)
			want := []string{"hello /etc/hello.conf /usr/bin/hello /usr/share/hello/data", "hello /usr/bin/world"}
			if diff := cmp.Diff(want, paths); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRPMDamaged(t *testing.T) {
	root := t.TempDir()
	write(t, root, map[string]string{"usr/share/rpm/rpmdb.sqlite": "SQLite format 3\x00 and nothing more", "usr/x": "x"})
	if _, _, err := layersOf(t, root); err == nil || !strings.Contains(err.Error(), "rpm database /usr/share/rpm/rpmdb.sqlite") {
		t.Errorf("error %v, want one that names the database", err)
	}
}

// BenchmarkDpkg reads a database of 300 packages and 20000 files.
func BenchmarkDpkg(b *testing.B) {
	root := b.TempDir()
	files := make(map[string]string)
	var status strings.Builder
	for i := range 300 {
		fmt.Fprintf(&status, "Package: p%d\nStatus: install ok installed\nArchitecture: all\nVersion: 1\n\n", i)
		list := "/.\n/usr\n/usr/share\n"
		for j := range 66 {
			path := fmt.Sprintf("usr/share/p%d/f%d", i, j)
			files[path] = path
			list += "/" + path + "\n"
		}
		files[fmt.Sprintf("var/lib/dpkg/info/p%d.list", i)] = list
	}
	files["var/lib/dpkg/status"] = status.String()
	write(b, root, files)
	_, err := encapsulateDir(b, root, func(ctx context.Context, tree *encapsulate.Tree) (list []encapsulate.Package, err error) {
		for b.Loop() {
			list, err = packages.Read(ctx, tree)
		}
		return list, err
	})
	ok(b, err)
}
