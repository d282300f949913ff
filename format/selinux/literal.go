package selinux

import (
	"regexp/syntax"
	"strings"
)

// literalText returns what a pattern matches that has nothing special but escapes
// of characters that are no letters or digits.
func literalText(pattern string) (text string, ok bool) {
	var out strings.Builder
	for i := 0; i < len(pattern); i++ {
		c := pattern[i]
		if isMeta(c) || c == ')' {
			return "", false
		}
		if c == '\\' {
			if i++; i == len(pattern) || isAlnum(pattern[i]) {
				return "", false
			}
			c = pattern[i]
		}
		out.WriteByte(c)
	}
	return out.String(), true
}

func isAlnum(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// analyze finds the text that every path has which an expression matches, a
// sequence of parts.
func (p *pattern) analyze(sequence []*syntax.Regexp) {
	var l literals
	for _, re := range sequence {
		l.add(re)
	}
	l.cut()
	p.prefix += l.prefix
	p.parts, p.suffix = l.parts, l.suffix
}

// literals is literal text in the order of an expression.
type literals struct {
	prefix string   // from the beginning
	parts  []string // with anything before and between
	suffix string   // up to the end
	text   []byte   // of the current run
	open   bool     // something other than literal text has been seen
}

func (l *literals) add(re *syntax.Regexp) {
	switch {
	case re.Op == syntax.OpLiteral && re.Flags&syntax.FoldCase == 0:
		for _, r := range re.Rune {
			l.text = append(l.text, byte(r)) // translate lets only ASCII through
		}
	case re.Op == syntax.OpConcat || re.Op == syntax.OpCapture:
		for _, sub := range re.Sub {
			l.add(sub)
		}
	case re.Op == syntax.OpEmptyMatch:
	case re.Op == syntax.OpPlus:
		l.gap()
		l.add(re.Sub[0])
		l.gap()
	default:
		l.gap()
	}
}

// gap ends a run of literal text.
func (l *literals) gap() {
	switch {
	case !l.open:
		l.prefix = string(l.text)
	case len(l.text) > 0:
		l.parts = append(l.parts, string(l.text))
	}
	l.text, l.open = nil, true
}

// cut ends the expression.
func (l *literals) cut() {
	if l.open {
		l.suffix = string(l.text)
	} else {
		l.prefix = string(l.text)
	}
}
