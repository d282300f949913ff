package importer_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/ostreetar"
	importer "github.com/treenail/treenail/import"
	"github.com/treenail/treenail/oci"
)

// FuzzImport takes two tars for the layers of an image whose manifest and config
// are right. What is imported has to be sound; what is not leaves nothing.
func FuzzImport(f *testing.F) {
	x := small()
	skip := len((&tree{}).layer(f, func(*ostreetar.Writer) {})) - 1024 // what all layers begin with only slows the fuzzer down
	for _, x := range []*tree{x, x.signed("seed"), without(object.TypeDirTree), {}} {
		layers := x.layers(f, 1)
		f.Add(layers[0].tar[skip:], layers[1].tar[skip:])
	}
	r := newRepo(f, "archive") // empty before each run
	before := listing(f, r)
	f.Fuzz(func(t *testing.T, first, second []byte) {
		img := image{
			layers: []layer{{tar: first, mediaType: oci.MediaTypeLayer}, {tar: second, mediaType: oci.MediaTypeLayer}},
			plain:  true,
			labels: map[string]string{"ostree.final-diffid": sum(second)},
		}
		if _, err := importer.Import(context.Background(), img.source(t), r, importer.Options{Ref: "fuzz"}); err != nil {
			unchanged(t, r, before)
			return
		}
		ostree(t, r.Path(), "fsck")
		ok(t, os.Remove(filepath.Join(r.Path(), "refs/heads/fuzz")))
		dirs, err := filepath.Glob(filepath.Join(r.Path(), "objects/*"))
		ok(t, err)
		for _, dir := range dirs {
			ok(t, os.RemoveAll(dir))
		}
	})
}
