package importer_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/ostreetar"
	importer "github.com/treenail/treenail/import"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
	"golang.org/x/sys/unix"
)

func newRepo(t testing.TB, mode string) *ostreerepo.Repo {
	t.Helper()
	m, err := ostreerepo.ParseMode(mode)
	ok(t, err)
	path := filepath.Join(t.TempDir(), "repo")
	ok(t, ostreerepo.Create(path, m, ostreerepo.CreateOptions{}))
	r := open(t, path)
	config := r.Config()
	config.Set("core", "fsync", "false") // no test here looks at what a crash leaves
	ok(t, r.WriteConfig(config))
	return open(t, path)
}

func open(t testing.TB, path string) *ostreerepo.Repo {
	t.Helper()
	r, err := ostreerepo.Open(path)
	ok(t, err)
	t.Cleanup(func() { r.Close() })
	return r
}

// ostree runs the real program on a repository.
func ostree(t testing.TB, repo string, args ...string) string {
	t.Helper()
	var stderr strings.Builder
	cmd := exec.Command("ostree", append([]string{"--repo=" + repo}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ostree (Debian package ostree) %s: %v\n%s%s", strings.Join(args, " "), err, out, &stderr)
	}
	return strings.TrimSpace(string(out))
}

// makeTree writes a small operating system of hard cases.
func makeTree(t testing.TB, dir string) {
	t.Helper()
	random := make([]byte, 3<<20+17)
	rand.New(rand.NewSource(1)).Read(random)
	files := map[string]string{
		"usr/bin/tool":                 "#!/bin/sh\n",
		"usr/bin/same":                 "#!/bin/sh\n",
		"usr/lib/empty":                "",
		"usr/lib/large":                string(random),
		"usr/lib/exactly":              string(random[:1<<20]),
		"usr/lib/zeros":                strings.Repeat("\x00", 2<<20),
		"usr/etc/hosts":                "127.0.0.1 localhost\n",
		"usr/share/grüße \n":           "odd name",
		strings.Repeat("d/", 60) + "f": "deep",
	}
	for i := range 300 {
		files[fmt.Sprintf("usr/share/many/%03d", i)] = fmt.Sprint("file ", i)
	}
	for name, body := range files {
		path := filepath.Join(dir, name)
		ok(t, os.MkdirAll(filepath.Dir(path), 0o755))
		ok(t, os.WriteFile(path, []byte(body), 0o644))
	}
	ok(t, os.Symlink("../bin/tool", filepath.Join(dir, "usr/lib/link")))
	ok(t, os.Symlink(strings.Repeat("x/./", 200), filepath.Join(dir, "usr/lib/farther")))
	ok(t, os.Link(filepath.Join(dir, "usr/etc/hosts"), filepath.Join(dir, "usr/etc/hosts.link")))
	ok(t, os.Mkdir(filepath.Join(dir, "var"), 0o755))
}

// roughen adds what a bare-user-only repository can't hold.
func roughen(t testing.TB, dir string) {
	t.Helper()
	ok(t, unix.Setxattr(filepath.Join(dir, "usr/bin/tool"), "user.component", []byte("tools"), 0))
	ok(t, unix.Setxattr(filepath.Join(dir, "usr/lib"), "user.dir", []byte{0, 255}, 0))
	ok(t, os.Chmod(filepath.Join(dir, "usr/bin/same"), 0o4755|os.ModeSetuid))
	ok(t, os.Chmod(filepath.Join(dir, "usr/share/many/007"), 0))
	ok(t, os.Chmod(filepath.Join(dir, "var"), 0o1777|os.ModeSticky))
}

// origin is a commit made by the real program, which the tests share.
type origin struct {
	once   sync.Once
	path   string // of an archive repository
	commit object.Checksum
	tree   *tree
}

var origins [2]origin // of hard cases, and of what every mode can hold

func TestMain(m *testing.M) {
	code := m.Run()
	for i := range origins {
		os.RemoveAll(origins[i].path)
	}
	os.Exit(code)
}

func source(t testing.TB, canonical bool) *origin {
	t.Helper()
	o := &origins[0]
	if canonical {
		o = &origins[1]
	}
	o.once.Do(func() { o.make(t, canonical) })
	if o.tree == nil {
		t.Fatal("another test could not make the commit")
	}
	return o
}

func (o *origin) make(t testing.TB, canonical bool) {
	t.Helper()
	dir := t.TempDir()
	var err error
	o.path, err = os.MkdirTemp("", "origin")
	ok(t, err)
	makeTree(t, dir)
	commit := []string{"commit", "--fsync=false", "--branch=os/test", "--subject=a test", "--timestamp=@1700000000", "--add-metadata-string=version=1.2", "--tree=dir=" + dir}
	if canonical {
		commit = append(commit, "--canonical-permissions", "--no-xattrs")
	} else {
		roughen(t, dir)
	}
	ostree(t, o.path, "init", "--mode=archive")
	o.commit, err = object.ParseChecksum(ostree(t, o.path, commit...))
	ok(t, err)
	r, err := ostreerepo.Open(o.path)
	ok(t, err)
	defer r.Close()
	o.tree = takeApart(t, r, o.commit)
}

func detached(value string) gvariant.Value {
	return gvariant.NewVardict(gvariant.Entry{Key: "signed", Value: gvariant.NewString(value)})
}

// attached is the string of detached, or "".
func attached(t testing.TB, r *ostreerepo.Repo, c object.Checksum) string {
	t.Helper()
	v, found, err := r.DetachedMetadata(c)
	ok(t, err)
	if !found {
		return ""
	}
	value, _ := v.Lookup("signed")
	return value.Str()
}

// same fails the test unless dst has the commit as the origin has it, by the word of
// the real program.
func same(t testing.TB, dst *ostreerepo.Repo, src *origin, ref string) {
	t.Helper()
	c := src.commit
	ostree(t, dst.Path(), "fsck")
	if got := ostree(t, dst.Path(), "rev-parse", ref); got != c.String() {
		t.Errorf("ref %s is %s, want %s", ref, got, c)
	}
	list := []string{"ls", "-R", "-C", "-X", c.String()}
	if ostree(t, dst.Path(), list...) != ostree(t, src.path, list...) {
		t.Errorf("listings differ")
	}
	if partial, err := dst.Partial(c); partial || err != nil {
		t.Errorf("partial: %v, %v", partial, err)
	}
}

func TestImport(t *testing.T) {
	for _, mode := range []string{"archive", "bare", "bare-user", "bare-user-only", "bare-split-xattrs"} {
		src := source(t, mode == "bare-user-only")
		c, x := src.commit, src.tree.signed("once")
		for _, chunks := range []int{0, 7} {
			t.Run(fmt.Sprintf("%s/%d", mode, chunks), func(t *testing.T) {
				img := image{layers: x.layers(t, chunks), commit: c}
				mem, dst := img.source(t), newRepo(t, mode)
				var done, total int64
				res, err := importer.Import(context.Background(), mem, dst, importer.Options{
					Ref: "origin:os/test",
					Progress: func(d, n int64) {
						if d < done || d > n {
							t.Errorf("progress goes from %d to %d of %d", done, d, n)
						}
						done, total = d, n
					},
				})
				ok(t, err)
				if res.Commit != c || res.Digest != digest(mem.manifest) || res.Layers != chunks+1 || res.Stats.MetadataWritten == 0 {
					t.Errorf("result %+v", res)
				}
				if done != total || done == 0 {
					t.Errorf("progress ends at %d of %d", done, total)
				}
				same(t, dst, src, "origin:os/test")
				if attached(t, dst, c) != "once" {
					t.Error("detached metadata is missing")
				}
			})
		}
	}
}

// Layers may be stored plain or as several gzip members, and an object may be in
// several of them.
func TestImportForms(t *testing.T) {
	src := source(t, false)
	x, half := src.tree, len(src.tree.contents)/2
	layers := append(x.layers(t, 1)[:1],
		layer{tar: x.layer(t, func(w *ostreetar.Writer) { writeContents(t, w, x.contents[:half+10]) })},
		layer{tar: x.layer(t, func(w *ostreetar.Writer) { writeContents(t, w, x.contents[half-10:]) })})
	layers[0].mediaType = oci.MediaTypeLayer
	layers[1].mediaType, layers[1].blob = oci.MediaTypeDockerLayerGzip, func(tar []byte) []byte {
		return append(compress(t, tar[:1000]), compress(t, tar[1000:])...)
	}
	img := image{layers: layers, commit: src.commit}
	dst := newRepo(t, "bare-user")
	_, err := importer.Import(context.Background(), img.source(t), dst, importer.Options{Ref: "os/test"})
	ok(t, err)
	same(t, dst, src, "os/test")
}

// oldLayer writes content objects as former versions of ostree-ext did: xattrs
// are files that objects share by hard links.
func oldLayer(t testing.TB, version int, list []content) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	entry := func(h tar.Header, body []byte) {
		h.Size = int64(len(body))
		if h.Typeflag != tar.TypeReg {
			h.Size = 0
		}
		ok(t, w.WriteHeader(&h))
		_, err := w.Write(body)
		ok(t, err)
	}
	for _, c := range list {
		set := c.header.Xattrs.Encode()
		shared, link, file := place(object.Sum(set), object.TypeFileXattrs), place(c.sum, object.TypeFileXattrsLink), place(c.sum, object.TypeFile)
		h := tar.Header{Typeflag: tar.TypeReg, Name: file, Mode: int64(c.header.Mode & 0o7777), Uid: int(c.header.UID), Gid: int(c.header.GID)}
		if version == 0 {
			shared, link = "./sysroot/ostree/repo/xattrs/"+object.Sum(set).String(), "./"+file+".xattrs"
			h.Name, h.Mode = "./"+file, int64(c.header.Mode)
		}
		if c.header.IsSymlink() {
			h.Typeflag, h.Linkname = tar.TypeSymlink, c.header.Target
		}
		entry(tar.Header{Typeflag: tar.TypeReg, Name: shared}, set)
		entry(tar.Header{Typeflag: tar.TypeLink, Name: link, Linkname: shared}, nil)
		entry(h, c.body)
	}
	ok(t, w.Close())
	return out.Bytes()
}

