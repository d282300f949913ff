package encapsulate_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/encapsulate"
	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/oci/layout"
	"github.com/treenail/treenail/ostreerepo"
)

// small has one of everything.
var small = tree{
	"bin": "-> usr/bin", "usr/bin/sh": "shell", "usr/bin/dash": "shell", "usr/bin/empty": "",
	"usr/lib/libc.so":                       strings.Repeat("libc", 100000),
	"usr/etc/passwd":                        "root",
	"usr/etc/deep/" + longName + "/file":    "deep",
	"usr/share/doc/odd":                     "-> a/./b//c/.",
	"usr/share/" + longName + "ü/" + "file": "name",
	"usr/lib/modules/6.1/initramfs.img":     "initramfs",
	"usr/lib/modules/6.1/vmlinuz":           "kernel",
	"var/":                                  "", "sysroot/": "", "dev/": "", "boot/": "",
}

var longName = strings.Repeat("long", 25)

func packagesOf(list ...encapsulate.Package) func(context.Context, *encapsulate.Tree) ([]encapsulate.Package, error) {
	return func(context.Context, *encapsulate.Tree) ([]encapsulate.Package, error) { return list, nil }
}

var smallPackages = packagesOf(
	encapsulate.Package{ID: "dash_1", Name: "dash", Paths: []string{"/bin/sh", "/bin/dash", "/nowhere/x", "/usr/bin/sh/x"}},
	encapsulate.Package{ID: "libc_2", Name: "libc", Source: "glibc", Paths: []string{"/usr/lib/libc.so", "/etc/passwd"}},
)

