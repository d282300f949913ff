package tree_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/tree"
)

// byDirectory labels everything with its path's first name, but what is called none.
func byDirectory(path string, mode uint32) (string, bool) {
	name, _, _ := strings.Cut(path[1:], "/")
	return "label_" + name, !strings.HasSuffix(path, "/none")
}

// labelsOf lists the labels of a tree.
func labelsOf(t *testing.T, r *ostreerepo.Repo, root roots) map[string]string {
	t.Helper()
	labels := map[string]string{}
	for e, err := range r.Walk(checksum(t, root.contents), checksum(t, root.meta)) {
		if err != nil {
			t.Fatal(err)
		}
		var xattrs object.Xattrs
		if e.Dir {
			meta, err := r.DirMeta(e.Meta)
			must(t, err)
			xattrs = meta.Xattrs
		} else {
			h, _, err := r.Stat(e.Checksum)
			must(t, err)
			xattrs = h.Xattrs
		}
		label, _ := xattrs.Lookup(object.LabelXattr)
		labels[e.Path] = string(label)
	}
	return labels
}

// TestLabel has hard links, which can't be one object when their labels differ.
func TestLabel(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir+"/a/file", "x", 0o644)
	writeFile(t, dir+"/b/none", "x", 0o644)
	must(t, os.Link(dir+"/a/file", dir+"/a/same"))
	must(t, os.Link(dir+"/a/file", dir+"/b/other"))
	must(t, os.Symlink("file", dir+"/a/link"))
	want := map[string]string{
		"/": "label_\x00", "/a": "label_a\x00", "/a/file": "label_a\x00", "/a/same": "label_a\x00", "/a/link": "label_a\x00",
		"/b": "label_b\x00", "/b/none": "", "/b/other": "label_b\x00",
	}
	r := repotest.New(t, ostreerepo.ModeArchive)
	labelled := tree.Options{Label: byDirectory}
	fromDir := mustBuild(t, r, labelled, dirs(dir))
	if diff := cmp.Diff(want, labelsOf(t, r, fromDir)); diff != "" {
		t.Error(diff)
	}

	committed(t, r, "plain", tree.Options{}, dirs(dir))
	committed(t, r, "labelled", labelled, dirs(dir))
	for name, got := range map[string]roots{
		"of a commit":         mustBuild(t, r, labelled, refs(t, r, "plain")),
		"of a labelled one":   mustBuild(t, r, labelled, refs(t, r, "labelled")),
		"without xattrs":      mustBuild(t, r, tree.Options{Label: byDirectory, NoXattrs: true}, dirs(dir)),
		"of a labelled, kept": mustBuild(t, r, tree.Options{}, refs(t, r, "labelled")),
	} {
		if got != fromDir {
			t.Errorf("the tree %s is another", name)
		}
	}
	none := repotest.New(t, ostreerepo.ModeBareUserOnly)
	for path, label := range labelsOf(t, none, mustBuild(t, none, labelled, dirs(dir))) {
		if label != "" {
			t.Errorf("%s is labelled in a repository without xattrs", path)
		}
	}
}

// TestLabelArguments looks at what Label is asked: for a path after the filters, with
// the mode that is committed.
func TestLabelArguments(t *testing.T) {
	dir := t.TempDir()
	writeFile(t, dir+"/etc/conf", "x", 0o666)
	must(t, os.Chmod(dir, 0o755))
	var mu sync.Mutex
	var asked []string
	o := tree.Options{TarAutocreateParents: true, CanonicalPermissions: true, Label: func(path string, mode uint32) (string, bool) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, fmt.Sprintf("%s %o", path, mode))
		return "", false
	}}
	var err error
	o.TarPathFilter, err = tree.ParsePathFilter("^etc,usr/etc")
	must(t, err)
	archive, err := exec.Command("tar", "-C", dir, "-c", "etc/conf").Output()
	must(t, err)
	r := repotest.New(t, ostreerepo.ModeArchive)
	mustBuild(t, r, o, func(ctx context.Context, tr *tree.Tree) error {
		if err := tr.AddDir(ctx, dir); err != nil {
			return err
		}
		return tars(archive)(ctx, tr)
	})
	slices.Sort(asked)
	want := []string{"/ 40755", "/ 40755", "/etc 40755", "/etc/conf 100644", "/usr 40755", "/usr/etc 40755", "/usr/etc/conf 100644"}
	if diff := cmp.Diff(want, asked); diff != "" {
		t.Error(diff)
	}
}
