package importer_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/ostreetar"
	importer "github.com/treenail/treenail/import"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
)

// listing describes everything in the directory of a repository but its tmp, so
// that a file beside the repository shows too.
func listing(t testing.TB, r *ostreerepo.Repo) []string {
	t.Helper()
	ok(t, r.Update(context.Background(), ostreerepo.UpdateOptions{}, func(*ostreerepo.Tx) error { return nil })) // makes the lock file
	var out []string
	ok(t, filepath.WalkDir(filepath.Dir(r.Path()), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if path == filepath.Join(r.Path(), "tmp") {
			return fs.SkipDir
		}
		info, err := d.Info()
		ok(t, err)
		line := fmt.Sprintf("%s %s", path, info.Mode())
		if info.Mode().IsRegular() {
			data, err := os.ReadFile(path)
			ok(t, err)
			line += fmt.Sprintf(" %x", sha256.Sum256(data))
		}
		out = append(out, line)
		return nil
	}))
	return out
}

func unchanged(t testing.TB, r *ostreerepo.Repo, before []string) {
	t.Helper()
	if diff := cmp.Diff(before, listing(t, r)); diff != "" {
		t.Errorf("repository changed:\n%s", diff)
	}
	entries, err := os.ReadDir(filepath.Join(r.Path(), "tmp"))
	ok(t, err)
	for _, e := range entries {
		if e.Name() != "cache" {
			t.Errorf("left in tmp: %s", e.Name())
		}
	}
}

// small is a tree in memory, of one directory with two files.
func small() *tree {
	files := []content{
		{header: object.FileHeader{Mode: 0o100644}, body: []byte("some content\n")},
		{header: object.FileHeader{Mode: 0o120777, Target: "one"}},
	}
	dir := &object.DirTree{}
	for i := range files {
		files[i].sum = files[i].header.Checksum(files[i].body)
		dir.Files = append(dir.Files, object.FileEntry{Name: fmt.Sprint(i), Checksum: files[i].sum})
	}
	meta := object.DirMeta{Mode: 0o040755}.Encode()
	commit := object.Commit{Subject: "small", Tree: object.Sum(dir.Encode()), Meta: object.Sum(meta)}
	x := &tree{commit: object.Sum(commit.Encode()), data: map[object.Name][]byte{}, contents: files}
	x.set(object.TypeCommit, commit.Encode())
	x.set(object.TypeDirMeta, meta)
	x.set(object.TypeDirTree, dir.Encode())
	return x
}

func (x *tree) set(typ object.Type, data []byte) {
	n := object.Name{Checksum: object.Sum(data), Type: typ}
	x.metadata = append(x.metadata, n)
	x.data[n] = data
}

// place is where the object lies in a layer.
func place(c object.Checksum, typ object.Type) string {
	return ostreetar.ObjectPath(object.Name{Checksum: c, Type: typ})
}

// prefixed puts entries of archive/tar before what a layer has.
func prefixed(t testing.TB, l layer, entries ...tar.Header) layer {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, h := range entries {
		body := h.Uname // where the tables below keep it
		h.Uname, h.Size = "", int64(len(body))
		ok(t, w.WriteHeader(&h))
		_, err := w.Write([]byte(body))
		ok(t, err)
	}
	ok(t, w.Flush())
	l.tar = append(out.Bytes(), l.tar...)
	return l
}

// header is the raw header of an entry, whose fields need not make sense.
func header(name string, typ byte, size uint64) []byte {
	h := make([]byte, 512)
	copy(h, name)
	copy(h[100:], "0000644\x000000000\x000000000\x00")
	h[124] = 0x80
	binary.BigEndian.PutUint64(h[128:], size)
	copy(h[136:], "00000000000\x00        ")
	h[156] = typ
	copy(h[257:], "ustar  \x00")
	sum := 0
	for _, b := range h {
		sum += int(b)
	}
	copy(h[148:], fmt.Sprintf("%07o\x00", sum))
	return h
}

func raw(l layer, data []byte) layer {
	l.tar = append(data, l.tar...)
	return l
}

// replaced changes bytes of the tar that stand there once.
func replaced(t testing.TB, l layer, from, to string) layer {
	t.Helper()
	if bytes.Count(l.tar, []byte(from)) != 1 || len(from) != len(to) {
		t.Fatalf("%q is not once in the layer, or differs in length from %q", from, to)
	}
	l.tar = bytes.Replace(l.tar, []byte(from), []byte(to), 1)
	return l
}

