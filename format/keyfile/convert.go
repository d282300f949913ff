package keyfile

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// NotFoundError tells that a group, or a key in it, is not there.
type NotFoundError struct {
	Group string
	Key   string // empty when the group itself is missing
}

// Error returns the message of GLib.
func (e *NotFoundError) Error() string {
	if e.Key == "" {
		return fmt.Sprintf("Key file does not have group “%s”", e.Group)
	}
	return fmt.Sprintf("Key file does not have key “%s” in group “%s”", e.Key, e.Group)
}

// ValueError tells that the value of a key is not what was asked for.
type ValueError struct {
	Group, Key string
	Value      string // as it stands in the file
	fault      string // what is wrong with it, as what follows "it"
}

// Error returns the message of GLib, and then what is wrong.
func (e *ValueError) Error() string {
	return fmt.Sprintf("Key file contains key “%s” which has a value that cannot be interpreted: “%s” in group “%s” %s",
		e.Key, valid(e.Value), e.Group, e.fault)
}

// Lookup is String with an error of type *[NotFoundError] where the key is missing.
func (f *File) Lookup(group, key string) (string, error) {
	text, ok, err := f.String(group, key)
	switch {
	case err != nil || ok:
		return text, err
	case f.index[group] == nil || group == "":
		return "", &NotFoundError{Group: group}
	}
	return "", &NotFoundError{Group: group, Key: key}
}

// String returns the text that a key has for a value, and whether the key is there.
// Wrong escapes, and a text that is not UTF-8, are errors of type *[ValueError].
func (f *File) String(group, key string) (string, bool, error) {
	value, ok := f.Value(group, key)
	if !ok {
		return "", false, nil
	}
	items, err := unescape(value, false)
	if err != nil {
		return "", true, &ValueError{group, key, value, err.Error()}
	}
	return items[0], true, nil
}

// List returns the items of a list, where ";" stands after each item or only between
// them. The list of a missing key is nil. Errors are of type *[ValueError].
func (f *File) List(group, key string) ([]string, error) {
	value, ok := f.Value(group, key)
	if !ok {
		return nil, nil
	}
	items, err := unescape(value, true)
	if err != nil {
		return nil, &ValueError{group, key, value, err.Error()}
	}
	if n := len(items) - 1; items[n] == "" {
		items = items[:n]
	}
	return items, nil
}

// Bool returns the value of a key that is "true", "1", "false" or "0", perhaps with blanks
// at the end, and def when the key is missing. Any other value is an error of type
// *[ValueError].
func (f *File) Bool(group, key string, def bool) (bool, error) {
	value, ok := f.Value(group, key)
	if !ok {
		return def, nil
	}
	switch strings.TrimRight(value, space) {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, &ValueError{group, key, value, "is not a boolean"}
}

// Int returns the value of a key that is a decimal number of 32 bits, and def when the
// key is missing. As in GLib, what follows a blank after the number does not count. Any
// other value is an error of type *[ValueError].
func (f *File) Int(group, key string, def int) (int, error) {
	value, ok := f.Value(group, key)
	if !ok {
		return def, nil
	}
	digits := strings.TrimLeft(value, space)
	if i := strings.IndexAny(digits, space); i >= 0 {
		digits = digits[:i]
	}
	n, err := strconv.ParseInt(digits, 10, 32)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, &ValueError{group, key, value, "is out of range"}
	case err != nil:
		return 0, &ValueError{group, key, value, "is not a number"}
	}
	return int(n), nil
}

// unescape resolves the escapes of a value. A list is cut at each ";" without a
// backslash; otherwise there is one item.
func unescape(value string, list bool) ([]string, error) {
	if !utf8.ValidString(value) {
		return nil, errors.New("is not UTF-8")
	}
	var items []string
	item := make([]byte, 0, len(value))
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case c == '\\':
			i++
			if i == len(value) {
				return nil, errors.New("ends with an escape character")
			}
			if c = unescapeByte(value[i], list); c == 0 {
				return nil, fmt.Errorf("has an invalid escape sequence at byte %d", i-1)
			}
		case c == ';' && list:
			items = append(items, string(item))
			item = item[:0]
			continue
		}
		item = append(item, c)
	}
	return append(items, string(item)), nil
}

// unescapeByte returns what a backslash and c stand for, 0 for nothing.
func unescapeByte(c byte, list bool) byte {
	switch c {
	case 's':
		return ' '
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	case '\\':
		return c
	case ';':
		if list {
			return c
		}
	}
	return 0
}

// escape is the reverse of unescape. Blanks need it only at the start, where they would
// be taken for those around the "=".
func escape(text string, item bool) string {
	var b strings.Builder
	leading := true
	for _, c := range []byte(text) {
		switch {
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == ' ' && leading:
			b.WriteString(`\s`)
		case c == '\t' && leading:
			b.WriteString(`\t`)
		case c == ';' && item:
			b.WriteString(`\;`)
			leading = true
		case c == '\\':
			b.WriteString(`\\`)
			leading = false
		default:
			b.WriteByte(c)
			leading = false
		}
	}
	return b.String()
}
