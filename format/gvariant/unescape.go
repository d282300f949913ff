package gvariant

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// letters are the escapes of one letter, in strings as in byte strings.
var letters = map[byte]byte{'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}

// contents returns what stands between the quotes of a token that starts with the
// given number of other characters. A NUL, which neither kind of string can hold, ends the
// text for GLib.
func contents(token string, prefix int, at span) (string, error) {
	quote := token[prefix]
	n := quotedLength(token, prefix)
	if n < prefix+2 || token[n-1] != quote || isEscaped(token, n-1) || strings.IndexByte(token, 0) >= 0 {
		return "", at.errorf("unterminated string constant")
	}
	return token[prefix+1 : n-1], nil
}

// isEscaped tells whether an odd number of backslashes precedes s[i].
func isEscaped(s string, i int) bool {
	n := 0
	for n < i && s[i-1-n] == '\\' {
		n++
	}
	return n%2 == 1
}

func unescapeString(token string, at span) (string, error) {
	s, err := contents(token, 0, at)
	if err != nil {
		return "", err
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out = append(out, s[i])
			continue
		}
		i++
		switch c := s[i]; {
		case c == 'u' || c == 'U':
			n := 4
			if c == 'U' {
				n = 8
			}
			r, err := unescapeRune(s[i+1:], n, at.start+i+2)
			if err != nil {
				return "", err
			}
			out = utf8.AppendRune(out, r)
			i += n
		default:
			out = appendEscaped(out, c)
		}
	}
	if !utf8.Valid(out) {
		return "", at.errorf("string is not UTF-8")
	}
	return string(out), nil
}

// appendEscaped appends what a backslash and c stand for: nothing for a newline, c itself
// where it has no other meaning.
func appendEscaped(out []byte, c byte) []byte {
	if c == '\n' {
		return out
	}
	if letter, ok := letters[c]; ok {
		c = letter
	}
	return append(out, c)
}

// unescapeRune reads a character of n hexadecimal digits, which stand at pos.
func unescapeRune(s string, n, pos int) (rune, error) {
	digits := min(lengthOf(s, isHex), n)
	code, _ := strconv.ParseUint(s[:digits], 16, 64)
	if digits < n || code == 0 || code > utf8.MaxRune || !utf8.ValidRune(rune(code)) {
		return 0, span{pos, pos + digits}.errorf("invalid %d-character unicode escape", n)
	}
	return rune(code), nil
}

func isHex(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

// unescapeBytes returns the bytes of a token b'…' with the NUL that ends them. An escaped
// NUL ends them too, as in GLib.
func unescapeBytes(token string, at span) (string, error) {
	s, err := contents(token, 1, at)
	if err != nil {
		return "", err
	}
	out := make([]byte, 0, len(s)+1)
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out = append(out, s[i])
			continue
		}
		i++
		if !isOctal(s[i]) {
			out = appendEscaped(out, s[i])
			continue
		}
		digits := s[i:min(i+3, len(s))]
		digits = digits[:lengthOf(digits, isOctal)]
		code, _ := strconv.ParseUint(digits, 8, 64)
		out = append(out, byte(code))
		i += len(digits) - 1
	}
	out, _, _ = bytes.Cut(out, []byte{0})
	return string(append(out, 0)), nil
}

func isOctal(c byte) bool { return '0' <= c && c <= '7' }
