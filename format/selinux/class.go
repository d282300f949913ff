package selinux

import (
	"errors"
	"fmt"
	"strings"
)

// class translates a character class, from [ to ].
func (t *translation) class() error {
	begin := t.pos
	t.pos++
	t.out.WriteString("[")
	if strings.HasPrefix(t.rest(), "^") {
		t.pos++
		t.out.WriteString("^")
	}
	for first := true; first || !strings.HasPrefix(t.rest(), "]"); first = false {
		if t.pos == len(t.in) {
			return fmt.Errorf("missing ] after %q", t.in[begin:])
		}
		if err := t.member(); err != nil {
			return err
		}
	}
	return t.emit(1, "]", true)
}

// member translates a member of a class: a set, a character or a range.
func (t *translation) member() error {
	if done, err := t.set(); done || err != nil {
		return err
	}
	low, err := t.char()
	if err != nil {
		return err
	}
	rest := t.rest()
	if len(rest) < 2 || rest[0] != '-' || rest[1] == ']' {
		t.writeRange(low, low)
		return nil
	}
	t.pos++
	if isSet(t.rest()) {
		return fmt.Errorf("range that ends in a set in a class before %q", t.rest())
	}
	high, err := t.char()
	if err != nil {
		return err
	}
	if high < low {
		return fmt.Errorf("range %c-%c is out of order", low, high)
	}
	t.writeRange(low, high)
	return nil
}

func (t *translation) writeRange(low, high byte) {
	fmt.Fprintf(&t.out, `\x%02X-\x%02X`, low, high)
}

// classEscapes are the escapes that are sets in a class, too.
const classEscapes = "dDwWsShHvV"

func isSet(s string) bool {
	return len(s) > 1 && (s[0] == '\\' && strings.IndexByte(classEscapes, s[1]) >= 0 || isNamed(s))
}

// isNamed reports whether s begins with a set by name, like [:alpha:].
func isNamed(s string) bool {
	if len(s) < 2 || s[0] != '[' || strings.IndexByte(":.=", s[1]) < 0 {
		return false
	}
	name, _, ok := strings.Cut(s[2:], s[1:2]+"]")
	return ok && !strings.ContainsAny(name, `]\`)
}

// set translates a set in a class, if one is next.
func (t *translation) set() (done bool, err error) {
	rest := t.rest()
	switch {
	case !isSet(rest):
		return false, nil
	case rest[0] == '[':
		return true, t.named()
	}
	s, ok := setsInClass[rest[1]]
	if !ok {
		return false, fmt.Errorf(`\%c in a class is not supported`, rest[1])
	}
	err = t.emit(2, s, true)
	if next := t.rest(); len(next) > 1 && next[0] == '-' && next[1] != ']' {
		err = errors.New("range that begins with a set in a class")
	}
	return true, err
}

// setsInClass are escapes as part of a class.
var setsInClass = map[byte]string{
	'd': `\d`, 'D': `\D`, 'w': `\w`, 'W': `\W`, 's': `\t-\r `, 'S': `\x00-\x08\x0E-\x1F\x21-\x{FF}`, 'h': `\t \x{A0}`, 'v': `\n-\r\x{85}`,
}

var setNames = map[string]bool{
	"alnum": true, "alpha": true, "ascii": true, "blank": true, "cntrl": true, "digit": true, "graph": true, "lower": true,
	"print": true, "punct": true, "space": true, "upper": true, "word": true, "xdigit": true,
}

func (t *translation) named() error {
	rest := t.rest()
	name, _, _ := strings.Cut(rest[2:], rest[1:2]+"]")
	if rest[1] != ':' || !setNames[strings.TrimPrefix(name, "^")] {
		return fmt.Errorf("unknown set [%c%s%c] in a class", rest[1], name, rest[1])
	}
	text := "[:" + name + ":]"
	return t.emit(len(text), text, true)
}

// char reads one character of a class.
func (t *translation) char() (byte, error) {
	rest := t.rest()
	switch {
	case rest == "":
		return 0, errors.New("missing ]")
	case rest[0] != '\\':
		t.pos++
		return rest[0], nil
	case len(rest) == 1:
		return 0, errors.New(`\ at the end`)
	case rest[1] == 'b':
		t.pos += 2
		return '\b', nil
	}
	c, n, err := t.escaped()
	t.pos += n
	return c, err
}
