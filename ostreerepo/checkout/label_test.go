package checkout_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/checkout"
)

// TestLabelPaths looks at what Label is asked.
func TestLabelPaths(t *testing.T) {
	r := newRepo(t, ostreerepo.ModeArchive, "small")
	whole := []string{"/ 4", "/d 4", "/d/f 10", "/d/sub 4", "/d/sub/g 10", "/empty 10", "/reg 10", "/shared 4", "/sticky 4", "/sym 12"}
	for _, c := range []struct {
		o    checkout.Options
		want []string
	}{
		{checkout.Options{}, whole},
		{checkout.Options{Subpath: "/"}, whole},
		{checkout.Options{Subpath: "/d"}, []string{"/d 4", "/d/f 10", "/d/sub 4", "/d/sub/g 10"}},
		{checkout.Options{Subpath: "d/sub", LabelRoot: "/etc"}, []string{"/etc 4", "/etc/g 10"}},
		{checkout.Options{Subpath: "d/sub", LabelRoot: "etc/"}, []string{"/etc 4", "/etc/g 10"}},
		{checkout.Options{Subpath: "d/sub", LabelRoot: "/"}, []string{"/ 4", "/g 10"}},
		{checkout.Options{Subpath: "/d/f"}, []string{"/d/f 10"}},
		{checkout.Options{Subpath: "/reg"}, []string{"/reg 10"}},
		{checkout.Options{Subpath: "/d/f", LabelRoot: "/etc"}, []string{"/etc/f 10"}},
		{checkout.Options{UserMode: true}, nil},
	} {
		var mu sync.Mutex
		var asked []string
		c.o.Label = func(path string, mode uint32) (string, bool) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, fmt.Sprintf("%s %o", path, mode>>12))
			return "", false
		}
		if err := check(t, r, "small", filepath.Join(t.TempDir(), "dest"), c.o); err != nil {
			t.Fatal(err)
		}
		slices.Sort(asked)
		if diff := cmp.Diff(c.want, asked); diff != "" {
			t.Errorf("subpath %q, root %q: %s", c.o.Subpath, c.o.LabelRoot, diff)
		}
	}
}

// TestLabels also shows that nothing labelled is a link.
func TestLabels(t *testing.T) {
	o := checkout.Options{PassthroughWhiteouts: true, Label: func(path string, mode uint32) (string, bool) {
		return fmt.Sprintf("%s_%o", path, mode>>12), path != "/z"
	}}
	want := map[string]string{
		".": "/_4", "a": "/a_2", "d": "/d_4", "d/b": "/d/b_2", ".ostree-wh.sym": "/.ostree-wh.sym_12", ".ostree-wh.dir": "/.ostree-wh.dir_4",
	}
	for _, mode := range []ostreerepo.Mode{ostreerepo.ModeArchive, ostreerepo.ModeBare, ostreerepo.ModeBareUser} {
		t.Run(mode.String(), func(t *testing.T) {
			r := newRepo(t, mode, "overlay")
			dest := filepath.Join(t.TempDir(), "dest")
			if err := check(t, r, "overlay", dest, o); err != nil {
				t.Fatal(err)
			}
			for path, e := range snapshot(t, dest, objectInodes(t, r.Path())) {
				label := ""
				if want[path] != "" {
					label = fmt.Sprintf("security.selinux=%q ", want[path]+"\x00")
				}
				if path == "a" {
					label += `trusted.k="v" `
				}
				if e.Link != "" || e.Xattrs != label {
					t.Errorf("%s: %+v, want the xattrs %s", path, e, label)
				}
			}
		})
	}
	r := newRepo(t, ostreerepo.ModeBare, "small")
	o.RequireHardlinks = true
	if err := check(t, r, "small", filepath.Join(t.TempDir(), "dest"), o); err == nil {
		t.Error("labels and hard links go together")
	}
}