func TestRoundTrip(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	sum := commitTree(t, r, small, xattrs{"usr/bin/sh": {{Name: "user.x", Value: []byte("y")}}})
	detached := gvariant.NewVardict(gvariant.Entry{Key: "ostree.gpgsigs", Value: gvariant.NewStrings([]string{"sig"})})
	ok(t, r.Update(context.Background(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error { return tx.PutDetached(sum, detached) }))
	for name, o := range map[string]encapsulate.Options{
		"split": {Packages: smallPackages}, "one layer": {MaxLayers: 1, Packages: smallPackages}, "two layers": {MaxLayers: 2, Packages: smallPackages},
		"parent directories": {Packages: smallPackages, ParentDirs: true}, "no packages": {}, "fast": {Compression: oci.Compression{Level: 1}}, "zstd": {Compression: oci.Compression{Format: oci.Zstd}},
		"zstd:chunked": {Compression: oci.Compression{Format: oci.ZstdChunked}}, "uncompressed": {Compression: oci.Compression{Format: oci.Uncompressed}},
	} {
		t.Run(name, func(t *testing.T) {
			dir, result := encapsulateTo(t, r, sum, o)
			if max := o.MaxLayers; max > 0 && len(result.Layers) > max {
				t.Errorf("%d layers, at most %d wanted", len(result.Layers), max)
			}
			found := objects(t, dir)
			checkComplete(t, r, sum, found)
			if got := found[object.Name{Checksum: sum, Type: object.TypeCommitMeta}]; got != string(detached.Bytes()) {
				t.Errorf("detached metadata %q", got)
			}
		})
	}
}

func TestLayers(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	sum := commitTree(t, r, small, nil)
	dir, result := encapsulateTo(t, r, sum, encapsulate.Options{Packages: smallPackages})
	want := []struct{ name, components, entries string }{
		{"a subject", "", ""},
		{"initramfs (kernel 6.1)", "initramfs", "1 0644 usr/lib/modules/6.1/initramfs.img"},
		{"dash_1", "dash", "1 0644 usr/bin/dash, 1 0644 usr/bin/sh"},
		{"libc_2", "libc", "1 0644 etc/passwd, 1 0644 usr/lib/libc.so"},
	}
	if len(result.Layers) != len(want) {
		t.Fatalf("%d layers, want %d", len(result.Layers), len(want))
	}
	for i, w := range want {
		l := result.Layers[i]
		annotation, annotated := l.Descriptor.Annotations["ostree.components"]
		if l.Name != w.name || annotation != w.components || annotated != (i > 0) {
			t.Errorf("layer %d: %q, components %q; want %q, %q", i, l.Name, annotation, w.name, w.components)
		}
		if i > 0 {
			links := slices.DeleteFunc(entries(t, dir, i), func(s string) bool { return strings.Contains(s, "object") })
			slices.Sort(links)
			if got := strings.Join(links, ", "); got != w.entries {
				t.Errorf("layer %d: %s; want %s", i, got, w.entries)
			}
		}
	}
}

func TestFirstLayer(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	sum := commitTree(t, r, tree{"usr/bin/x": "x", "usr/etc/y": "", "boot/": "", "sysroot/": "", "tmp/": ""}, nil)
	dir, _ := encapsulateTo(t, r, sum, encapsulate.Options{})
	want := []string{
		"5 0755 ./", "0 0644 sysroot/ostree/repo/config", "0 0644 object.commit", "0 0644 object.dirmeta", "0 0644 object.dirtree",
		"5 0755 boot", "0 0644 object.dirtree", // of all empty directories
		"5 0755 tmp",
		"5 0755 usr", "0 0644 object.dirtree", "5 0755 usr/bin", "0 0644 object.dirtree", "5 0755 etc", "0 0644 object.dirtree",
		"5 1777 var/tmp",
		"0 0644 object.file-xattrs-link", "0 0644 object.file", "1 0644 usr/bin/x",
		"0 0644 object.file-xattrs-link", "0 0644 object.file", "0 0644 etc/y", // empty: not a link
	}
	got := entries(t, dir, 0)
	// The order of the two objects is that of their checksums.
	if slices.Index(got, "0 0644 etc/y") < slices.Index(got, "1 0644 usr/bin/x") {
		want[17], want[20] = want[20], want[17]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestVarTmpOfTheCommit(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	sum := commitTree(t, r, tree{"var/tmp/": ""}, nil)
	dir, _ := encapsulateTo(t, r, sum, encapsulate.Options{})
	if got := strings.Join(entries(t, dir, 0), "\n"); strings.Count(got, "var/tmp") != 1 || !strings.Contains(got, "5 0755 var/tmp") {
		t.Error(got)
	}
}

// TestSysroot: what a commit has below /sysroot is in the image as objects, not
// as files, even if it looks like a repository.
func TestSysroot(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	fake := "sysroot/ostree/repo/objects/00/" + strings.Repeat("11", 31) + ".file"
	sum := commitTree(t, r, tree{fake: "not an object", "sysroot/only/here": "x", "usr/x": "y"}, nil)
	dir, _ := encapsulateTo(t, r, sum, encapsulate.Options{ParentDirs: true})
	checkComplete(t, r, sum, objects(t, dir))
	for _, e := range entries(t, dir, 0) {
		if strings.Contains(e, "only") || strings.Contains(e, fake) {
			t.Errorf("entry %q", e)
		}
	}
}

func TestParentDirs(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	sum := commitTree(t, r, tree{"usr/etc/a/x": "1", "usr/etc/a/y": "2", "usr/bin/z": "3"}, nil)
	packages := packagesOf(encapsulate.Package{ID: "p", Name: "p", Paths: []string{"/etc/a/x", "/etc/a/y", "/usr/bin/z"}})
	dir, _ := encapsulateTo(t, r, sum, encapsulate.Options{Packages: packages, ParentDirs: true})
	got := entries(t, dir, 1)
	for _, pair := range [][2]string{{"5 0755 etc", "5 0755 etc/a"}, {"5 0755 etc/a", "1 0644 etc/a/x"}, {"5 0755 etc/a", "1 0644 etc/a/y"}, {"5 0755 usr", "5 0755 usr/bin"}, {"5 0755 usr/bin", "1 0644 usr/bin/z"}} {
		if i, j := slices.Index(got, pair[0]), slices.Index(got, pair[1]); i < 0 || j < i {
			t.Errorf("%q does not come before %q in\n%s", pair[0], pair[1], strings.Join(got, "\n"))
		}
	}
	if len(got) != 3*3+4 {
		t.Errorf("%d entries:\n%s", len(got), strings.Join(got, "\n"))
	}
}

// TestComponents: xattrs beat packages, packages are asked in the order of names,
// and an object is in one place.
func TestComponents(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	files := tree{"usr/share/doc/a": "license", "usr/share/doc/b": "license", "usr/app/x": "x", "usr/app/own": "own", "usr/app/deep/y": "y", "usr/rest": "rest",
		"lib": "-> usr/lib", "usr/lib/l": "l", "usr/lib64": "-> lib", "loop": "-> loop"}
	sum := commitTree(t, r, files, xattrs{"usr/app/": component("app"), "usr/app/own": component("own")})
	packages := packagesOf(
		encapsulate.Package{ID: "b-1", Name: "b", Paths: []string{"/usr/share/doc/b", "/usr/app/x", "/lib/l", "/loop/x", "/usr/share/doc/../../lib64/l"}},
		encapsulate.Package{ID: "a-1", Name: "a", Paths: []string{"/usr/share/doc/a"}},
	)
	dir, result := encapsulateTo(t, r, sum, encapsulate.Options{Packages: packages})
	got := make(map[string]string)
	for i, l := range result.Layers {
		for _, e := range entries(t, dir, i) {
			if e[0] == '1' {
				got[e[len("1 0644 "):]] = l.Name
			}
		}
	}
	want := map[string]string{"usr/share/doc/a": "a-1", "usr/share/doc/b": "a-1", "usr/app/x": "app", "usr/app/deep/y": "app", "usr/app/own": "own",
		"usr/lib/l": "b-1", "usr/rest": "a subject"}
	for path, layer := range want {
		if got[path] != layer {
			t.Errorf("%s is in layer %q, want %q", path, got[path], layer)
		}
	}
}

func TestBadComponentXattr(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	sum := commitTree(t, r, tree{"usr/x": "x"}, xattrs{"usr/x": component("a,b")})
	checkError(t, r, sum, encapsulate.Options{}, "path /usr/x: xattr user.component")
}

// TestSameEverywhere: the digest depends on commit and options alone.
func TestSameEverywhere(t *testing.T) {
	// Raising the version of the compressor may change this: then all images get
	// new digests, which has to be meant.
	const want = "sha256:c873cbc76a4ac97408402057e3095bdae563964e41685bdb5d6ffe98aadf61de"
	for _, mode := range []ostreerepo.Mode{ostreerepo.ModeArchive, ostreerepo.ModeBareUser, ostreerepo.ModeBare} {
		r := repotest.New(t, mode)
		sum := commitTree(t, r, small, nil)
		for _, procs := range []int{1, 2, 7} {
			old := runtime.GOMAXPROCS(procs)
			_, result := encapsulateTo(t, r, sum, encapsulate.Options{Packages: smallPackages, Architecture: "amd64"})
			runtime.GOMAXPROCS(old)
			if result.Digest != want {
				t.Errorf("mode %s, %d cores: digest %s, want %s", mode, procs, result.Digest, want)
			}
		}
	}
}

func checkError(t *testing.T, r *ostreerepo.Repo, sum object.Checksum, o encapsulate.Options, want string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "image")
	sink, err := layout.OpenSink(dir, "latest")
	ok(t, err)
	_, err = encapsulate.Encapsulate(context.Background(), r, sum, sink, o)
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), sum.String()) {
		t.Errorf("error %v, want one with %q that names the commit", err, want)
	}
	ok(t, sink.Close())
	if _, err := os.Stat(dir); err == nil {
		t.Error("an image was left behind")
	}
}

