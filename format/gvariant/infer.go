package gvariant

import (
	"fmt"
	"strings"
)

// A pattern is the set of types that a piece of text can have.
type pattern struct {
	justs int  // so many maybes around the rest, at least
	open  bool // more of them are possible
	kind  byte // of the type, or one of the kinds below
	kids  []*pattern
}

const (
	anyKind    = '*' // nothing known, as of the elements of []
	numberKind = 'N' // any number
	stringKind = 'S' // s, o or g
)

// infer gives the text the type that is most natural: no maybes that are not asked for,
// i for a number and s for a string where nothing else is said.
func (n *node) infer() (Value, error) {
	pat, err := n.pattern()
	if err != nil {
		return Value{}, err
	}
	var t strings.Builder
	if !pat.write(&t) {
		return Value{}, n.errorf("unable to infer type")
	}
	d, err := describe(t.String())
	if err != nil {
		return Value{}, n.errorf("variant nested too deeply")
	}
	return n.build(d)
}

// write appends the most natural type of the pattern, and tells whether there is one.
func (p *pattern) write(t *strings.Builder) bool {
	t.WriteString(strings.Repeat("m", p.justs))
	switch p.kind {
	case anyKind:
		return false
	case numberKind:
		t.WriteByte('i')
	case stringKind:
		t.WriteByte('s')
	default:
		t.WriteByte(p.kind)
	}
	for _, kid := range p.kids {
		if !kid.write(t) {
			return false
		}
	}
	switch p.kind {
	case '(':
		t.WriteByte(')')
	case '{':
		t.WriteByte('}')
	}
	return true
}

// pattern returns what the text alone says about its type.
func (n *node) pattern() (*pattern, error) {
	switch n.kind {
	case numberNode:
		if isFloat(n.text) {
			return &pattern{open: true, kind: 'd'}, nil
		}
		return &pattern{open: true, kind: numberKind}, nil
	case boolNode:
		return &pattern{open: true, kind: 'b'}, nil
	case stringNode:
		return &pattern{open: true, kind: stringKind}, nil
	case bytesNode:
		return &pattern{open: true, kind: 'a', kids: []*pattern{{kind: 'y'}}}, nil
	case variantNode:
		return &pattern{open: true, kind: 'v'}, nil
	case declNode:
		return n.desc.pattern(), nil
	}
	return n.containerPattern()
}

// isFloat tells whether a number can only be a double.
func isFloat(s string) bool {
	return strings.Contains(s, ".") || strings.Contains(s, "inf") || strings.Contains(s, "nan") ||
		strings.Contains(s, "e") && !strings.HasPrefix(s, "0x")
}

// pattern returns the pattern of exactly one type.
func (d *descriptor) pattern() *pattern {
	p := &pattern{}
	for ; d.kind == 'm'; d = d.elem {
		p.justs++
	}
	p.kind = d.kind
	if d.kind == 'a' {
		p.kids = []*pattern{d.elem.pattern()}
	}
	for _, m := range d.members {
		p.kids = append(p.kids, m.pattern())
	}
	return p
}

func (n *node) containerPattern() (*pattern, error) {
	switch n.kind {
	case maybeNode:
		if len(n.kids) == 0 {
			return &pattern{justs: 1, kind: anyKind}, nil
		}
		p, err := n.kids[0].pattern()
		if err != nil {
			return nil, err
		}
		p.justs++
		return p, nil
	case arrayNode:
		elem, err := commonPattern(n.kids)
		return &pattern{open: true, kind: 'a', kids: []*pattern{elem}}, err
	case tupleNode:
		p := &pattern{open: true, kind: '('}
		for _, kid := range n.kids {
			member, err := kid.pattern()
			if err != nil {
				return nil, err
			}
			p.kids = append(p.kids, member)
		}
		return p, nil
	}
	return n.dictPattern()
}

// dictPattern returns the pattern of a dictionary or a dict entry. As in GLib, all keys
// count, but of the values only the first, which the others then have to follow.
func (n *node) dictPattern() (*pattern, error) {
	if len(n.kids) == 0 {
		entry := &pattern{kind: '{', kids: []*pattern{{kind: anyKind}, {kind: anyKind}}}
		return &pattern{open: true, kind: 'a', kids: []*pattern{entry}}, nil
	}
	key, err := commonPattern(n.keys())
	if err != nil {
		return nil, err
	}
	if key.justs > 0 || strings.IndexByte("ybnqiuxthdsogNS", key.kind) < 0 {
		return nil, n.errorf("dictionary keys must have basic types")
	}
	key.open = false
	value, err := n.kids[1].pattern()
	if err != nil {
		return nil, err
	}
	entry := &pattern{kind: '{', kids: []*pattern{key, value}}
	if n.kind == entryNode {
		entry.open = true
		return entry, nil
	}
	return &pattern{open: true, kind: 'a', kids: []*pattern{entry}}, nil
}

func (n *node) keys() []*node {
	var keys []*node
	for i := 0; i < len(n.kids); i += 2 {
		keys = append(keys, n.kids[i])
	}
	return keys
}

// commonPattern returns the pattern that all nodes match. Where there is none, two of
// them do not go together, and the error names these.
func commonPattern(nodes []*node) (*pattern, error) {
	common := &pattern{kind: anyKind}
	patterns := make([]*pattern, len(nodes))
	for i, n := range nodes {
		var err error
		if patterns[i], err = n.pattern(); err != nil {
			return nil, err
		}
		if i == 0 {
			common = patterns[0]
			continue
		}
		merged := unify(common, patterns[i])
		if merged != nil {
			common = merged
			continue
		}
		for j, other := range patterns[:i] {
			if unify(other, patterns[i]) == nil {
				return nil, fmt.Errorf("%v,%v:unable to find a common type", nodes[j].span, n.span)
			}
		}
		return nil, n.errorf("unable to find a common type")
	}
	return common, nil
}

// unify returns the pattern that matches what both match, nil when nothing does.
func unify(a, b *pattern) *pattern {
	if a.justs > b.justs {
		a, b = b, a
	}
	// a lies in fewer maybes: it can only match when it accepts to lie in more.
	if a.justs < b.justs && !a.open && a.kind != anyKind {
		return nil
	}
	switch {
	case a.kind == anyKind:
		return b
	case b.kind == anyKind:
		return &pattern{justs: b.justs, open: a.open, kind: a.kind, kids: a.kids}
	}
	kind, ok := unifyKind(a.kind, b.kind)
	if !ok || len(a.kids) != len(b.kids) {
		return nil
	}
	p := &pattern{justs: b.justs, open: a.open && b.open, kind: kind}
	for i := range a.kids {
		kid := unify(a.kids[i], b.kids[i])
		if kid == nil {
			return nil
		}
		p.kids = append(p.kids, kid)
	}
	return p
}

func unifyKind(a, b byte) (byte, bool) {
	const numbers, strs = "Nynqiuxthd", "Ssog"
	switch {
	case a == b:
		return a, true
	case a == numberKind:
		return b, strings.IndexByte(numbers, b) >= 0
	case b == numberKind:
		return a, strings.IndexByte(numbers, a) >= 0
	case a == stringKind:
		return b, strings.IndexByte(strs, b) >= 0
	case b == stringKind:
		return a, strings.IndexByte(strs, a) >= 0
	}
	return 0, false
}
