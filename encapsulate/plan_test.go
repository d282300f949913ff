package encapsulate_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/encapsulate"
	"github.com/treenail/treenail/format/object"
)

// randomComponents looks like a distribution: sizes over five decades, some
// components of one source, a few exclusive ones, objects that differ.
func randomComponents(r *rand.Rand, n int) []encapsulate.Component {
	list := make([]encapsulate.Component, n)
	for i := range list {
		name := fmt.Sprintf("pkg%04d", i)
		c := encapsulate.Component{ID: fmt.Sprintf("%s-%d", name, r.IntN(9)), Name: name, Size: int64(1) << r.IntN(28)}
		switch r.IntN(10) {
		case 0:
			c.Source = fmt.Sprintf("source%d", r.IntN(1+n/8))
		case 1:
			c.Exclusive = r.IntN(4) == 0
		case 2:
			c.Name = "pkg0000" // as with two architectures
		}
		for range r.IntN(4) {
			c.Objects = append(c.Objects, randomSum(r))
		}
		slices.SortFunc(c.Objects, object.Checksum.Compare)
		list[i] = c
	}
	return list
}

func randomSum(r *rand.Rand) (sum object.Checksum) {
	for i := range sum {
		sum[i] = byte(r.Uint32())
	}
	return sum
}

func plan(t *testing.T, list []encapsulate.Component, max int) []encapsulate.Chunk {
	t.Helper()
	chunks, _, err := encapsulate.Plan(list, max, nil)
	if err != nil {
		t.Fatal(err)
	}
	return chunks
}

func TestPlanProperties(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 0))
		list := randomComponents(r, r.IntN(400))
		max := 1 + r.IntN(100)
		chunks := plan(t, list, max)
		if len(chunks) > max-1 {
			t.Fatalf("seed %d: %d chunks for %d layers", seed, len(chunks), max)
		}
		exclusive := 0
		for _, c := range list {
			if c.Exclusive {
				exclusive++
			}
		}
		checkPartition(t, list, chunks, max-1 > exclusive)
		shuffled := slices.Clone(list)
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if !reflect.DeepEqual(chunks, plan(t, shuffled, max)) {
			t.Fatalf("seed %d: the plan depends on the order of components", seed)
		}
	}
}

// checkPartition: each object is in one chunk at most, and in exactly one when
// there is room for all.
func checkPartition(t *testing.T, list []encapsulate.Component, chunks []encapsulate.Chunk, complete bool) {
	t.Helper()
	want := make(map[object.Checksum]bool)
	for _, c := range list {
		for _, sum := range c.Objects {
			want[sum] = true
		}
	}
	for i, c := range chunks {
		if !slices.IsSortedFunc(c.Objects, object.Checksum.Compare) || !slices.IsSorted(c.Components) || c.Name == "" || len(c.Components) == 0 {
			t.Fatalf("chunk %d %q is not in order: %v", i, c.Name, c.Components)
		}
		for _, sum := range c.Objects {
			if !want[sum] {
				t.Fatalf("object %s in two chunks, or from nowhere", sum)
			}
			delete(want, sum)
		}
	}
	if complete && len(want) > 0 {
		t.Fatalf("%d objects in no chunk", len(want))
	}
}

// TestPlanStability: one package more changes its own layer, and moves at most
// one other package between a layer of its own and a shared one.
func TestPlanStability(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		var list []encapsulate.Component
		for i := range 20 + r.IntN(300) {
			list = append(list, encapsulate.Component{ID: fmt.Sprintf("p%d", i), Name: fmt.Sprintf("p%d", i), Size: int64(1) << r.IntN(28), Objects: []object.Checksum{randomSum(r)}})
		}
		max := 2 + r.IntN(90)
		added := encapsulate.Component{ID: "new", Name: "new", Size: int64(1) << r.IntN(28), Objects: []object.Checksum{randomSum(r)}}
		before, after := plan(t, list, max), plan(t, append(slices.Clone(list), added), max)
		changed := 0
		old := make(map[string]bool)
		for _, c := range before {
			old[strings.Join(c.Components, ",")] = true
		}
		for _, c := range after {
			if !old[strings.Join(c.Components, ",")] {
				changed++
			}
		}
		// The new one's layer, and the layer of the one it displaced.
		if changed > 2 {
			t.Errorf("seed %d, %d packages, %d layers: one more package changed %d layers", seed, len(list), max, changed)
		}
	}
}

func TestPlanBounds(t *testing.T) {
	list := randomComponents(rand.New(rand.NewPCG(1, 2)), 50)
	for _, max := range []int{0, -1} {
		if _, _, err := encapsulate.Plan(list, max, nil); err == nil {
			t.Errorf("Plan for %d layers: no error", max)
		}
	}
	if chunks := plan(t, list, 1); len(chunks) != 0 {
		t.Errorf("1 layer: %d chunks", len(chunks))
	}
	if chunks := plan(t, nil, 64); len(chunks) != 0 {
		t.Errorf("no components: %d chunks", len(chunks))
	}
	shared := slices.DeleteFunc(slices.Clone(list), func(c encapsulate.Component) bool { return c.Exclusive })
	if chunks := plan(t, shared, 2); len(chunks) != 1 {
		t.Errorf("2 layers: %d chunks", len(chunks))
	}
}

func TestPlanNames(t *testing.T) {
	list := []encapsulate.Component{
		{ID: "a-1", Name: "a", Source: "s"}, {ID: "b-1", Name: "b", Source: "s"}, {ID: "b-2", Name: "b", Source: "s"},
		{ID: "initramfs (kernel 6)", Name: "initramfs", Exclusive: true}, {ID: "z", Name: "z"},
	}
	for i := range 6 {
		list = append(list, encapsulate.Component{ID: fmt.Sprint("many", i), Name: fmt.Sprint("many", i), Source: "many"})
	}
	var got []string
	for _, c := range plan(t, list, 64) {
		got = append(got, c.Name+": "+strings.Join(c.Components, ","))
	}
	want := []string{
		"initramfs (kernel 6): initramfs",
		"6 components: many0,many1,many2,many3,many4,many5",
		"a-1 and b-1 and b-2: a,b",
		"z: z",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestPlanBalance: no shared layer of a typical distribution is far from the
// average.
func TestPlanBalance(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	var list []encapsulate.Component
	for i := range 600 {
		list = append(list, encapsulate.Component{ID: fmt.Sprint(i), Name: fmt.Sprint(i), Size: int64(1e6 / (1 + r.Float64()*100)), Objects: []object.Checksum{randomSum(r)}})
	}
	var shared []int64
	var total int64
	for _, c := range plan(t, list, 64) {
		if len(c.Components) > 1 {
			shared = append(shared, c.Size)
			total += c.Size
		}
	}
	average := total / int64(len(shared))
	if len(shared) < 20 || slices.Max(shared) > 3*average {
		t.Errorf("%d shared layers, average %d bytes, largest %d", len(shared), average, slices.Max(shared))
	}
}