func TestDamagedObject(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeBareUser)
	sum := commitTree(t, r, small, nil)
	c, err := r.Commit(sum)
	ok(t, err)
	e, err := r.Lookup(c.Tree, c.Meta, "/usr/lib/libc.so")
	ok(t, err)
	name := object.Name{Checksum: e.Checksum, Type: object.TypeFile}
	f, err := os.OpenFile(filepath.Join(r.Path(), "objects", name.LoosePath(false)), os.O_WRONLY, 0)
	ok(t, err)
	_, err = f.WriteAt([]byte("X"), 200000)
	ok(t, errors.Join(err, f.Close()))
	checkError(t, r, sum, encapsulate.Options{Packages: smallPackages}, "path /usr/lib/libc.so")
	checkError(t, r, sum, encapsulate.Options{Packages: smallPackages}, "checksum mismatch")
	ok(t, os.Remove(f.Name()))
	checkError(t, r, sum, encapsulate.Options{}, name.String())
}

func TestOptionErrors(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	sum := commitTree(t, r, small, nil, gvariant.Entry{Key: "number", Value: gvariant.NewUint32(1)})
	meta := &encapsulate.ContentMeta{Layers: []encapsulate.ContentLayer{{ID: "a"}, {ID: "b"}}, Mapping: map[object.Checksum]string{}}
	for i, c := range allContent(t, r, sum) {
		meta.Mapping[c] = string("ab"[i%2])
	}
	broken := func(context.Context, *encapsulate.Tree) ([]encapsulate.Package, error) {
		return nil, errors.New("no database")
	}
	for want, o := range map[string]encapsulate.Options{
		"could not find commit metadata key: absent": {CopyMeta: []string{"absent"}},
		"commit metadata number: type u, want s":     {CopyMetaOpt: []string{"number"}},
		"maximum of -1 layers":                       {MaxLayers: -1},
		"asks for 3 layers, the maximum is 2":        {MaxLayers: 2, ContentMeta: meta},
		"base config":                                {BaseConfig: []byte("[]")},
		"gzip level 12":                              {Compression: oci.Compression{Level: 12}},
		"no database":                                {Packages: broken},
	} {
		t.Run(want, func(t *testing.T) { checkError(t, r, sum, o, want) })
	}
	checkError(t, r, object.Checksum{1}, encapsulate.Options{}, "commit")
}

