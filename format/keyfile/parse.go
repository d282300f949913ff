package keyfile

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ParseError tells why a text is not a key file. Its message is that of GLib.
type ParseError struct {
	Line    int // counted from 1
	Message string
}

func (e *ParseError) Error() string { return e.Message }

// Parse reads a key file. Groups that occur several times become one. Errors in the text
// are of type *[ParseError].
func Parse(data []byte) (*File, error) {
	f := New()
	p := parser{file: f, current: f.groups[0]}
	for number := 1; len(data) > 0; number++ {
		text, rest, complete := bytes.Cut(data, []byte{'\n'})
		if complete {
			text = bytes.TrimSuffix(text, []byte{'\r'})
		}
		if err := p.line(string(text)); err != nil {
			return nil, &ParseError{Line: number, Message: err.Error()}
		}
		data = rest
	}
	return f, nil
}

type parser struct {
	file    *File
	current *group
}

func (p *parser) line(text string) error {
	trimmed := strings.TrimLeft(text, space)
	switch {
	case strings.Contains(text, "\x00"): // which no text has, and GLib would cut off
	case trimmed == "" || trimmed[0] == '#':
		p.current.lines = append(p.current.lines, line{value: text})
		return nil
	case isHeader(trimmed):
		return p.header(strings.TrimRight(trimmed, " \t"))
	case strings.IndexByte(trimmed, '=') > 0:
		return p.pair(trimmed)
	}
	return fmt.Errorf("Key file contains line “%s” which is not a key-value pair, group, or comment", valid(text))
}

// space holds the characters that g_ascii_isspace accepts.
const space = " \t\n\f\r"

// isHeader tells whether a line is "[" and "]" with anything between, and nothing but
// blanks after it.
func isHeader(text string) bool {
	end := strings.IndexByte(text, ']')
	return text[0] == '[' && end > 0 && strings.Trim(text[end+1:], " \t") == ""
}

// header starts a group, or returns to one.
func (p *parser) header(text string) error {
	name := text[1 : len(text)-1]
	if !isGroupName(name) {
		return fmt.Errorf("Invalid group name: %s", valid(name))
	}
	above := p.current.lines
	if p.current = p.file.index[name]; p.current != nil {
		return nil
	}
	p.current = p.file.addGroup(name)
	p.current.attached = len(above) > 0 && above[len(above)-1].isComment()
	return nil
}

func (p *parser) pair(text string) error {
	if p.current.name == "" {
		return fmt.Errorf("Key file does not start with a group")
	}
	key, value, _ := strings.Cut(text, "=")
	key = strings.TrimRight(key, space)
	value = strings.TrimLeft(value, space)
	if !isKeyName(key) {
		return fmt.Errorf("Invalid key name: %s", valid(key))
	}
	if key == "Encoding" && p.current == p.file.groups[1] && !strings.EqualFold(value, "UTF-8") {
		return fmt.Errorf("Key file contains unsupported encoding “%s”", valid(value))
	}
	p.current.lines = append(p.current.lines, line{key, value})
	return nil
}

// valid returns s with what is not UTF-8 replaced.
func valid(s string) string { return strings.ToValidUTF8(s, "\ufffd") }

func isGroupName(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return r == '[' || r == ']' || r < 0x20 || r == 0x7f
	}) < 0
}

// isKeyName tells whether s can stand before a "=": any text without brackets, not
// enclosed in spaces, and perhaps a language in brackets at the end.
func isKeyName(s string) bool {
	name, language, localized := strings.Cut(s, "[")
	if name == "" || name[0] == ' ' || name[len(name)-1] == ' ' || strings.ContainsAny(name, "=]") {
		return false
	}
	if !localized {
		return true
	}
	language, closed := strings.CutSuffix(language, "]")
	return closed && strings.IndexFunc(language, func(r rune) bool {
		return r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsNumber(r) && !strings.ContainsRune("-_.@", r)
	}) < 0
}

// checkNames tells whether a group and a key would be read again as what they are.
func checkNames(group, key string) error {
	if !isGroupName(group) {
		return fmt.Errorf("keyfile: invalid group name %q", group)
	}
	if !isKeyName(key) || strings.Trim(key, space) != key || key[0] == '#' || strings.ContainsAny(key, "\n\x00") {
		return fmt.Errorf("keyfile: invalid key name %q in group %q", key, group)
	}
	return nil
}
