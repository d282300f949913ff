package importer_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/format/object"
	importer "github.com/treenail/treenail/import"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
)

// entry is an entry of a derived layer, by what is usual: "dir/", "file=body",
// "link->target", "hard=>target", "fifo|".
func entry(spec string) (h tar.Header, body string) {
	h = tar.Header{Name: spec, Mode: 0o644, Typeflag: tar.TypeReg}
	switch {
	case strings.HasSuffix(spec, "/"):
		h.Typeflag, h.Mode = tar.TypeDir, 0o711
	case strings.HasSuffix(spec, "|"):
		h.Typeflag, h.Name = tar.TypeFifo, strings.TrimSuffix(spec, "|")
	case strings.Contains(spec, "->"):
		h.Typeflag = tar.TypeSymlink
		h.Name, h.Linkname, _ = strings.Cut(spec, "->")
	case strings.Contains(spec, "=>"):
		h.Typeflag = tar.TypeLink
		h.Name, h.Linkname, _ = strings.Cut(spec, "=>")
	default:
		h.Name, body, _ = strings.Cut(spec, "=")
		h.Size = int64(len(body))
	}
	return h, body
}

func fsLayer(t testing.TB, entries ...string) layer {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, spec := range entries {
		h, body := entry(spec)
		ok(t, w.WriteHeader(&h))
		_, err := w.Write([]byte(body))
		ok(t, err)
	}
	ok(t, w.Close())
	return layer{tar: out.Bytes()}
}

var somewhere = oci.Reference{Transport: oci.TransportRegistry, Name: "example.com/os:1"}

func pullInto(t testing.TB, r *ostreerepo.Repo, img *image) *importer.PullResult {
	t.Helper()
	result, err := importer.Pull(context.Background(), img.source(t), r, somewhere, importer.PullOptions{})
	ok(t, err)
	ostree(t, r.Path(), "fsck")
	return result
}

// files lists the paths of a commit, directories with their modes.
func files(t testing.TB, r *ostreerepo.Repo, c object.Checksum) []string {
	t.Helper()
	commit, err := r.Commit(c)
	ok(t, err)
	var list []string
	for e, err := range r.Walk(commit.Tree, commit.Meta) {
		ok(t, err)
		switch {
		case e.Path == "/":
		case e.Dir:
			m, err := r.DirMeta(e.Meta)
			ok(t, err)
			list = append(list, strings.TrimPrefix(e.Path, "/")+"/"+map[uint32]string{0o711: "", 0o755: "implied"}[m.Mode&0o7777])
		default:
			list = append(list, strings.TrimPrefix(e.Path, "/")+showContent(t, r, e.Checksum))
		}
	}
	slices.Sort(list)
	return list
}

func showContent(t testing.TB, r *ostreerepo.Repo, c object.Checksum) string {
	x := readContent(t, r, c)
	if x.header.IsSymlink() {
		return "->" + x.header.Target
	}
	return "=" + string(x.body)
}