func TestImportOldXattrs(t *testing.T) {
	src := source(t, false)
	for version := range 2 {
		layers := append(src.tree.layers(t, 1)[:1], layer{tar: oldLayer(t, version, src.tree.contents)})
		img := image{layers: layers, commit: src.commit}
		dst := newRepo(t, "archive")
		_, err := importer.Import(context.Background(), img.source(t), dst, importer.Options{Ref: "os/test"})
		if err != nil {
			t.Fatalf("version %d: %v", version, err)
		}
		same(t, dst, src, "os/test")
	}
}

// The label with the commit's name may be missing.
func TestImportNoCommitLabel(t *testing.T) {
	src := source(t, false)
	c := src.commit
	layers := src.tree.layers(t, 0)
	img := image{plain: true, layers: layers, labels: map[string]string{"ostree.final-diffid": sum(layers[0].tar)}}
	dst := newRepo(t, "archive")
	for range 2 { // without the label there is no short cut
		res, err := importer.Import(context.Background(), img.source(t), dst, importer.Options{Ref: "os/test"})
		ok(t, err)
		if res.Commit != c || res.Layers != 1 {
			t.Errorf("commit %s from %d layers", res.Commit, res.Layers)
		}
	}
	same(t, dst, src, "os/test")
}

// layersOpened counts the layers that were opened since the last call.
func layersOpened(m *memory) int {
	n := len(m.opened) - 1 // without the config
	clear(m.opened)
	return n
}

