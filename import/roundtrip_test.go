package importer_test

import (
	"context"
	"testing"

	"github.com/treenail/treenail/encapsulate"
	importer "github.com/treenail/treenail/import"
	"github.com/treenail/treenail/oci"
)

// packages own most files of makeTree.
func packages(context.Context, *encapsulate.Tree) ([]encapsulate.Package, error) {
	return []encapsulate.Package{
		{ID: "large-1", Name: "large", Paths: []string{"/usr/lib/large", "/usr/lib/exactly"}},
		{ID: "many-1", Name: "many", Paths: []string{"/usr/share/many/000", "/usr/share/many/299"}},
		{ID: "hosts-1", Name: "hosts", Paths: []string{"/usr/etc/hosts", "/usr/lib/link", "/usr/lib/empty"}},
	}, nil
}

// An image that encapsulate makes gives back the commit, in every mode.
func TestEncapsulateImport(t *testing.T) {
	for _, mode := range []string{"archive", "bare", "bare-user", "bare-user-only", "bare-split-xattrs"} {
		t.Run(mode, func(t *testing.T) {
			src := source(t, mode == "bare-user-only")
			mem := newMemory()
			made, err := encapsulate.Encapsulate(context.Background(), open(t, src.path), src.commit, mem, encapsulate.Options{Packages: packages})
			ok(t, err)
			info, err := importer.Inspect(context.Background(), mem, oci.Platform{})
			ok(t, err)
			if info.Commit != src.commit || info.Version != "1.2" || info.Digest != made.Digest || len(info.Layers) != len(made.Layers) || len(made.Layers) < 4 {
				t.Errorf("made %+v, inspected %+v", made, info)
			}
			dst := newRepo(t, mode)
			res, err := importer.Import(context.Background(), mem, dst, importer.Options{Ref: "os/test"})
			ok(t, err)
			if res.Digest != made.Digest || res.Layers != len(made.Layers) {
				t.Errorf("result %+v", res)
			}
			same(t, dst, src, "os/test")
		})
	}
}