func allContent(t *testing.T, r *ostreerepo.Repo, sum object.Checksum) (list []object.Checksum) {
	t.Helper()
	c, err := r.Commit(sum)
	ok(t, err)
	for e, err := range r.Walk(c.Tree, c.Meta) {
		ok(t, err)
		if !e.Dir && !slices.Contains(list, e.Checksum) {
			list = append(list, e.Checksum)
		}
	}
	return list
}

// sink fails in the ways that sinks fail.
type sink struct {
	oci.Sink
	limit int64 // bytes taken of a blob
	err   error
	ended bool // a manifest came
}

func (s *sink) PutBlob(ctx context.Context, mediaType string, r io.Reader) (oci.Descriptor, error) {
	_, err := io.CopyN(io.Discard, r, s.limit)
	if err == io.EOF || err == nil {
		err = s.err
	}
	return oci.Descriptor{}, err
}

func (s *sink) PutManifest(context.Context, []byte, string) (oci.Digest, error) {
	s.ended = true
	return "", nil
}

func TestSinkFails(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	sum := commitTree(t, r, small, nil)
	full := errors.New("disk full")
	for _, limit := range []int64{0, 100, 1 << 30} {
		s := &sink{limit: limit, err: full}
		if _, err := encapsulate.Encapsulate(context.Background(), r, sum, s, encapsulate.Options{Packages: smallPackages}); !errors.Is(err, full) || s.ended {
			t.Errorf("after %d bytes: error %v, manifest %v", limit, err, s.ended)
		}
		s = &sink{limit: limit} // a sink that lies
		if _, err := encapsulate.Encapsulate(context.Background(), r, sum, s, encapsulate.Options{Packages: smallPackages}); err == nil || s.ended {
			t.Errorf("after %d bytes: no error from a sink that takes no more", limit)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	s := &sink{limit: 1 << 30}
	_, err := encapsulate.Encapsulate(ctx, r, sum, s, encapsulate.Options{Packages: func(context.Context, *encapsulate.Tree) ([]encapsulate.Package, error) {
		cancel()
		return nil, nil
	}})
	if !errors.Is(err, context.Canceled) || s.ended {
		t.Errorf("cancelled: error %v, manifest %v", err, s.ended)
	}
}

func TestProgressAndWhiteouts(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	sum := commitTree(t, r, tree{"usr/.wh.x": "abc", "usr/y/.wh.dir/z": "defgh", "sysroot/.wh.s": ""}, nil)
	var last, total int64
	_, result := encapsulateTo(t, r, sum, encapsulate.Options{Progress: func(done, all int64) {
		if done < last || total != 0 && all != total {
			t.Errorf("progress %d of %d after %d of %d", done, all, last, total)
		}
		last, total = done, all
	}})
	if last != 8 || total != 8 {
		t.Errorf("progress ended at %d of %d, want 8 of 8", last, total)
	}
	if diff := cmp.Diff([]string{"/usr/.wh.x", "/usr/y/.wh.dir"}, result.Whiteouts); diff != "" {
		t.Error(diff)
	}
}

func TestTreeOpen(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	sum := commitTree(t, r, tree{"usr/etc/x": "etc", "usr/lib/y": "lib", "lib": "-> usr/lib", "abs": "-> /lib/y", "rel": "-> usr/../abs", "loop": "-> loop", "usr/out": "-> ../../../lib/y",
		"bomb0": "-> ."}, nil)
	encapsulateTo(t, r, sum, encapsulate.Options{Packages: func(_ context.Context, tree *encapsulate.Tree) ([]encapsulate.Package, error) {
		for path, want := range map[string]string{"/etc/x": "etc", "lib/y": "lib", "/abs": "lib", "/rel": "lib", "/usr/out": "lib", "/usr/../lib/./y": "lib"} {
			if got, err := tree.ReadFile(path, 100); string(got) != want || err != nil {
				t.Errorf("%s: %q, %v; want %q", path, got, err, want)
			}
		}
		for _, path := range []string{"/loop", "/nothing", "/usr", "/lib/y/z", "", "/", "/etc"} {
			if _, err := tree.Open(path); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: error %v, want not exist", path, err)
			}
		}
		if _, err := tree.ReadFile("/abs", 2); err == nil || !strings.Contains(err.Error(), "exceed the limit") {
			t.Errorf("a file over the limit: %v", err)
		}
		if got := fmt.Sprint(tree.Files("/lib"), tree.Files("/none")); got != "[y] []" {
			t.Errorf("Files: %s", got)
		}
		return nil, nil
	}})
}

func TestConfigAndManifest(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	sum := commitTree(t, r, tree{"x": "y"}, nil,
		gvariant.Entry{Key: "ostree.bootable", Value: gvariant.NewBool(false)}, gvariant.Entry{Key: "ostree.linux", Value: gvariant.NewString("6.1")},
		gvariant.Entry{Key: "version", Value: gvariant.NewString("42")}, gvariant.Entry{Key: "some.key", Value: gvariant.NewString("v")},
		gvariant.Entry{Key: "ostree.container-cmd", Value: gvariant.NewStrings([]string{"/sbin/init"})}, gvariant.Entry{Key: "ostree.architecture", Value: gvariant.NewString("aarch64")})
	layers := func(i *oci.Image) (diffID, layer string) {
		return string(i.Config.RootFS.DiffIDs[0]), fmt.Sprintf(`{"digest":%q,"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","size":%d}`, i.Manifest.Layers[0].Digest, i.Manifest.Layers[0].Size)
	}
	ours := `"containers.bootc":"1",%s"ostree.bootable":"false","ostree.commit":"` + sum.String() + `","ostree.final-diffid":"DIFFID","ostree.linux":"6.1"%s`
	tests := []struct {
		name             string
		options          encapsulate.Options
		config, manifest string // before and after the layers
	}{
		{"defaults", encapsulate.Options{},
			`{"architecture":"arm64","config":{"Cmd":["/sbin/init"],"Labels":{` + fmt.Sprintf(ours, `"org.opencontainers.image.version":"42",`, "") + `}},"created":"2023-11-14T22:13:20Z",` +
				`"history":[{"created":"2023-11-14T22:13:20Z","created_by":"a subject"}],"os":"linux","rootfs":{"diff_ids":["DIFFID"],"type":"layers"}}`,
			`{"annotations":{` + fmt.Sprintf(ours, `"org.opencontainers.image.version":"42",`, "") + `},"config":CONFIG,"layers":[LAYER],"schemaVersion":2}`},
		{"everything", encapsulate.Options{
			BaseConfig: []byte(`{"author":"me","config":{"Cmd":["x"],"Healthcheck":{"Test":["NONE"]},"Env":["A=b"],"Labels":{"base":"1","z":"base"}},"history":[{"comment":"old"}],"rootfs":{"type":"layers","diff_ids":["sha256:` + strings.Repeat("0", 64) + `"]},"architecture":"s390x"}`),
			Cmd:        []string{"sh"}, CopyMeta: []string{"some.key"}, CopyMetaOpt: []string{"absent"}, Labels: map[string]string{"z": "1", "org.opencontainers.image.version": "43"},
			Created: "2001-02-03T04:05:06+01:00", Architecture: "riscv64", OS: "plan9",
		},
			`{"architecture":"riscv64","author":"me","config":{"Cmd":["sh"],"Env":["A=b"],"Healthcheck":{"Test":["NONE"]},"Labels":{"base":"1",` +
				fmt.Sprintf(ours, `"org.opencontainers.image.version":"43",`, `,"some.key":"v","z":"1"`) + `}},"created":"2001-02-03T04:05:06+01:00",` +
				`"history":[{"created":"2001-02-03T03:05:06Z","created_by":"a subject"}],"os":"plan9","rootfs":{"diff_ids":["DIFFID"],"type":"layers"}}`,
			`{"annotations":{` + fmt.Sprintf(ours, `"org.opencontainers.image.version":"43",`, `,"some.key":"v","z":"1"`) + `},"config":CONFIG,"layers":[LAYER],"schemaVersion":2}`},
		{"bare container config, content meta", encapsulate.Options{
			BaseConfig: []byte(`{"User":"u","Foo":1}`), Labels: map[string]string{"z": "1"},
			ContentMeta: &encapsulate.ContentMeta{Created: "yesterday", Labels: map[string]string{"z": "2"}},
		},
			`{"architecture":"arm64","config":{"Cmd":["/sbin/init"],"Foo":1,"Labels":{` + fmt.Sprintf(ours, `"org.opencontainers.image.version":"42",`, `,"z":"2"`) + `},"User":"u"},"created":"yesterday",` +
				`"history":[{"created":"1970-01-01T00:00:00Z","created_by":"a subject"}],"os":"linux","rootfs":{"diff_ids":["DIFFID"],"type":"layers"}}`,
			`{"annotations":{` + fmt.Sprintf(ours, `"org.opencontainers.image.version":"42",`, `,"z":"2"`) + `},"config":CONFIG,"layers":[LAYER],"schemaVersion":2}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, result := encapsulateTo(t, r, sum, tt.options)
			src, err := layout.OpenSource(dir, "latest")
			ok(t, err)
			defer src.Close()
			p := oci.Platform{}
			image, err := oci.ReadImage(context.Background(), src, p)
			ok(t, err)
			diffID, layer := layers(image)
			config := fmt.Sprintf(`{"digest":%q,"mediaType":"application/vnd.oci.image.config.v1+json","size":%d}`, oci.Sum(image.RawConfig), len(image.RawConfig))
			fill := strings.NewReplacer("DIFFID", diffID, "LAYER", layer, "CONFIG", config).Replace
			if diff := cmp.Diff(fill(tt.config), string(image.RawConfig)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(fill(tt.manifest), string(image.RawManifest)); diff != "" {
				t.Error(diff)
			}
			if result.Digest != oci.Sum(image.RawManifest) {
				t.Errorf("digest %s", result.Digest)
			}
		})
	}
}

func TestEmptySubject(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	var sum object.Checksum
	ok(t, r.Update(context.Background(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) (err error) {
		b := &builder{t, tx, tree{"x": "y"}, nil}
		c := &object.Commit{}
		c.Tree, c.Meta = b.dir("")
		sum, err = tx.PutCommit(c)
		return err
	}))
	_, result := encapsulateTo(t, r, sum, encapsulate.Options{})
	if got := result.Layers[0].Name; got != "ostree export of commit "+sum.String() {
		t.Errorf("layer name %q", got)
	}
}