func TestImportTwice(t *testing.T) {
	src := source(t, false)
	c := src.commit
	img := image{layers: src.tree.layers(t, 3), commit: c}
	mem, dst := img.source(t), newRepo(t, "archive")
	steps := []struct {
		name           string
		opened, layers int
		before         func()
		detached       string
	}{
		{name: "all is new", opened: 4, layers: 4},
		{name: "signatures are looked for, there are none", opened: 1},
		{name: "repository has signatures", before: func() {
			ok(t, dst.Update(context.Background(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
				return tx.PutDetached(c, detached("here"))
			}))
		}, detached: "here"},
		{name: "both have signatures", before: func() {
			img.layers = src.tree.signed("there").layers(t, 3)
			mem = img.source(t)
		}, detached: "here"},
		{name: "image has signatures", before: func() {
			ok(t, os.Remove(filepath.Join(dst.Path(), "objects", object.Name{Checksum: c, Type: object.TypeCommitMeta}.LoosePath(true))))
		}, opened: 1, layers: 1, detached: "there"},
		{name: "commit is marked partial", before: func() {
			ok(t, os.WriteFile(filepath.Join(dst.Path(), "state", c.String()+".commitpartial"), nil, 0o644))
		}, opened: 4, layers: 4, detached: "there"},
		{name: "an object is missing", before: func() {
			ok(t, os.Remove(filepath.Join(dst.Path(), "objects", object.Name{Checksum: src.tree.contents[0].sum, Type: object.TypeFile}.LoosePath(true))))
		}, opened: 4, layers: 4, detached: "there"},
	}
	for i, step := range steps {
		if step.before != nil {
			step.before()
		}
		ref := fmt.Sprint("step/", i)
		res, err := importer.Import(context.Background(), mem, dst, importer.Options{Ref: ref})
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if opened := layersOpened(mem); opened != step.opened || res.Layers != step.layers || res.Commit != c {
			t.Errorf("%s: %d layers opened and %d read, want %d and %d", step.name, opened, res.Layers, step.opened, step.layers)
		}
		if got := attached(t, dst, c); got != step.detached {
			t.Errorf("%s: detached metadata %q, want %q", step.name, got, step.detached)
		}
		same(t, dst, src, ref)
	}
}