func TestPullPlain(t *testing.T) {
	for _, c := range []struct {
		name   string
		layers [][]string
		want   []string
	}{
		{"one layer", [][]string{{"usr/", "usr/a=1", "etc/", "etc/b=2", "usr/l->a", "opt/", "opt/x=3"}},
			[]string{"opt/", "opt/x=3", "usr/", "usr/a=1", "usr/etc/", "usr/etc/b=2", "usr/l->a"}},
		{"no entries for directories", [][]string{{"./usr/lib/a=1"}},
			[]string{"usr/implied", "usr/lib/implied", "usr/lib/a=1"}},
		{"an implied directory changes nothing", [][]string{{"usr/", "usr/lib/"}, {"usr/lib/a=1"}},
			[]string{"usr/", "usr/lib/", "usr/lib/a=1"}},
		{"a file replaces", [][]string{{"usr/", "usr/a=1", "usr/b=2"}, {"usr/", "usr/a=3"}},
			[]string{"usr/", "usr/a=3", "usr/b=2"}},
		{"a file replaces a directory and the reverse", [][]string{{"usr/", "usr/a=1", "usr/d/", "usr/d/x=2"}, {"usr/", "usr/a/", "usr/a/y=3", "usr/d=4"}},
			[]string{"usr/", "usr/a/", "usr/a/y=3", "usr/d=4"}},
		{"whiteouts", [][]string{{"usr/", "usr/a=1", "usr/b=2", "usr/d/", "usr/d/x=3"}, {"usr/", "usr/.wh.a=", "usr/.wh.d=", "usr/.wh.nosuch="}},
			[]string{"usr/", "usr/b=2"}},
		{"a whiteout and a new file", [][]string{{"usr/", "usr/d/", "usr/d/x=1"}, {"usr/", "usr/d/", "usr/d/.wh..wh..opq=", "usr/d/y=2"}},
			[]string{"usr/", "usr/d/", "usr/d/y=2"}},
		{"a whiteout of etc", [][]string{{"usr/", "etc/", "etc/a=1"}, {".wh.etc="}},
			[]string{"usr/"}},
		{"a whiteout at the top", [][]string{{"usr/", "var/", "var/a=1"}, {".wh.var="}},
			[]string{"usr/"}},
		{"emptied directories", [][]string{{"run/", "run/a=1", "tmp/", "tmp/d/", "tmp/d/b=2", "dev/", "dev/null|", "usr/"}},
			[]string{"dev/", "run/", "tmp/", "usr/"}},
		{"duplicate entries", [][]string{{"usr/", "usr/a=1", "usr/a=2", "usr/b=1", "usr/b/", "usr/b/c=3"}},
			[]string{"usr/", "usr/a=2", "usr/b/", "usr/b/c=3"}},
		{"hard links", [][]string{{"usr/", "usr/a=1", "usr/b=>usr/a", "etc/", "etc/x=2", "etc/y=>etc/x"}},
			[]string{"usr/", "usr/a=1", "usr/b=1", "usr/etc/", "usr/etc/x=2", "usr/etc/y=2"}},
		{"hard links to lower layers", [][]string{{"usr/", "usr/a=1"}, {"usr/", "usr/b=2"}, {"usr/", "usr/c=>usr/a", "usr/d=>/usr/b"}},
			[]string{"usr/", "usr/a=1", "usr/b=2", "usr/c=1", "usr/d=2"}},
		{"empty injected files", [][]string{{"usr/", "etc/", "etc/hostname=", "etc/resolv.conf=x"}},
			[]string{"usr/", "usr/etc/", "usr/etc/resolv.conf=x"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			img := &image{plain: true}
			for _, entries := range c.layers {
				img.layers = append(img.layers, fsLayer(t, entries...))
			}
			r := newRepo(t, "bare-user")
			result := pullInto(t, r, img)
			slices.Sort(c.want)
			if diff := cmp.Diff(c.want, files(t, r, result.Commit)); diff != "" {
				t.Error(diff)
			}
			if result.Fetched != len(c.layers) || !result.Base.IsZero() {
				t.Errorf("%+v", result)
			}
		})
	}
}

func TestPullDerived(t *testing.T) {
	src := source(t, false)
	for _, mode := range []string{"archive", "bare", "bare-user", "bare-split-xattrs"} {
		t.Run(mode, func(t *testing.T) {
			linked := src.tree.contents[0]
			img := &image{commit: src.commit, final: 2, layers: append(src.tree.layers(t, 4),
				fsLayer(t, "usr/", "usr/new=1", "opt/", "opt/x=2", "run/", "run/lock=3", "usr/seen=>"+place(linked.sum, object.TypeFile)),
				fsLayer(t, "usr/bin/.wh.tool="),
			)}
			r := newRepo(t, mode)
			mem := img.source(t)
			result, err := importer.Pull(context.Background(), mem, r, somewhere, importer.PullOptions{})
			ok(t, err)
			if mode != "bare-split-xattrs" {
				ostree(t, r.Path(), "fsck")
			}
			if result.Base != src.commit || result.Fetched != 7 || layersOpened(mem) != 7 {
				t.Errorf("%+v", result)
			}
			if diff := cmp.Diff(map[string]int{"opt": 2, "lock": 1}, result.Filtered); diff != "" {
				t.Errorf("filtered: %s", diff)
			}
			list := files(t, r, result.Commit)
			if !slices.Contains(list, "usr/new=1") || slices.ContainsFunc(list, func(s string) bool { return strings.HasPrefix(s, "usr/bin/tool") }) {
				t.Errorf("the layers are not laid over the base: %q", list[:20])
			}
			if !slices.Contains(list, "usr/seen"+showContent(t, r, linked.sum)) {
				t.Error("the link to an object is not there")
			}
			if partial, err := r.Partial(src.commit); partial || err != nil {
				t.Errorf("the base is partial: %v, %v", partial, err)
			}
			again, err := importer.Pull(context.Background(), mem, r, somewhere, importer.PullOptions{})
			ok(t, err)
			if !again.Unchanged || again.Commit != result.Commit || layersOpened(mem) != 0 {
				t.Errorf("again: %+v", again)
			}
		})
	}
}

