package packages

import (
	"slices"
	"strings"

	"github.com/treenail/treenail/encapsulate"
)

// Change is what became of the packages of one name from one tree to another.
type Change struct {
	Name string `json:"name"`
	// Old and New are the versions that only one of the trees has, sorted. A name can
	// have several: kernels, or a library for two architectures.
	Old []string `json:"old,omitempty"`
	New []string `json:"new,omitempty"`
}

// Diff lists what changed from a tree with the packages a to one with b, sorted by
// name. A package that was added has no old version, one that was removed no new.
func Diff(a, b []encapsulate.Package) []Change {
	before, after := versions(a), versions(b)
	var changes []Change
	for _, name := range names(a, b) {
		c := Change{Name: name, Old: without(before[name], after[name]), New: without(after[name], before[name])}
		if len(c.Old)+len(c.New) > 0 {
			changes = append(changes, c)
		}
	}
	return changes
}

// versions lists the versions of each name, sorted.
func versions(list []encapsulate.Package) map[string][]string {
	all := map[string][]string{}
	for _, p := range list {
		all[p.Name] = append(all[p.Name], p.Version)
	}
	for _, v := range all {
		slices.SortFunc(v, strings.Compare)
	}
	return all
}

func names(lists ...[]encapsulate.Package) []string {
	var all []string
	for _, list := range lists {
		for _, p := range list {
			all = append(all, p.Name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// without returns what is in a more often than in b; both are sorted.
func without(a, b []string) (rest []string) {
	for _, v := range a {
		if i, ok := slices.BinarySearch(b, v); ok {
			b = slices.Concat(b[:i], b[i+1:])
			continue
		}
		rest = append(rest, v)
	}
	return rest
}