// inFirst returns the layers with another first one.
func inFirst(x *tree, t testing.TB, change func(layer) layer) *image {
	layers := x.layers(t, 1)
	layers[0] = change(layers[0])
	return &image{layers: layers, commit: x.commit}
}

// inChunk returns the layers with another chunk.
func inChunk(x *tree, t testing.TB, change func(layer) layer) *image {
	layers := x.layers(t, 1)
	layers[1] = change(layers[1])
	return &image{layers: layers, commit: x.commit}
}

// without drops metadata objects of a type from a small tree.
func without(typ object.Type) *tree {
	x := small()
	x.metadata = slices.DeleteFunc(x.metadata, func(n object.Name) bool { return n.Type == typ })
	return x
}

var hostile = []struct {
	name string
	make func(testing.TB) *image
	err  string
}{
	{"path with ..", func(t testing.TB) *image {
		return inChunk(small(), t, func(l layer) layer {
			return prefixed(t, l, tar.Header{Typeflag: tar.TypeReg, Name: "usr/../../evil", Uname: "x"})
		})
	}, `layer 1 (sha256:`},
	{"object path with ..", func(t testing.TB) *image {
		return inChunk(small(), t, func(l layer) layer {
			return prefixed(t, l, tar.Header{Typeflag: tar.TypeReg, Name: "sysroot/ostree/repo/objects/../../../../evil", Uname: "x"})
		})
	}, `has a ".." component`},
	{"absolute path", func(t testing.TB) *image {
		return inFirst(small(), t, func(l layer) layer {
			return prefixed(t, l, tar.Header{Typeflag: tar.TypeReg, Name: "/etc/evil", Uname: "x"})
		})
	}, `absolute path`},
	{"device node", func(t testing.TB) *image {
		return inChunk(small(), t, func(l layer) layer {
			return prefixed(t, l, tar.Header{Typeflag: tar.TypeChar, Name: "dev/mem", Devmajor: 1, Devminor: 1})
		})
	}, `entry 1 "dev/mem": unsupported entry type '3'`},
	{"fifo as object", func(t testing.TB) *image {
		return inChunk(small(), t, func(l layer) layer {
			return prefixed(t, l, tar.Header{Typeflag: tar.TypeFifo, Name: place(object.Checksum{1}, object.TypeFile)})
		})
	}, `unsupported entry type '6'`},
	{"hard link as object", func(t testing.TB) *image {
		return inChunk(small(), t, func(l layer) layer {
			return prefixed(t, l,
				tar.Header{Typeflag: tar.TypeReg, Name: place(object.Checksum{1}, object.TypeFileXattrsLink)},
				tar.Header{Typeflag: tar.TypeLink, Name: place(object.Checksum{1}, object.TypeFile), Linkname: "/etc/shadow"})
		})
	}, `neither a regular file nor a symlink`},
	{"name of 4 GiB", func(t testing.TB) *image {
		return inChunk(small(), t, func(l layer) layer { return raw(l, header("././@LongLink", 'L', 4<<30)) })
	}, `layer 1 (sha256:`},
	{"body of 8 EiB", func(t testing.TB) *image {
		return inChunk(small(), t, func(l layer) layer {
			l = prefixed(t, layer{}, tar.Header{Typeflag: tar.TypeReg, Name: place(object.Checksum{1}, object.TypeFileXattrsLink)})
			l.tar = append(l.tar, header(place(object.Checksum{1}, object.TypeFile), '0', 1<<62)...)
			return l
		})
	}, place(object.Checksum{1}, object.TypeFile)[len("sysroot/ostree/repo/objects/00/"):][:40]},
	{"commit of 4 GiB", func(t testing.TB) *image {
		return inFirst(small(), t, func(l layer) layer {
			return raw(l, header(place(object.Checksum{1}, object.TypeCommit), '0', 4<<30))
		})
	}, `object of 4294967296 bytes exceeds`},
	{"xattrs of 2 MiB", func(t testing.TB) *image {
		return inChunk(small(), t, func(l layer) layer {
			return prefixed(t, l, tar.Header{Typeflag: tar.TypeReg, Name: place(object.Checksum{1}, object.TypeFileXattrsLink), Uname: strings.Repeat("x", 2<<20)})
		})
	}, `bytes exceeds`},
	{"PAX records of 1 GiB", func(t testing.TB) *image {
		return inChunk(small(), t, func(l layer) layer { return raw(l, header("pax", 'x', 1<<30)) })
	}, `layer 1 (sha256:`},
	{"xattrs not in normal form", func(t testing.TB) *image {
		return inChunk(small(), t, func(l layer) layer {
			return prefixed(t, l, tar.Header{Typeflag: tar.TypeReg, Name: place(object.Checksum{1}, object.TypeFileXattrsLink), Uname: "\xff\xff"})
		})
	}, `xattrs: `},
	{"truncated gzip, by the source", func(t testing.TB) *image {
		return inChunk(small(), t, func(l layer) layer {
			var whole []byte
			l.blob = func(b []byte) []byte { whole = b; return b[:len(b)/2] }
			l.descriptor = func(d *oci.Descriptor) { d.Digest, d.Size = digest(whole), int64(len(whole)) }
			return l
		})
	}, `size`},
	{"truncated gzip, by the writer", func(t testing.TB) *image {
		return inChunk(small(), t, func(l layer) layer {
			l.blob = func(b []byte) []byte { return b[:len(b)/2] }
			return l
		})
	}, `unexpected EOF`},
	{"not gzip", func(t testing.TB) *image {
		return inChunk(small(), t, func(l layer) layer {
			l.blob = func([]byte) []byte { return []byte("hello, this is no gzip stream at all") }
			return l
		})
	}, `gzip: invalid header`},
	{"wrong digest", func(t testing.TB) *image {
		return inChunk(small(), t, func(l layer) layer {
			l.descriptor = func(d *oci.Descriptor) { d.Digest = digest([]byte("other")) }
			return l
		})
	}, `digest`},
	{"wrong digest of the commit layer", func(t testing.TB) *image {
		return inFirst(small(), t, func(l layer) layer {
			l.descriptor = func(d *oci.Descriptor) { d.Digest = digest([]byte("other")) }
			return l
		})
	}, `digest`},
	{"longer than promised", func(t testing.TB) *image {
		return inChunk(small(), t, func(l layer) layer {
			l.descriptor = func(d *oci.Descriptor) { d.Size -= 8 }
			return l
		})
	}, `size`},
	{"wrong diffID", func(t testing.TB) *image {
		return inChunk(small(), t, func(l layer) layer {
			l.diffID = func(oci.DiffID) oci.DiffID { return diffID(1) }
			return l
		})
	}, `diffID`},
	{"unknown media type", func(t testing.TB) *image {
		return inChunk(small(), t, func(l layer) layer { l.mediaType = "application/x-layer"; return l })
	}, `layer type: application/x-layer`},
	{"empty blob", func(t testing.TB) *image {
		return inChunk(small(), t, func(l layer) layer {
			l.descriptor = func(d *oci.Descriptor) { d.MediaType = oci.MediaTypeLayerGzip }
			l.blob = func([]byte) []byte { return nil }
			return l
		})
	}, `unexpected EOF`},
	{"content object with other content", func(t testing.TB) *image {
		return inChunk(small(), t, func(l layer) layer { return replaced(t, l, "some content\n", "evil content\n") })
	}, `checksum`},
	{"symlink with another target", func(t testing.TB) *image {
		x := small()
		x.contents[1].header.Target = "two"
		return &image{layers: x.layers(t, 1), commit: x.commit}
	}, `checksum`},
	{"large object with other content", func(t testing.TB) *image {
		x := small()
		c := content{header: object.FileHeader{Mode: 0o100644}, body: make([]byte, 3<<20)}
		c.sum = c.header.Checksum(c.body)
		c.body[2<<20]++
		x.contents = append(x.contents, c)
		return &image{layers: x.layers(t, 1), commit: x.commit}
	}, `checksum`},
	{"dirtree with other content", func(t testing.TB) *image {
		x := small()
		for n := range x.data {
			if n.Type == object.TypeDirTree {
				x.data[n] = (&object.DirTree{}).Encode()
			}
		}
		return &image{layers: x.layers(t, 1), commit: x.commit}
	}, `.dirtree`},
	{"dirtree that is none", func(t testing.TB) *image {
		x := small()
		x.set(object.TypeDirTree, []byte("\xff\xff\xff"))
		return &image{layers: x.layers(t, 1), commit: x.commit}
	}, `dirtree: `},
	{"dirtree with a name with a slash", func(t testing.TB) *image {
		x := small()
		x.set(object.TypeDirTree, (&object.DirTree{Files: []object.FileEntry{{Name: "../x", Checksum: x.contents[0].sum}}}).Encode())
		return &image{layers: x.layers(t, 1), commit: x.commit}
	}, `../x`},
	{"dirmeta of a file", func(t testing.TB) *image {
		x := small()
		x.set(object.TypeDirMeta, object.DirMeta{Mode: 0o100755}.Encode())
		return &image{layers: x.layers(t, 1), commit: x.commit}
	}, `not a directory`},
	{"damaged commit", func(t testing.TB) *image {
		return inFirst(small(), t, func(l layer) layer { return replaced(t, l, "small", "smell") })
	}, `.commit`},
	{"commit that is none", func(t testing.TB) *image {
		x := &tree{data: map[object.Name][]byte{}}
		x.set(object.TypeCommit, []byte("no commit"))
		return &image{layers: x.layers(t, 1), commit: object.Sum([]byte("no commit"))}
	}, `commit: `},
	{"detached metadata that is none", func(t testing.TB) *image {
		x := small()
		n := object.Name{Checksum: x.commit, Type: object.TypeCommitMeta}
		x.metadata = slices.Insert(x.metadata, 1, n)
		x.data[n] = []byte("\xff\xff\xff")
		return &image{layers: x.layers(t, 1), commit: x.commit}
	}, `.commitmeta`},
	{"missing content object", func(t testing.TB) *image {
		x := small()
		x.contents = x.contents[1:]
		return &image{layers: x.layers(t, 1), commit: x.commit}
	}, `is incomplete: missing object ` + small().contents[0].sum.String() + `.file`},
	{"missing dirtree", func(t testing.TB) *image {
		x := without(object.TypeDirTree)
		return &image{layers: x.layers(t, 1), commit: x.commit}
	}, `.dirtree`},
	{"missing dirmeta", func(t testing.TB) *image {
		x := without(object.TypeDirMeta)
		return &image{layers: x.layers(t, 1), commit: x.commit}
	}, `.dirmeta`},
	{"no commit", func(t testing.TB) *image {
		x := without(object.TypeCommit)
		return &image{layers: x.layers(t, 1), commit: x.commit}
	}, `layer 0 (sha256:`},
	{"empty commit layer", func(t testing.TB) *image {
		x := small()
		return inFirst(x, t, func(l layer) layer { l.tar = x.layer(t, func(*ostreetar.Writer) {}); return l })
	}, `commit object not found`},
	{"layers in the wrong order", func(t testing.TB) *image {
		x := small()
		layers := x.layers(t, 1)
		return &image{layers: []layer{layers[1], layers[0]}, commit: x.commit}
	}, `commit `}, // the fault of the one layer or of the other
	{"second commit", func(t testing.TB) *image {
		x := small()
		commit, err := object.DecodeCommit(x.data[x.metadata[0]])
		ok(t, err)
		commit.Subject = "another"
		x.set(object.TypeCommit, commit.Encode())
		return &image{layers: x.layers(t, 1), commit: x.commit}
	}, `second commit`},
	{"commit in a chunk", func(t testing.TB) *image {
		x := small()
		layers := x.layers(t, 1)
		return &image{layers: []layer{layers[0], layers[0], layers[1]}, commit: x.commit}
	}, `.commit in a layer for content objects`},
	{"metadata in a chunk", func(t testing.TB) *image {
		x := small()
		layers := append(x.layers(t, 1), layer{tar: x.layer(t, func(w *ostreetar.Writer) {
			ok(t, w.Metadata(x.metadata[1], x.data[x.metadata[1]]))
		})})
		return &image{layers: layers, commit: x.commit}
	}, `layer 2 (sha256:`},
	{"object twice in a layer", func(t testing.TB) *image {
		x := small()
		x.contents = append(x.contents, x.contents[0])
		return &image{layers: x.layers(t, 1), commit: x.commit}
	}, `duplicate object`},
	{"no end of archive", func(t testing.TB) *image {
		return inChunk(small(), t, func(l layer) layer { l.tar = l.tar[:len(l.tar)-1024]; return l })
	}, `no end of archive`},
	{"cut in a body", func(t testing.TB) *image {
		x := small()
		c := content{header: object.FileHeader{Mode: 0o100644}, body: make([]byte, 4<<20)}
		c.sum = c.header.Checksum(c.body)
		x.contents = append(x.contents, c)
		return inChunk(x, t, func(l layer) layer { l.tar = l.tar[:len(l.tar)-2<<20]; return l })
	}, `unexpected EOF`},
	{"no tar", func(t testing.TB) *image {
		return inChunk(small(), t, func(l layer) layer { l.tar = bytes.Repeat([]byte("no tar"), 1000); return l })
	}, `invalid tar header`},
	{"label promises another commit", func(t testing.TB) *image {
		x := small()
		return &image{layers: x.layers(t, 1), commit: object.Checksum{1}}
	}, `promises 0100000000000000`},
	{"label is no checksum", func(t testing.TB) *image {
		x := small()
		return &image{layers: x.layers(t, 1), labels: map[string]string{"ostree.commit": "../../x"}}
	}, `label ostree.commit: checksum`},
	{"no layer with the final diffID", func(t testing.TB) *image {
		x := small()
		return &image{layers: x.layers(t, 1), labels: map[string]string{"ostree.final-diffid": string(diffID(0))}}
	}, `missing ostree.final-diffid sha256:0000`},
	{"commit layer named as the last", func(t testing.TB) *image {
		x := small()
		return &image{layers: x.layers(t, 1), commit: x.commit, final: 1}
	}, `image has 1 non-ostree layers`},
	{"same layer twice", func(t testing.TB) *image {
		x := small()
		layers := x.layers(t, 1)
		return &image{layers: append(layers, layers[1]), commit: x.commit}
	}, `multiple layers have diffID`},
}

