package selinux

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// translation is an expression in the syntax of PCRE on its way to that of package
// regexp.
type translation struct {
	in   string
	pos  int
	out  strings.Builder
	open int // groups

	repeatable   bool // what was written last can be followed by a quantifier
	alternatives bool // the whole expression is several
}

// translate returns what package regexp has to be given, with the flags Perl and
// DotNL, to match as PCRE does with PCRE2_DOTALL; alternatives reports whether
// the expression is several at its top level. Bytes of a path stand for the
// characters of their numbers.
func translate(pattern string) (expr string, alternatives bool, err error) {
	t := &translation{in: pattern}
	for t.pos < len(t.in) && err == nil {
		err = t.next()
	}
	if err == nil && t.open > 0 {
		err = errors.New("missing )")
	}
	if err != nil {
		return "", false, fmt.Errorf("expression %q: %w", pattern, err)
	}
	return t.out.String(), t.alternatives, nil
}

func (t *translation) rest() string { return t.in[t.pos:] }

// emit writes s in place of n characters of the input.
func (t *translation) emit(n int, s string, repeatable bool) error {
	t.pos += n
	t.out.WriteString(s)
	t.repeatable = repeatable
	return nil
}

func (t *translation) next() error {
	switch c := t.in[t.pos]; c {
	case '\\':
		return t.escape()
	case '[':
		return t.class()
	case '(':
		return t.group()
	case ')':
		if t.open--; t.open < 0 {
			return errors.New("unmatched )")
		}
		return t.emit(1, ")", true)
	case '|':
		t.alternatives = t.alternatives || t.open == 0
		return t.emit(1, "|", false)
	case '*', '+', '?':
		return t.quantifier(string(c))
	case '{':
		return t.braces()
	case '^':
		return t.emit(1, "^", false)
	case '$':
		return t.end()
	case '.':
		return t.emit(1, ".", true)
	default:
		return t.emit(1, regexp.QuoteMeta(string(c)), true)
	}
}

// atEnd is what $ means to PCRE: the end, or before a newline that is the end.
const atEnd = `(?:\n?\z)`

// end translates $, where nothing can come after it.
func (t *translation) end() error {
	rest := t.rest()[1:]
	if strings.Trim(rest, ")") != "" && (t.open > 0 || rest[0] != '|') {
		return errors.New("$ that is not at the end is not supported")
	}
	return t.emit(1, atEnd, false)
}

func (t *translation) quantifier(q string) error {
	if !t.repeatable {
		return fmt.Errorf("quantifier %s has nothing to repeat", q)
	}
	n := len(q)
	switch rest := t.rest()[n:]; {
	case strings.HasPrefix(rest, "+"):
		return fmt.Errorf("possessive quantifier %s+ is not supported", q)
	case strings.HasPrefix(rest, "?"):
		n++ // lazy; what matches as a whole is the same
	}
	return t.emit(n, q, false)
}

// braces translates a counted quantifier, or a brace that is none.
func (t *translation) braces() error {
	inner, _, closed := strings.Cut(t.rest()[1:], "}")
	least, most, ranged := strings.Cut(inner, ",")
	switch {
	case !closed || !digits(least) || !digits(most):
		return t.emit(1, `\{`, true)
	case least == "" && ranged:
		return fmt.Errorf("{%s} means different things to different versions of PCRE", inner)
	case least == "":
		return t.emit(1, `\{`, true)
	}
	return t.quantifier("{" + inner + "}")
}

// digits reports whether s is digits only, none included.
func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// group translates the beginning of a group.
func (t *translation) group() error {
	rest := t.rest()
	switch {
	case strings.HasPrefix(rest, "(*"):
		return errors.New("verbs are not supported")
	case !strings.HasPrefix(rest, "(?"):
		t.open++
		return t.emit(1, "(", false)
	case strings.HasPrefix(rest, "(?#"):
		end := strings.IndexByte(rest, ')')
		if end < 0 {
			return errors.New("missing ) after (?#")
		}
		t.pos += end + 1
		return nil
	}
	rest = rest[2:]
	end := strings.IndexAny(rest, ":)")
	if end < 0 || strings.Trim(rest[:end], "is-") != "" || strings.Count(rest[:end], "-") > 1 || strings.HasSuffix(rest[:end], "-") {
		return fmt.Errorf("group (?%.8s is not supported", rest)
	}
	if rest[end] == ':' {
		t.open++
	} else if end == 0 {
		return t.emit(len("(?)"), "", t.repeatable)
	}
	return t.emit(2+end+1, "(?"+rest[:end+1], false)
}

// escape translates what a backslash begins, outside of a class.
func (t *translation) escape() error {
	if t.pos+1 == len(t.in) {
		return errors.New(`\ at the end`)
	}
	c := t.in[t.pos+1]
	if s, ok := escapes[c]; ok {
		return t.emit(2, s, true)
	}
	switch c {
	case 'A', 'z', 'b', 'B':
		return t.emit(2, `\`+string(c), false)
	case 'E':
		t.pos += 2 // ends what has not begun
		return nil
	case 'Q':
		text, _, _ := strings.Cut(t.rest()[2:], `\E`)
		return t.emit(2+len(text), regexp.QuoteMeta(text), text != "" || t.repeatable)
	}
	char, n, err := t.escaped()
	if err != nil {
		return err
	}
	return t.emit(n, regexp.QuoteMeta(string(rune(char))), true)
}

// escapes are sets of characters. \s is without the vertical tab in package regexp.
var escapes = map[byte]string{
	'd': `\d`, 'D': `\D`, 'w': `\w`, 'W': `\W`, 's': `[\t-\r ]`, 'S': `[^\t-\r ]`, 'N': `[^\n]`,
	'h': `[\t \x{A0}]`, 'H': `[^\t \x{A0}]`, 'v': `[\n-\r\x{85}]`, 'V': `[^\n-\r\x{85}]`,
}

// controls are characters that have an escape, inside a class too.
var controls = map[byte]byte{'a': '\a', 'e': 0x1b, 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

// escaped reads the escape of a single character, n characters long.
func (t *translation) escaped() (char byte, n int, err error) {
	c := t.in[t.pos+1]
	switch control, ok := controls[c]; {
	case ok:
		return control, 2, nil
	case c == 'x':
		return t.hex()
	case isAlnum(c):
		return 0, 0, fmt.Errorf(`\%c is not supported`, c)
	}
	return c, 2, nil
}

// hex reads \xHH or \x{H}. Only ASCII is taken, so that case and classes mean the
// same to both libraries.
func (t *translation) hex() (char byte, n int, err error) {
	text := t.rest()[2:]
	if inner, ok := strings.CutPrefix(text, "{"); ok {
		text, _, ok = strings.Cut(inner, "}")
		n = 2 + len(text) + 2
		if !ok {
			return 0, 0, errors.New(`missing } after \x{`)
		}
	} else {
		text = text[:min(len(text), 2)]
		n = 2 + len(text)
	}
	v, err := strconv.ParseUint(text, 16, 32)
	if err != nil || v > 0x7f {
		return 0, 0, fmt.Errorf(`\x%s is not supported`, text)
	}
	return byte(v), n, nil
}
