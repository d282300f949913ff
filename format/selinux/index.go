package selinux

import (
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"sync"
)

// index finds the specification for a path. Of those in patterns the last that
// matches counts.
type index struct {
	patterns []pattern
	exact    map[string][]int // patterns without anything special, by the only path they match
	prefixes map[string][]int // other patterns, by the literal text they begin with
	lengths  []int            // of the prefixes, ascending
}

// newIndex puts plain patterns after all others.
func newIndex(specs []spec) (index, error) {
	x := index{exact: map[string][]int{}, prefixes: map[string][]int{}, patterns: make([]pattern, len(specs))}
	slices.SortStableFunc(specs, func(a, b spec) int {
		return rank(&a) - rank(&b)
	})
	for i := range specs {
		p := &x.patterns[i]
		if err := p.init(&specs[i]); err != nil {
			return x, specs[i].error(err)
		}
		if p.literal {
			x.exact[p.prefix] = append(x.exact[p.prefix], i)
			continue
		}
		x.prefixes[p.prefix] = append(x.prefixes[p.prefix], i)
		if at, found := slices.BinarySearch(x.lengths, len(p.prefix)); !found {
			x.lengths = slices.Insert(x.lengths, at, len(p.prefix))
		}
	}
	return x, nil
}

func rank(s *spec) int {
	if plain(s.pattern) {
		return 1
	}
	return 0
}

// lookup returns the context for a path, "" for none. kind is the type of the
// file, 0 when it is not known.
func (x *index) lookup(path string, kind uint32) string {
	var buf [128]int
	candidates := x.candidates(path, buf[:0])
	slices.Sort(candidates)
	s := &subject{path: path, simple: !strings.Contains(path, "\n")}
	for _, i := range slices.Backward(candidates) {
		if p := &x.patterns[i]; p.takes(kind) && p.matches(s) {
			return p.context
		}
	}
	return ""
}

// candidates appends the numbers of all patterns that can match.
func (x *index) candidates(path string, to []int) []int {
	to = append(to, x.exact[path]...)
	if line, ok := strings.CutSuffix(path, "\n"); ok {
		to = append(to, x.exact[line]...) // $ matches before it, too
	}
	for _, n := range x.lengths {
		if n > len(path) {
			break
		}
		to = append(to, x.prefixes[path[:n]]...)
	}
	return to
}

// pattern is a specification ready to be matched.
type pattern struct {
	kind    uint32
	context string

	prefix  string   // what a path has to begin with
	literal bool     // and nothing but that
	parts   []string // what has to follow, in this order
	suffix  string   // and at the end, after all parts
	stem    string   // what the path's stem has to be, of an expression with alternatives; "": anything

	expr   string
	once   sync.Once
	regexp *regexp.Regexp
}

func (p *pattern) init(s *spec) error {
	p.kind, p.context = s.kind, s.context
	if p.prefix, p.literal = literalText(s.pattern); p.literal {
		return nil
	}
	expr, alternatives, err := translate(s.pattern)
	if err != nil {
		return err
	}
	p.expr = "(?s)^" + expr + atEnd
	tree, err := syntax.Parse(p.expr, syntax.Perl)
	switch {
	case err != nil:
		return err
	case alternatives: // of which the first has no end, the last no beginning
		p.stem, _ = literalText(stem(s.pattern))
		p.prefix = p.stem
	default:
		// Without "^" and the two parts of atEnd: the parser makes one sequence of
		// all, (?:\n?\z) included.
		p.analyze(tree.Sub[1 : len(tree.Sub)-2])
	}
	return nil
}

// takes reports whether the specification is for files of a type.
func (p *pattern) takes(kind uint32) bool { return kind == 0 || p.kind == 0 || p.kind == kind }

func (p *pattern) matches(s *subject) bool {
	switch {
	case p.literal:
		return true
	case p.stem != "" && p.stem != stem(s.path), s.simple && !p.possible(s.path):
		return false
	}
	p.once.Do(func() { p.regexp = regexp.MustCompile(p.expr) })
	return p.regexp.MatchString(s.characters())
}

// possible looks for the literal text of the expression in a path that begins with
// the prefix.
func (p *pattern) possible(path string) bool {
	rest := path[len(p.prefix):]
	for _, part := range p.parts {
		at := strings.Index(rest, part)
		if at < 0 {
			return false
		}
		rest = rest[at+len(part):]
	}
	return strings.HasSuffix(rest, p.suffix)
}

// subject is a path being looked up.
type subject struct {
	path   string
	simple bool   // without a newline, at which an expression may end early
	chars  string // set by characters
}

// characters returns the path with a character for each byte: PCRE sees bytes where
// package regexp sees UTF-8.
func (s *subject) characters() string {
	if s.chars == "" {
		s.chars = latin1(s.path)
	}
	return s.chars
}

func latin1(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return r > 0x7f }) < 0 {
		return s
	}
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}
