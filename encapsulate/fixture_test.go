package encapsulate_test

import (
	"archive/tar"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/treenail/treenail/encapsulate"
	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/ostreetar"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/oci/layout"
	"github.com/treenail/treenail/ostreerepo"
)

// tree describes a tree: a path that ends in "/" is a directory, "-> x" as the
// content of another makes it a symlink.
type tree map[string]string

// xattrs of single paths of a tree.
type xattrs map[string]object.Xattrs

func component(name string) object.Xattrs {
	return object.Xattrs{{Name: "user.component", Value: []byte(name)}}
}

// builder puts a tree into a repository.
type builder struct {
	t      testing.TB
	tx     *ostreerepo.Tx
	tree   tree
	xattrs xattrs
}

// below lists the names in a directory; those of directories end in "/".
func (b *builder) below(dir string) []string {
	names := make(map[string]bool)
	for path := range b.tree {
		if rest, ok := strings.CutPrefix(path, dir); ok && rest != "" {
			if i := strings.IndexByte(rest, '/'); i >= 0 {
				rest = rest[:i+1]
			}
			names[rest] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func (b *builder) dir(dir string) (treeSum, metaSum object.Checksum) {
	var d object.DirTree
	for _, name := range b.below(dir) {
		if sub, ok := strings.CutSuffix(name, "/"); ok {
			e := object.DirEntry{Name: sub}
			e.Tree, e.Meta = b.dir(dir + name)
			d.Dirs = append(d.Dirs, e)
		} else {
			d.Files = append(d.Files, object.FileEntry{Name: name, Checksum: b.file(dir + name)})
		}
	}
	meta := object.DirMeta{Mode: 0o40755, Xattrs: b.xattrs[dir]}
	return b.metadata(object.TypeDirTree, d.Encode()), b.metadata(object.TypeDirMeta, meta.Encode())
}

func (b *builder) metadata(typ object.Type, data []byte) object.Checksum {
	c, err := b.tx.PutMetadata(typ, data)
	ok(b.t, err)
	return c
}

func (b *builder) file(path string) object.Checksum {
	body := b.tree[path]
	h := object.FileHeader{Mode: 0o100644, Xattrs: b.xattrs[path]}
	if target, isLink := strings.CutPrefix(body, "-> "); isLink {
		h.Mode, h.Target, body = 0o120777, target, ""
	}
	c, err := b.tx.PutFile(h, int64(len(body)), strings.NewReader(body))
	ok(b.t, err)
	return c
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// commitTree commits a tree at a fixed time.
func commitTree(t testing.TB, r *ostreerepo.Repo, files tree, x xattrs, metadata ...gvariant.Entry) (sum object.Checksum) {
	t.Helper()
	ok(t, r.Update(context.Background(), ostreerepo.UpdateOptions{DisableFsync: true}, func(tx *ostreerepo.Tx) (err error) {
		b := &builder{t, tx, files, x}
		c := &object.Commit{Metadata: gvariant.NewVardict(metadata...), Subject: "a subject", Timestamp: 1700000000}
		c.Tree, c.Meta = b.dir("")
		sum, err = tx.PutCommit(c)
		return err
	}))
	return sum
}

// encapsulateTo writes an image into a new layout and returns its directory.
func encapsulateTo(t testing.TB, r *ostreerepo.Repo, sum object.Checksum, o encapsulate.Options) (string, *encapsulate.Result) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "image")
	sink, err := layout.OpenSink(dir, "latest")
	ok(t, err)
	defer sink.Close()
	result, err := encapsulate.Encapsulate(context.Background(), r, sum, sink, o)
	ok(t, err)
	return dir, result
}

func readImage(t testing.TB, dir string) (oci.Source, *oci.Image) {
	t.Helper()
	src, err := layout.OpenSource(dir, "latest")
	ok(t, err)
	t.Cleanup(func() { src.Close() })
	image, err := oci.ReadImage(context.Background(), src, oci.Platform{})
	ok(t, err)
	return src, image
}

// openLayer opens the tar of layer i, which verifies itself.
func openLayer(t testing.TB, src oci.Source, image *oci.Image, i int) io.ReadCloser {
	t.Helper()
	r, err := oci.OpenLayer(context.Background(), src, image.Manifest.Layers[i], image.Config.RootFS.DiffIDs[i])
	ok(t, err)
	return r
}

// objects reads the objects of all layers and checks every checksum.
func objects(t testing.TB, dir string) map[object.Name]string {
	t.Helper()
	found := make(map[object.Name]string)
	src, image := readImage(t, dir)
	for i := range image.Manifest.Layers {
		r := openLayer(t, src, image, i)
		for reader := ostreetar.NewReader(r); ; {
			item, err := reader.Next()
			if err == io.EOF {
				break
			}
			ok(t, err)
			if _, dup := found[item.Name]; dup {
				t.Errorf("layer %d: object %s is in two layers", i, item.Name)
			}
			found[item.Name] = checkItem(t, item)
		}
		r.Close()
	}
	return found
}

func checkItem(t testing.TB, item ostreetar.Item) string {
	t.Helper()
	data, actual := string(item.Data), object.Sum(item.Data)
	if item.Name.Type == object.TypeFile {
		var body []byte
		if item.Body != nil {
			var err error
			body, err = io.ReadAll(item.Body)
			ok(t, err)
		}
		data, actual = string(body), item.Header.Checksum(body)
	}
	if item.Name.Type != object.TypeCommitMeta && actual != item.Name.Checksum {
		t.Errorf("object %s has checksum %s", item.Name, actual)
	}
	return data
}

// checkComplete: the objects are the commit's, all of them and no others.
func checkComplete(t testing.TB, r *ostreerepo.Repo, sum object.Checksum, found map[object.Name]string) {
	t.Helper()
	c, err := r.Commit(sum)
	ok(t, err)
	want := map[object.Name]bool{{Checksum: sum, Type: object.TypeCommit}: true}
	for e, err := range r.Walk(c.Tree, c.Meta) {
		ok(t, err)
		if e.Dir {
			want[object.Name{Checksum: e.Checksum, Type: object.TypeDirTree}] = true
			want[object.Name{Checksum: e.Meta, Type: object.TypeDirMeta}] = true
		} else {
			want[object.Name{Checksum: e.Checksum, Type: object.TypeFile}] = true
		}
	}
	for name := range want {
		if _, ok := found[name]; !ok {
			t.Errorf("object %s is missing", name)
		}
	}
	for name := range found {
		if !want[name] && name.Type != object.TypeCommitMeta {
			t.Errorf("object %s is not the commit's", name)
		}
	}
}

// entries lists a layer outside the repository's structure, one line per entry.
func entries(t testing.TB, dir string, i int) (list []string) {
	t.Helper()
	src, image := readImage(t, dir)
	layer := openLayer(t, src, image, i)
	defer layer.Close()
	for r := tar.NewReader(layer); ; {
		h, err := r.Next()
		if err == io.EOF {
			return list
		}
		ok(t, err)
		name := h.Name
		if rest, isObject := strings.CutPrefix(name, "sysroot/ostree/repo/objects/"); isObject && h.Typeflag != tar.TypeDir {
			name = "object" + filepath.Ext(rest)
		} else if strings.HasPrefix(name, "sysroot") && (i > 0 || h.Typeflag != tar.TypeReg) {
			continue // the structure
		}
		list = append(list, fmt.Sprintf("%c %04o %s", h.Typeflag, h.Mode, name))
	}
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	ok(t, os.MkdirAll(filepath.Dir(path), 0o755))
	ok(t, os.WriteFile(path, []byte(text), 0o644))
}
