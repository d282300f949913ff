package tree

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// PathFilter rewrites the paths of archive entries (ostree commit
// --tar-pathname-filter).
type PathFilter struct {
	re   *regexp.Regexp
	repl []replPart
}

// ParsePathFilter reads "REGEX,REPLACEMENT", split at the first comma. Every
// match of REGEX in a path is replaced. Paths are relative to the root, have no
// leading "./", and those of directories may end in a slash.
//
// The replacement has the escapes of GLib's g_regex_replace: \0 to \99, \g<N>
// and \g<NAME> for what a group matched; \l \u \L \U \E to change case; \n \t
// and the like, \xHH, \x{HHHH} and \0OO for characters. The regular expression is
// in Go's syntax: what GLib has besides, look-around and back-references, is an
// error.
func ParsePathFilter(s string) (*PathFilter, error) {
	expr, repl, ok := strings.Cut(s, ",")
	if !ok {
		return nil, errors.New("Missing ',' in --tar-pathname-filter") //nolint:staticcheck // libostree's text
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return nil, fmt.Errorf("--tar-pathname-filter: %w", err)
	}
	parts, err := parseReplacement(repl, re)
	if err != nil {
		return nil, fmt.Errorf("--tar-pathname-filter: replacement %q: %w", repl, err)
	}
	return &PathFilter{re, parts}, nil
}

func (f *PathFilter) rewrite(path string) string {
	if f == nil {
		return path
	}
	var out strings.Builder
	last := 0
	for _, match := range f.re.FindAllStringSubmatchIndex(path, -1) {
		out.WriteString(path[last:match[0]])
		expand(&out, f.repl, path, match)
		last = match[1]
	}
	out.WriteString(path[last:])
	return out.String()
}

// replPart is a piece of a replacement: text, what a group matched, or a change
// of case for what follows.
type replPart struct {
	text  string
	group int // -1: text; a group that is not there is empty
	to    caseChange
}

type caseChange byte

const (
	caseKeep  caseChange = 0
	caseNone  caseChange = 'E'
	caseUpper caseChange = 'U'
	caseLower caseChange = 'L'
	nextUpper caseChange = 'u'
	nextLower caseChange = 'l'
)

func expand(out *strings.Builder, parts []replPart, path string, match []int) {
	to := caseNone
	for _, p := range parts {
		text := p.text
		if p.to != caseKeep {
			to = p.to
			continue
		}
		if p.group >= 0 {
			text = group(path, match, p.group)
		}
		if text == "" {
			continue
		}
		text, to = changeCase(text, to)
		out.WriteString(text)
	}
}

func group(path string, match []int, n int) string {
	if 2*n+1 >= len(match) || match[2*n] < 0 {
		return ""
	}
	return path[match[2*n]:match[2*n+1]]
}

// changeCase returns text in the wanted case and the case for what follows.
func changeCase(text string, to caseChange) (string, caseChange) {
	first, n := utf8.DecodeRuneInString(text)
	switch to {
	case caseUpper:
		return strings.ToUpper(text), to
	case caseLower:
		return strings.ToLower(text), to
	case nextUpper:
		return string(unicode.ToUpper(first)) + text[n:], caseNone
	case nextLower:
		return string(unicode.ToLower(first)) + text[n:], caseNone
	}
	return text, to
}

func parseReplacement(s string, re *regexp.Regexp) ([]replPart, error) {
	var parts []replPart
	for s != "" {
		text, rest, escape := strings.Cut(s, `\`)
		if text != "" {
			parts = append(parts, replPart{text: text, group: -1})
		}
		if !escape {
			break
		}
		part, rest, err := parseEscape(rest, re)
		if err != nil {
			return nil, err
		}
		parts, s = append(parts, part), rest
	}
	return parts, nil
}

var charEscapes = map[byte]string{
	't': "\t", 'n': "\n", 'v': "\v", 'r': "\r", 'f': "\f", 'a': "\a", 'b': "\b", '\\': `\`,
}

// parseEscape reads what follows a backslash.
func parseEscape(s string, re *regexp.Regexp) (part replPart, rest string, err error) {
	if s == "" {
		return part, "", errors.New(`stray \ at the end`)
	}
	c, rest := s[0], s[1:]
	if text, ok := charEscapes[c]; ok {
		return replPart{text: text, group: -1}, rest, nil
	}
	switch c {
	case 'l', 'u', 'L', 'U', 'E':
		return replPart{to: caseChange(c)}, rest, nil
	case 'x':
		return parseHex(rest)
	case 'g':
		return parseNamed(rest, re)
	case '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		part, rest = parseNumber(s)
		return part, rest, nil
	}
	return part, "", fmt.Errorf(`unknown escape \%c`, c)
}

// parseHex reads HH or {H…} after \x.
func parseHex(s string) (replPart, string, error) {
	digits, rest := "", s
	if inner, ok := strings.CutPrefix(s, "{"); ok {
		if digits, rest, ok = strings.Cut(inner, "}"); !ok {
			return replPart{}, "", errors.New(`\x{ without }`)
		}
	} else {
		n := prefixLen(s, 2, "0123456789abcdefABCDEF")
		digits, rest = s[:n], s[n:]
	}
	r, err := strconv.ParseUint(digits, 16, 21)
	if err != nil || !utf8.ValidRune(rune(r)) {
		return replPart{}, "", fmt.Errorf(`\x with %q: not a character`, digits)
	}
	return replPart{text: string(rune(r)), group: -1}, rest, nil
}

// parseNamed reads <NAME> or <NUMBER> after \g.
func parseNamed(s string, re *regexp.Regexp) (replPart, string, error) {
	name, rest, ok := strings.Cut(strings.TrimPrefix(s, "<"), ">")
	if !ok || !strings.HasPrefix(s, "<") || name == "" {
		return replPart{}, "", errors.New(`\g without <group>`)
	}
	if n, err := strconv.ParseUint(name, 10, 16); err == nil {
		return replPart{group: int(n)}, rest, nil
	}
	n := re.SubexpIndex(name)
	if n < 0 {
		return replPart{}, "", fmt.Errorf(`\g<%s>: no group of that name`, name)
	}
	return replPart{group: n}, rest, nil
}

// parseNumber reads a group's number of up to two digits, or a character's
// octal code: three octal digits, or a 0 and one to three.
func parseNumber(s string) (replPart, string) {
	code := s
	if s[0] == '0' {
		code = s[1:]
	}
	n := prefixLen(code, 3, "01234567")
	if n == 3 || n > 0 && s[0] == '0' {
		r, _ := strconv.ParseUint(code[:n], 8, 16)
		return replPart{text: string(rune(r)), group: -1}, code[n:]
	}
	n = 1
	if s[0] != '0' {
		n = prefixLen(s, 2, "0123456789")
	}
	num, _ := strconv.Atoi(s[:n])
	return replPart{group: num}, s[n:]
}

// prefixLen counts the leading bytes of s, up to limit, that are in set.
func prefixLen(s string, limit int, set string) int {
	n := 0
	for n < len(s) && n < limit && strings.IndexByte(set, s[n]) >= 0 {
		n++
	}
	return n
}
