package encapsulate_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/encapsulate"
	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/oci/layercache"
	"github.com/treenail/treenail/oci/layout"
	"github.com/treenail/treenail/ostreerepo"
)

// imageOf is an image with the given chunks; without annotations only its history
// tells of them.
func imageOf(chunks []encapsulate.Chunk, annotated bool) *oci.Image {
	image := &oci.Image{Manifest: new(oci.Manifest), Config: new(oci.Config)}
	add := func(d oci.Descriptor, name string) {
		image.Manifest.Layers = append(image.Manifest.Layers, d)
		image.Config.RootFS.DiffIDs = append(image.Config.RootFS.DiffIDs, oci.DiffID(oci.Sum(fmt.Append(nil, len(image.Manifest.Layers)))))
		image.Config.History = append(image.Config.History, oci.History{CreatedBy: name})
	}
	add(oci.Descriptor{}, "a commit")
	for _, c := range chunks {
		d := oci.Descriptor{}
		if annotated {
			d.Annotations = map[string]string{"ostree.components": strings.Join(c.Components, ",")}
		}
		add(d, c.Name)
	}
	final := image.Config.RootFS.DiffIDs[len(chunks)]
	image.Config.Config.Labels = map[string]string{"ostree.final-diffid": string(final)}
	return image
}

func planOnto(t *testing.T, list []encapsulate.Component, max int, p *encapsulate.Previous) []encapsulate.Chunk {
	t.Helper()
	chunks, unused, err := encapsulate.Plan(list, max, p)
	ok(t, err)
	if unused != "" {
		t.Logf("not used: %s", unused)
	}
	return chunks
}

// TestPreviousSame: the same components with their own image as the previous one
// are laid out in the same way.
func TestPreviousSame(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 3))
		list, max := randomComponents(r, r.IntN(300)), 2+r.IntN(90)
		for i := range list {
			list[i].Name, list[i].Exclusive = list[i].Name+fmt.Sprint(i), false // each name once
		}
		chunks := plan(t, list, max)
		if diff := cmp.Diff(chunks, planOnto(t, list, max, encapsulate.NewPrevious(imageOf(chunks, true)))); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
	}
}

// TestPreviousKeeps: packages come, go and grow, and those that stay are with those
// of their old companions that stay, and with no others that were elsewhere.
func TestPreviousKeeps(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 4))
		old, max := randomComponents(r, 1+r.IntN(300)), 2+r.IntN(90)
		for i := range old {
			old[i].Name = fmt.Sprintf("name%d", i)
		}
		var list []encapsulate.Component
		for _, c := range old {
			if r.IntN(10) > 0 {
				c.Size, c.ID = int64(1)<<r.IntN(28), c.ID+"x"
				list = append(list, c)
			}
		}
		for i, c := range randomComponents(r, r.IntN(40)) {
			c.Name = fmt.Sprintf("new%d", i)
			list = append(list, c)
		}
		before := plan(t, old, max)
		p := encapsulate.NewPrevious(imageOf(before, true))
		after := planOnto(t, list, max, p)
		if len(after) > max-1 {
			t.Fatalf("seed %d: %d chunks for %d layers", seed, len(after), max)
		}
		checkPartition(t, list, after, true)
		was, is := places(before), places(after)
		for a := range was {
			for b := range was {
				if is[a] > 0 && is[b] > 0 && (was[a] == was[b]) != (is[a] == is[b]) {
					t.Fatalf("seed %d: %s and %s were in layers %d and %d and are in %d and %d", seed, a, b, was[a], was[b], is[a], is[b])
				}
			}
		}
		r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		if !reflect.DeepEqual(after, planOnto(t, list, max, p)) {
			t.Fatalf("seed %d: the plan depends on the order of components", seed)
		}
		less := planOnto(t, list, 2+max/2, p)
		if len(less) > 1+max/2 {
			t.Fatalf("seed %d: %d chunks for %d layers", seed, len(less), 2+max/2)
		}
		checkPartition(t, list, less, true)
	}
}

// places maps names to layers.
func places(chunks []encapsulate.Chunk) map[string]int {
	at := make(map[string]int)
	for i, c := range chunks {
		for _, name := range c.Components {
			at[name] = i + 1
		}
	}
	return at
}