func TestImportHostile(t *testing.T) {
	r := newRepo(t, "bare-user")
	ok(t, r.Update(context.Background(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		c, err := tx.PutMetadata(object.TypeCommit, (&object.Commit{Metadata: gvariant.NewVardict()}).Encode())
		return errors.Join(err, tx.SetRef("before", c))
	}))
	before := listing(t, r)
	for _, test := range hostile {
		t.Run(test.name, func(t *testing.T) {
			_, err := importer.Import(context.Background(), test.make(t).source(t), r, importer.Options{Ref: "after"})
			if err == nil {
				t.Fatal("imported")
			}
			if text := err.Error(); !strings.Contains(text, test.err) || strings.Contains(text, "\n") || len(text) > 1000 {
				t.Errorf("error %q, want one with %q", text, test.err)
			}
			unchanged(t, r, before)
		})
	}
}

// What the tables above are made of is sound if nobody spoils it, and what a tar
// has outside the objects does nothing.
func TestImportHarmless(t *testing.T) {
	dir := t.TempDir()
	x := small()
	img := inChunk(x, t, func(l layer) layer {
		return prefixed(t, l,
			tar.Header{Typeflag: tar.TypeSymlink, Name: "sysroot/ostree/repo/objects", Linkname: dir},
			tar.Header{Typeflag: tar.TypeSymlink, Name: "evil", Linkname: dir},
			tar.Header{Typeflag: tar.TypeReg, Name: "evil/file", Uname: "x"},
			tar.Header{Typeflag: tar.TypeReg, Name: "sysroot/ostree/repo/config", Uname: "[core]\nmode=bare\n"},
			tar.Header{Typeflag: tar.TypeReg, Name: "sysroot/ostree/repo/refs/heads/evil", Uname: x.commit.String()})
	})
	r := newRepo(t, "bare-user")
	_, err := importer.Import(context.Background(), img.source(t), r, importer.Options{Ref: "good"})
	ok(t, err)
	ostree(t, r.Path(), "fsck")
	if got := ostree(t, r.Path(), "refs"); got != "good" {
		t.Errorf("refs %q", got)
	}
	if entries, err := os.ReadDir(dir); len(entries) > 0 || err != nil {
		t.Errorf("written outside: %v, %v", entries, err)
	}
}

func TestImportTypedErrors(t *testing.T) {
	find := func(name string) error {
		for _, test := range hostile {
			if test.name == name {
				_, err := importer.Import(context.Background(), test.make(t).source(t), newRepo(t, "archive"), importer.Options{})
				return err
			}
		}
		return fmt.Errorf("no case %q", name)
	}
	var missing *importer.MissingObjectError
	if err := find("missing content object"); !errors.As(err, &missing) || missing.Name.Checksum != small().contents[0].sum {
		t.Errorf("%v is no MissingObjectError", err)
	}
	var digest *oci.DigestError
	if err := find("wrong diffID"); !errors.As(err, &digest) {
		t.Errorf("%v is no DigestError", err)
	}
	for _, name := range []string{"content object with other content", "dirtree with other content", "damaged commit"} {
		var sum *object.ChecksumError
		if err := find(name); !errors.As(err, &sum) {
			t.Errorf("%s: %v is no ChecksumError", name, err)
		}
	}
}