// What derived layers bring is labelled by the policy in the image.
func TestPullLabels(t *testing.T) {
	img := &image{plain: true, layers: []layer{
		fsLayer(t, "usr/", "usr/bin/", "etc/", "etc/selinux/", "etc/selinux/config=SELINUX=enforcing\nSELINUXTYPE=tiny\n", "etc/selinux/tiny/",
			"etc/selinux/tiny/contexts/", "etc/selinux/tiny/contexts/files/", "etc/selinux/tiny/policy/", "etc/selinux/tiny/policy/policy.33=x",
			"etc/selinux/tiny/contexts/files/file_contexts=/.* u:r:any_t:s0\n/etc(/.*)? u:r:etc_t:s0\n/usr/bin/.* -- u:r:bin_t:s0\n"),
		fsLayer(t, "usr/bin/tool=x", "etc/new=y"),
	}}
	r := newRepo(t, "bare-user")
	commit, err := r.Commit(pullInto(t, r, img).Commit)
	ok(t, err)
	for path, want := range map[string]string{"/usr/bin/tool": "u:r:bin_t:s0\x00", "/usr/etc/new": "u:r:etc_t:s0\x00"} {
		e, err := r.Lookup(commit.Tree, commit.Meta, path)
		ok(t, err)
		if got, _ := readContent(t, r, e.Checksum).header.Xattrs.Lookup("security.selinux"); string(got) != want {
			t.Errorf("%s: label %q, want %q", path, got, want)
		}
	}
}

// lateSource has one blob only when it is ready.
type lateSource struct {
	oci.Source
	late  oci.Digest
	ready func() bool
}

func (s lateSource) Blob(ctx context.Context, d oci.Descriptor) (io.ReadCloser, error) {
	for d.Digest == s.late && ctx.Err() == nil && !s.ready() {
		time.Sleep(time.Millisecond)
	}
	return s.Source.Blob(ctx, d)
}

// A pull that fails keeps the layers it has; the next one fetches the rest.
func TestPullResumes(t *testing.T) {
	src := source(t, false)
	layers := append(src.tree.layers(t, 4), fsLayer(t, "usr/", "usr/new=1"))
	whole := &image{commit: src.commit, final: 1, layers: layers}
	broken := &image{commit: src.commit, final: 1, layers: slices.Clone(layers)}
	broken.layers[4].blob = func(b []byte) []byte { return b[:len(b)/2] }
	broken.layers[4].descriptor = func(d *oci.Descriptor) {
		d.Digest, d.Size = digest(compress(t, layers[4].tar)), int64(len(compress(t, layers[4].tar)))
	}
	r := newRepo(t, "archive")
	late := lateSource{broken.source(t), digest(compress(t, layers[4].tar)), func() bool {
		done, err := filepath.Glob(r.Path() + "/refs/heads/ostree/container/blob/*")
		return err != nil || len(done) >= 3
	}}
	_, err := importer.Pull(context.Background(), late, r, somewhere, importer.PullOptions{})
	if digestErr := (*oci.DigestError)(nil); !errors.As(err, &digestErr) {
		t.Fatalf("a truncated layer: %v", err)
	}
	if images, _, err := importer.References(r); len(images) != 0 || err != nil {
		t.Errorf("images %v, %v", images, err)
	}
	if partial, err := r.Partial(src.commit); !partial || err != nil {
		t.Errorf("the base is not marked partial: %v", err)
	}
	mem := whole.source(t)
	result, err := importer.Pull(context.Background(), mem, r, somewhere, importer.PullOptions{})
	ok(t, err)
	if opened := layersOpened(mem); opened > 3 || result.Present < 3 || result.Base != src.commit {
		t.Errorf("%d layers fetched again: %+v", opened, result)
	}
	ostree(t, r.Path(), "fsck")
}

