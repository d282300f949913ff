package gvariant

import (
	"fmt"
	"strings"
)

// A span is a range of bytes in the text being parsed.
type span struct{ start, end int }

func (s span) String() string {
	if s.start == s.end {
		return fmt.Sprint(s.start)
	}
	return fmt.Sprintf("%d-%d", s.start, s.end)
}

// errorf returns an error as g_variant_parse words them: "0-3:unknown keyword".
func (s span) errorf(format string, args ...any) error {
	return fmt.Errorf("%v:%s", s, fmt.Sprintf(format, args...))
}

// tokens cuts the text into tokens. The current one is text[at.start:at.end]; at the end
// of the text it is empty.
type tokens struct {
	text string
	at   span
	prev int // end of the token before
}

func newTokens(text string) *tokens {
	t := &tokens{text: text}
	t.cut()
	return t
}

func (t *tokens) token() string { return t.text[t.at.start:t.at.end] }

// is tells whether the current token is s.
func (t *tokens) is(s string) bool { return t.token() == s }

// next moves to the next token.
func (t *tokens) next() {
	t.prev = t.at.end
	t.cut()
}

// accept moves on when the current token is s.
func (t *tokens) accept(s string) bool {
	if !t.is(s) {
		return false
	}
	t.next()
	return true
}

// require is accept for a token that has to be there.
func (t *tokens) require(s, purpose string) error {
	if t.accept(s) {
		return nil
	}
	return t.here().errorf("expected '%s'%s", s, purpose)
}

// here is the position of the current token, for errors about one that is missing.
func (t *tokens) here() span { return span{t.at.start, t.at.start} }

func (t *tokens) cut() {
	start := t.at.end
	for start < len(t.text) && isSpace(t.text[start]) {
		start++
	}
	t.at = span{start, start + tokenLength(t.text[start:])}
}

func tokenLength(s string) int {
	switch {
	case s == "":
		return 0
	case isQuote(s[0]):
		return quotedLength(s, 0)
	case isByteStringToken(s):
		return quotedLength(s, 1)
	case s[0] == '@':
		return declarationLength(s)
	case isLower(s[0]):
		return lengthOf(s, isAlnum)
	case isNumberStart(s[0]):
		return lengthOf(s, func(c byte) bool { return isAlnum(c) || strings.IndexByte("+-.", c) >= 0 })
	}
	return 1
}

// lengthOf counts the bytes at the start of s that belong.
func lengthOf(s string, belongs func(byte) bool) int {
	n := 0
	for n < len(s) && belongs(s[n]) {
		n++
	}
	return n
}

// quotedLength returns the length of a token whose opening quote is s[i], which is all
// of s when the closing one is missing.
func quotedLength(s string, i int) int {
	quote := s[i]
	for i++; i < len(s); i++ {
		switch s[i] {
		case quote:
			return i + 1
		case '\\':
			i++
		}
	}
	return len(s)
}

// declarationLength returns the length of an "@" with a type string, which ends at a
// space, at a character that cannot be part of a type, and at a bracket that closes
// something else.
func declarationLength(s string) int {
	open := 0
	for i, c := range []byte(s) {
		switch {
		case isSpace(c) || strings.IndexByte(",:>]", c) >= 0:
			return i
		case c == '(' || c == '{':
			open++
		case c == ')' || c == '}':
			if open == 0 {
				return i
			}
			open--
		}
	}
	return len(s)
}

func isByteStringToken(s string) bool { return len(s) > 1 && s[0] == 'b' && isQuote(s[1]) }

// isKeyword tells whether a token is a word. Those with a digit second are nothing.
func isKeyword(s string) bool { return len(s) > 1 && isAlpha(s[0]) && isAlpha(s[1]) }

func isNumberStart(c byte) bool { return isDigit(c) || c == '-' || c == '+' || c == '.' }

func isSpace(c byte) bool { return strings.IndexByte(" \t\n\f\r", c) >= 0 }
func isQuote(c byte) bool { return c == '\'' || c == '"' }
func isDigit(c byte) bool { return '0' <= c && c <= '9' }
func isLower(c byte) bool { return 'a' <= c && c <= 'z' }
func isAlpha(c byte) bool { return isLower(c | 0x20) }
func isAlnum(c byte) bool { return isAlpha(c) || isDigit(c) }
