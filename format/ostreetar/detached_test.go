package ostreetar_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/ostreetar"
)

func TestReplaceDetached(t *testing.T) {
	commit := object.Name{Checksum: sum(t, regularSum), Type: object.TypeCommit}
	first := func(detached []byte) []byte {
		return layer(t, func(w *ostreetar.Writer) error {
			err := errors.Join(w.Dir("./", 0, 0, 0o755), w.Structure(), w.Metadata(commit, []byte("the commit")))
			if detached != nil {
				err = errors.Join(err, w.Metadata(object.Name{Checksum: commit.Checksum, Type: object.TypeCommitMeta}, detached))
			}
			return errors.Join(err,
				w.Metadata(object.Name{Checksum: commit.Checksum, Type: object.TypeDirMeta}, bytes.Repeat([]byte("x"), 512)),
				w.Content(commit.Checksum, object.FileHeader{Mode: 0o100644, Xattrs: object.Xattrs{{Name: "user.a", Value: []byte("b")}}}, 5, bytes.NewReader([]byte("hello"))),
				w.Link("usr/bin/hello"))
		})
	}
	forms := [][]byte{nil, {}, []byte("short"), bytes.Repeat([]byte("long"), 1<<10), bytes.Repeat([]byte("m"), 512)}
	for _, from := range forms {
		for _, to := range forms {
			var got bytes.Buffer
			ok(t, ostreetar.ReplaceDetached(&got, bytes.NewReader(first(from)), to))
			if !bytes.Equal(got.Bytes(), first(to)) {
				t.Errorf("from %d bytes to %d: %d bytes of tar, want %d", len(from), len(to), got.Len(), len(first(to)))
			}
		}
	}
	whole := first([]byte("short"))
	for _, n := range []int{0, 1, 512, 140000, len(whole) - 1024, len(whole) - 600} {
		if err := ostreetar.ReplaceDetached(io.Discard, bytes.NewReader(whole[:n]), []byte("new")); err == nil {
			t.Errorf("%d of %d bytes: no error", n, len(whole))
		}
	}
	for name, data := range map[string][]byte{
		"no commit":   entries(t, regular("usr/bin/a", "x")),
		"two commits": entries(t, regular(place+"commit", "x"), regular(place2+"commit", "y")),
	} {
		if err := ostreetar.ReplaceDetached(io.Discard, bytes.NewReader(data), nil); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	// Another program's tar, of which no byte may change.
	other := entries(t, tar.Header{Typeflag: tar.TypeDir, Name: "usr/"}, regular(place+"commit", "x"), link("a", "usr"), regular("b", "y"))
	var got bytes.Buffer
	ok(t, ostreetar.ReplaceDetached(&got, bytes.NewReader(append(other, make([]byte, 8192)...)), nil))
	if !bytes.Equal(got.Bytes(), append(other, make([]byte, 8192)...)) {
		t.Error("a tar without detached metadata is changed")
	}
}

// FuzzReplaceDetached: what comes out has the new metadata, and replacing them once more
// changes nothing.
func FuzzReplaceDetached(f *testing.F) {
	f.Add(entries(f, regular(place+"commit", "x"), regular(place+"commitmeta", "y"), link("a", "usr"), regular("b", "y")), []byte("z"))
	f.Add(entries(f, regular("./"+place+"commit", "x")), []byte(nil))
	f.Fuzz(func(t *testing.T, layer, metadata []byte) {
		var once, twice bytes.Buffer
		if ostreetar.ReplaceDetached(&once, bytes.NewReader(layer), metadata) != nil {
			return
		}
		if err := ostreetar.ReplaceDetached(&twice, bytes.NewReader(once.Bytes()), metadata); err != nil || !bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Errorf("%d bytes become %d: %v", once.Len(), twice.Len(), err)
		}
	})
}