// TestPreviousHistory: where annotations were dropped, the history tells.
func TestPreviousHistory(t *testing.T) {
	image := imageOf([]encapsulate.Chunk{
		{Name: "bash_5.1_amd64 and python3-x_2_all"}, {Name: "kernel-core-6.1-1.fc40.x86_64"}, {Name: "initramfs (kernel 6.1)"}, {Name: "9 components"}, {Name: "web-front-end"},
	}, false)
	var list []encapsulate.Component
	for _, c := range []encapsulate.Component{
		{ID: "bash_5.2_amd64", Name: "bash"}, {ID: "python3-x_3_all", Name: "python3-x"}, {ID: "kernel-core-6.2-1.fc40.x86_64", Name: "kernel-core"},
		{ID: "initramfs (kernel 6.2)", Name: "initramfs", Exclusive: true}, {ID: "web-front-end", Name: "web-front-end"},
	} {
		list = append(list, c)
	}
	var got []string
	for _, c := range planOnto(t, list, 9, encapsulate.NewPrevious(image)) {
		got = append(got, strings.Join(c.Components, ","))
	}
	if diff := cmp.Diff([]string{"bash,python3-x", "kernel-core", "initramfs", "web-front-end"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestPreviousUnused(t *testing.T) {
	list := []encapsulate.Component{{ID: "a", Name: "a"}}
	plain := imageOf(nil, true)
	plain.Config.Config.Labels = nil
	for want, p := range map[string]*encapsulate.Previous{
		"":                                       nil,
		"it is not an encapsulated commit":       encapsulate.NewPrevious(plain),
		"its layers don't say what they hold":    encapsulate.NewPrevious(imageOf([]encapsulate.Chunk{{Name: "7 components"}}, false)),
		"this commit has none of its components": encapsulate.NewPrevious(imageOf([]encapsulate.Chunk{{Components: []string{"b"}}}, true)),
	} {
		chunks, unused, err := encapsulate.Plan(list, 64, p)
		if err != nil || unused != want || len(chunks) != 1 {
			t.Errorf("%d chunks, %q, %v; want 1, %q", len(chunks), unused, err, want)
		}
	}
}

// FuzzPrevious: whatever an image claims, each object has its place.
func FuzzPrevious(f *testing.F) {
	f.Add("pkg0001,pkg0002;pkg0003;;pkg0001", uint64(1), 8)
	f.Fuzz(func(t *testing.T, text string, seed uint64, max int) {
		r := rand.New(rand.NewPCG(seed, 5))
		list := randomComponents(r, r.IntN(60))
		max = 2 + int(uint(max)%70)
		var chunks []encapsulate.Chunk
		for layer := range strings.SplitSeq(text, ";") {
			chunks = append(chunks, encapsulate.Chunk{Name: layer, Components: strings.Split(layer, ",")})
		}
		for _, annotated := range []bool{true, false} {
			after := planOnto(t, list, max, encapsulate.NewPrevious(imageOf(chunks, annotated)))
			if len(after) > max-1 {
				t.Fatalf("%d chunks for %d layers", len(after), max)
			}
			exclusive := slices.ContainsFunc(list, func(c encapsulate.Component) bool { return c.Exclusive })
			checkPartition(t, list, after, !exclusive || max > 61)
		}
	})
}

// TestCache: an image made of cached layers is the same; what is damaged in the
// cache is made again, and an image that has the layers is not written to.
func TestCache(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	sum := commitTree(t, r, small, nil)
	cacheDir := t.TempDir()
	cache, err := layercache.Open(cacheDir, 0)
	ok(t, err)
	reused := func(result *encapsulate.Result) (n int) {
		for _, l := range result.Layers {
			if l.Reused {
				n++
			}
		}
		return n
	}
	for _, format := range []oci.Format{oci.Gzip, oci.ZstdChunked} {
		o := encapsulate.Options{Packages: smallPackages, Compression: oci.Compression{Format: format}}
		_, plain := encapsulateTo(t, r, sum, o)
		o.Cache = cache
		_, first := encapsulateTo(t, r, sum, o)
		dir, second := encapsulateTo(t, r, sum, o)
		if reused(first) != 0 || reused(second) != len(second.Layers) || first.Digest != plain.Digest || second.Digest != plain.Digest {
			t.Errorf("%s: %d and %d layers reused, digests %s, %s, %s", format, reused(first), reused(second), plain.Digest, first.Digest, second.Digest)
		}
		checkComplete(t, r, sum, objects(t, dir))
		blobs, err := filepath.Glob(filepath.Join(cacheDir, "blobs", "*"))
		ok(t, err)
		for _, blob := range blobs {
			writeFile(t, blob, "damaged")
		}
		sink, err := layout.OpenSink(dir, "again")
		ok(t, err)
		there, err := encapsulate.Encapsulate(context.Background(), r, sum, sink, o)
		ok(t, err)
		ok(t, sink.Close())
		_, third := encapsulateTo(t, r, sum, o)
		if reused(there) != len(there.Layers) || reused(third) != 0 || third.Digest != plain.Digest {
			t.Errorf("%s: %d layers found in the image, %d in the damaged cache, digest %s", format, reused(there), reused(third), third.Digest)
		}
	}
	paths := encapsulate.Options{Packages: smallPackages, Cache: cache, ParentDirs: true}
	if _, result := encapsulateTo(t, r, sum, paths); reused(result) != 0 {
		t.Error("layers with parent directories were taken from the cache of those without")
	}
}

// TestPreview: the forecast names the layers of the image to come, and those that
// the previous one has.
func TestPreview(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	dir, first := encapsulateTo(t, r, commitTree(t, r, small, nil), encapsulate.Options{Packages: smallPackages})
	changed := tree{}
	for path, text := range small {
		changed[path] = text
	}
	changed["usr/bin/dash"] = "other shell"
	sum := commitTree(t, r, changed, nil)
	_, image := readImage(t, dir)
	o := encapsulate.Options{Packages: smallPackages, Previous: encapsulate.NewPrevious(image)}
	f, err := encapsulate.Preview(context.Background(), r, sum, o)
	ok(t, err)
	_, result := encapsulateTo(t, r, sum, o)
	var fetched []string
	for i, l := range f.Layers {
		made := result.Layers[i]
		if l.DiffID != made.DiffID || l.Name != made.Name || l.Exact && l.Size != made.Descriptor.Size || l.Size < made.Descriptor.Size*9/10 || l.Size > made.Descriptor.Size*11/10 {
			t.Errorf("layer %d: forecast %+v, made %+v", i, l, made)
		}
		if known := slices.ContainsFunc(first.Layers, func(old encapsulate.LayerInfo) bool { return old.DiffID == l.DiffID }); known != l.Known {
			t.Errorf("layer %d: known %t, want %t", i, l.Known, known)
		}
		if !l.Known {
			fetched = append(fetched, strings.Join(l.Components, ","))
		}
	}
	if diff := cmp.Diff([]string{"", "dash"}, fetched); diff != "" {
		t.Error(diff)
	}
}