// What is missing in the image may be in the repository.
func TestImportOntoObjects(t *testing.T) {
	src := source(t, false)
	c := src.commit
	layers := src.tree.layers(t, 3)
	first, second := image{layers: layers, commit: c}, image{layers: layers[:2], commit: c}
	dst := newRepo(t, "bare-user")
	_, err := importer.Import(context.Background(), first.source(t), dst, importer.Options{})
	ok(t, err)
	ok(t, os.Remove(filepath.Join(dst.Path(), "objects", object.Name{Checksum: c, Type: object.TypeCommit}.LoosePath(false))))
	res, err := importer.Import(context.Background(), second.source(t), dst, importer.Options{Ref: "os/test"})
	ok(t, err)
	if res.Stats.ContentWritten != 0 || res.Stats.MetadataWritten != 1 {
		t.Errorf("written again: %+v", res.Stats)
	}
	same(t, dst, src, "os/test")
}

func TestImportBadRef(t *testing.T) {
	mem := newMemory() // is not even looked at
	if _, err := importer.Import(context.Background(), mem, newRepo(t, "archive"), importer.Options{Ref: "../x"}); err == nil || !strings.Contains(err.Error(), "../x") {
		t.Errorf("ref ../x: %v", err)
	}
}

func TestImportCancelled(t *testing.T) {
	src := source(t, false)
	c := src.commit
	img := image{layers: src.tree.layers(t, 5), commit: c}
	dst := newRepo(t, "archive")
	before := listing(t, dst)
	ctx, cancel := context.WithCancel(context.Background())
	_, err := importer.Import(ctx, img.source(t), dst, importer.Options{Progress: func(_, _ int64) { cancel() }})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	unchanged(t, dst, before)
	if _, err := importer.Import(ctx, img.source(t), dst, importer.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: error %v", err)
	}
}
