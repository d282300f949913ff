package encapsulate

import (
	"cmp"
	"slices"
	"strings"
)

// A replan lays components out as a previous image had them, and finds places for
// those that it did not have.
type replan struct {
	slots int
	bins  []*bin

	chunkOf map[identity]int     // in the plan without memory
	alone   []bool               // by chunk of that plan: all of one group
	company map[int]map[*bin]int // how many of a chunk of that plan are in which bin
	sources map[string]*bin      // by group
}

type bin struct {
	components []Component
	size       int64
	exclusive  bool // has a component that wants to be alone
}

type identity struct{ id, name string }

// onto plans components for at most slots chunks; fresh is the plan without
// memory. The previous image knows none of the components if ok is false.
func (p *Previous) onto(components []Component, fresh [][]Component, slots int) (chunks [][]Component, ok bool) {
	r := &replan{
		slots:   slots,
		chunkOf: make(map[identity]int),
		company: make(map[int]map[*bin]int),
		sources: make(map[string]*bin),
	}
	for i, chunk := range fresh {
		r.alone = append(r.alone, true)
		for _, c := range chunk {
			r.chunkOf[identity{c.ID, c.Name}] = i
			r.alone[i] = r.alone[i] && groupKey(c) == groupKey(chunk[0])
		}
	}
	newcomers, ok := r.keep(p, components)
	if !ok {
		return nil, false
	}
	exclusive, shared := groups(newcomers)
	bySize(shared)
	for _, g := range append(exclusive, shared...) {
		if b := r.place(g); b != nil {
			r.add(b, g.components...)
		}
	}
	for _, b := range r.bins {
		// In the order of the plan without memory, which shows in a layer's name.
		sorted := sortedComponents(b.components)
		slices.SortStableFunc(sorted, func(a, b Component) int { return strings.Compare(groupKey(a), groupKey(b)) })
		chunks = append(chunks, sorted)
	}
	return chunks, true
}

// keep puts all components where they were and returns the others. Of several
// components of one name, each goes to another of the layers that had the name.
// When there are more layers than slots, the smallest are given up.
func (r *replan) keep(p *Previous, components []Component) (newcomers []Component, ok bool) {
	places, seen := p.places(), make(map[string]int)
	bins := make([]*bin, len(p.chunks))
	for _, c := range sortedComponents(components) {
		at := places.of(c)
		if len(at) == 0 {
			newcomers = append(newcomers, c)
			continue
		}
		i := at[min(seen[c.Name], len(at)-1)]
		seen[c.Name]++
		if bins[i] == nil {
			bins[i] = new(bin)
		}
		bins[i].add(c)
	}
	r.bins = slices.DeleteFunc(bins, func(b *bin) bool { return b == nil })
	ok = len(r.bins) > 0
	for len(r.bins) > r.slots {
		i := slices.Index(r.bins, smallest(r.bins))
		newcomers = append(newcomers, r.bins[i].components...)
		r.bins = slices.Delete(r.bins, i, i+1)
	}
	for _, b := range r.bins {
		r.note(b, b.components...)
	}
	return newcomers, ok
}

// place chooses the bin of a group of newcomers: that of their source, a new one
// when the plan without memory would give them a layer of their own, the one that
// has most of their company in that plan, a new one, the emptiest. Without slots
// there is none.
func (r *replan) place(g *group) *bin {
	chunk, planned := r.chunkOf[identity{g.components[0].ID, g.components[0].Name}]
	exclusive := g.components[0].Exclusive
	if b := r.sources[g.key]; b != nil && !exclusive {
		return b
	}
	if len(r.bins) < r.slots && (exclusive || planned && r.alone[chunk]) {
		return r.open()
	}
	if b := r.most(chunk); planned && b != nil {
		return b
	}
	if len(r.bins) < r.slots {
		return r.open()
	}
	shared := slices.DeleteFunc(slices.Clone(r.bins), func(b *bin) bool { return b.exclusive })
	if len(shared) == 0 {
		shared = r.bins
	}
	return smallest(shared)
}

func (r *replan) open() *bin {
	b := new(bin)
	r.bins = append(r.bins, b)
	return b
}

// most is the first of the bins that hold most of a chunk.
func (r *replan) most(chunk int) (best *bin) {
	for _, b := range r.bins {
		if n := r.company[chunk][b]; n > 0 && !b.exclusive && (best == nil || n > r.company[chunk][best]) {
			best = b
		}
	}
	return best
}

func (r *replan) add(b *bin, components ...Component) {
	for _, c := range components {
		b.add(c)
	}
	r.note(b, components...)
}

// note remembers who is where.
func (r *replan) note(b *bin, components ...Component) {
	for _, c := range components {
		if !c.Exclusive {
			r.sources[groupKey(c)] = b
		}
		chunk, planned := r.chunkOf[identity{c.ID, c.Name}]
		if !planned {
			continue
		}
		if r.company[chunk] == nil {
			r.company[chunk] = make(map[*bin]int)
		}
		r.company[chunk][b]++
	}
}

func (b *bin) add(c Component) {
	b.components = append(b.components, c)
	b.size += c.Size
	b.exclusive = b.exclusive || c.Exclusive
}

func smallest(bins []*bin) *bin {
	if len(bins) == 0 {
		return nil
	}
	return slices.MinFunc(bins, func(a, b *bin) int { return cmp.Compare(a.size, b.size) })
}
