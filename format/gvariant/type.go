package gvariant

import (
	"fmt"
	"strings"
)

// Type is a GVariant type string: one complete, definite type such as "s", "a{sv}"
// or "(a(say)a(sayay))".
type Type string

// maxDepth is how deep containers may nest, in a type string and, counted through
// variants, in a value (GLib's G_VARIANT_MAX_RECURSION_DEPTH).
const maxDepth = 128

// maxTypeLength bounds a type string, because a descriptor takes many times the
// memory of its string. GLib has no such bound; D-Bus stops at 255.
const maxTypeLength = 16 << 10

// ParseType checks that s is a single complete and definite type: the indefinite types
// "*", "?" and "r", several types in a row, containers nested deeper than 128 and
// strings above 16 KiB are errors.
func ParseType(s string) (Type, error) {
	if _, err := describe(s); err != nil {
		return "", err
	}
	return Type(s), nil
}

// A descriptor is a parsed type: what the layout of its values depends on.
type descriptor struct {
	typ     Type
	kind    byte // first character of typ
	depth   int  // levels of containers, with a basic type being one, and the unit type none
	mask    int  // alignment - 1
	fixed   int  // size in bytes of every value, 0 when values differ in size
	elem    *descriptor
	members []member
	frames  int // framing offsets at the end of a tuple or dict entry
}

// A member says where a child of a tuple or dict entry lies. With end being the stored
// end of the last variable-size member before it (0 when there is none) it starts at
//
//	roundUp(end+pre, mask) + post
//
// which folds the sizes and paddings of all fixed-size members since then.
type member struct {
	*descriptor
	frame           int // how many framing offsets belong to members before this one
	pre, mask, post int
	framed          bool // whether a framing offset stores where it ends
}

// basic holds the descriptors of the types that are a single character.
var basic = func() (t [128]*descriptor) {
	for kind, size := range map[byte]int{
		'y': 1, 'b': 1, 'n': 2, 'q': 2, 'i': 4, 'u': 4, 'h': 4, 'x': 8, 't': 8, 'd': 8,
		's': 0, 'o': 0, 'g': 0, 'v': 0,
	} {
		t[kind] = &descriptor{typ: Type(rune(kind)), kind: kind, depth: 1, mask: max(size-1, 0), fixed: size}
	}
	t['v'].mask = 7
	return t
}()

// unit describes the tuple without members, whose only value is a zero byte.
var unit = &descriptor{typ: "()", kind: '(', fixed: 1}

func isBasic(kind byte) bool { return strings.IndexByte("ybnqiuhxtdsog", kind) >= 0 }

// describeString parses a whole type string.
func describeString(s string) (*descriptor, error) {
	if len(s) > maxTypeLength {
		return nil, fmt.Errorf("gvariant: type string of %d bytes is too long", len(s))
	}
	d, rest, ok := scan(s, maxDepth)
	if !ok || rest != "" {
		return nil, fmt.Errorf("gvariant: invalid type string %q", s)
	}
	return d, nil
}

// scan parses the first complete type of s and returns what follows it.
func scan(s string, depth int) (d *descriptor, rest string, ok bool) {
	if s == "" || s[0] >= 128 {
		return nil, s, false
	}
	kind := s[0]
	if d := basic[kind]; d != nil {
		return d, s[1:], true
	}
	switch kind {
	case 'a', 'm':
		if depth == 0 {
			return nil, s, false
		}
		elem, rest, ok := scan(s[1:], depth-1)
		if !ok {
			return nil, s, false
		}
		return newSequence(Type(s[:len(s)-len(rest)]), elem), rest, true
	case '(':
		return scanMembers(s, ')', depth)
	case '{':
		if len(s) < 2 || !isBasic(s[1]) {
			return nil, s, false
		}
		d, rest, ok := scanMembers(s, '}', depth)
		return d, rest, ok && len(d.members) == 2
	}
	return nil, s, false
}

// scanMembers parses a tuple or a dict entry; close is the bracket that ends it.
func scanMembers(s string, close byte, depth int) (d *descriptor, rest string, ok bool) {
	var members []*descriptor
	rest = s[1:]
	for rest != "" && rest[0] != close {
		var m *descriptor
		if depth == 0 {
			return nil, s, false
		}
		if m, rest, ok = scan(rest, depth-1); !ok {
			return nil, s, false
		}
		members = append(members, m)
	}
	if rest == "" {
		return nil, s, false
	}
	rest = rest[1:]
	return newTuple(Type(s[:len(s)-len(rest)]), members), rest, true
}

// newSequence describes an array or a maybe.
func newSequence(t Type, elem *descriptor) *descriptor {
	return &descriptor{typ: t, kind: t[0], depth: elem.depth + 1, mask: elem.mask, elem: elem}
}

// newTuple describes a tuple or a dict entry.
func newTuple(t Type, members []*descriptor) *descriptor {
	if len(members) == 0 {
		return unit
	}
	d := &descriptor{typ: t, kind: t[0], members: make([]member, len(members))}
	var pos member // where the next member starts
	for i, m := range members {
		pos.align(m.mask)
		pos.descriptor = m
		pos.framed = m.fixed == 0 && i < len(members)-1
		d.members[i] = pos
		d.depth = max(d.depth, m.depth+1)
		d.mask |= m.mask
		pos.post += m.fixed
		if pos.framed {
			d.frames++
			pos = member{frame: d.frames}
		}
	}
	if d.frames == 0 && pos.fixed > 0 {
		d.fixed = roundUp(pos.start(0), d.mask)
	}
	return d
}

// align moves the position to a multiple of mask+1. Up to the largest alignment so far
// the base is known to be aligned, so only post changes; a larger one has to
// be applied to the sum of all that precedes.
func (m *member) align(mask int) {
	if mask <= m.mask {
		m.post = roundUp(m.post, mask)
		return
	}
	m.pre += roundUp(m.post, m.mask)
	m.mask = mask
	m.post = 0
}

// start returns where the member starts when the variable-size member before it ends
// at end.
func (m *member) start(end int) int { return roundUp(end+m.pre, m.mask) + m.post }

func roundUp(n, mask int) int { return (n + mask) &^ mask }