func TestPullSpecial(t *testing.T) {
	img := &image{plain: true, layers: []layer{fsLayer(t, "usr/", "usr/fifo|", "usr/a=1")}}
	r := newRepo(t, "archive")
	_, err := importer.Pull(context.Background(), img.source(t), r, somewhere, importer.PullOptions{})
	if err == nil || !strings.Contains(err.Error(), `layer 0 (`) || !strings.Contains(err.Error(), `"usr/fifo"`) {
		t.Errorf("a fifo: %v", err)
	}
	result, err := importer.Pull(context.Background(), img.source(t), r, somewhere, importer.PullOptions{DropSpecial: true})
	ok(t, err)
	if diff := cmp.Diff([]string{"usr/fifo"}, result.Special); diff != "" {
		t.Error(diff)
	}
}

func TestPullHostile(t *testing.T) {
	for _, c := range []struct{ name, entry, err string }{
		{"leaves the root", "usr/../../evil=1", "uplink '..'"},
		{"link out of the root", "usr/x=>../../etc/shadow", "uplink '..'"},
		{"link to nothing", "usr/x=>usr/nosuch", "nosuch"},
		{"link to an object that is not there", "usr/x=>" + place(object.Checksum{1}, object.TypeFile), "No such file"},
		{"name that is not UTF-8", "usr/\xff=1", "UTF-8"},
	} {
		t.Run(c.name, func(t *testing.T) {
			img := &image{plain: true, layers: []layer{fsLayer(t, "usr/", c.entry)}}
			r := newRepo(t, "archive")
			before := listing(t, r)
			_, err := importer.Pull(context.Background(), img.source(t), r, somewhere, importer.PullOptions{})
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			unchanged(t, r, before)
		})
	}
}

func TestStore(t *testing.T) {
	r := newRepo(t, "archive")
	shared := fsLayer(t, "usr/", "usr/a=1")
	other := oci.Reference{Transport: "oci", Name: "/x y:z"}
	for ref, l := range map[oci.Reference]layer{somewhere: fsLayer(t, "usr/b=2"), other: fsLayer(t, "usr/c=3")} {
		img := &image{plain: true, layers: []layer{shared, l}}
		_, err := importer.Pull(context.Background(), img.source(t), r, ref, importer.PullOptions{})
		ok(t, err)
	}
	images, _, err := importer.References(r)
	ok(t, err)
	if diff := cmp.Diff([]oci.Reference{somewhere, other}, images); diff != "" {
		t.Error(diff)
	}
	s, err := importer.Find(r, somewhere)
	ok(t, err)
	if len(s.Manifest.Layers) != 2 || len(s.History()) != 2 || s.Config.Architecture != "amd64" {
		t.Errorf("%+v", s)
	}
	missing := oci.Reference{Transport: "oci", Name: "nosuch"}
	if err := importer.Remove(context.Background(), r, []oci.Reference{other, missing}); err == nil || err.Error() != "Missing images: oci:nosuch" {
		t.Errorf("remove: %v", err)
	}
	ok(t, importer.Remove(context.Background(), r, []oci.Reference{other}))
	n, broken, err := importer.PruneLayers(context.Background(), r)
	if n != 1 || len(broken) != 0 || err != nil {
		t.Errorf("prune: %d, %v, %v", n, broken, err)
	}
}
