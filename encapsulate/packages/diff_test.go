package packages_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/encapsulate"
	"github.com/treenail/treenail/encapsulate/packages"
)

func TestDiff(t *testing.T) {
	list := func(pairs ...string) (l []encapsulate.Package) {
		for i := 0; i < len(pairs); i += 2 {
			l = append(l, encapsulate.Package{Name: pairs[i], Version: pairs[i+1]})
		}
		return l
	}
	got := packages.Diff(
		list("same", "1", "up", "1", "gone", "3", "kernel", "6.1", "kernel", "6.2", "libc", "2", "libc", "2"),
		list("up", "2", "same", "1", "new", "7", "kernel", "6.2", "kernel", "6.3", "libc", "2"),
	)
	want := []packages.Change{
		{Name: "gone", Old: []string{"3"}},
		{Name: "kernel", Old: []string{"6.1"}, New: []string{"6.3"}},
		{Name: "libc", Old: []string{"2"}},
		{Name: "new", New: []string{"7"}},
		{Name: "up", Old: []string{"1"}, New: []string{"2"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
