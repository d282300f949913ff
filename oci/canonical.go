package oci

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"unicode/utf16"
)

// CanonicalJSON returns the JSON form of v that RFC 8785 prescribes: no white
// space, members sorted by the UTF-16 code units of their names, strings and
// numbers as ECMAScript prints them. v is anything encoding/json can encode,
// including [json.RawMessage].
//
// A repeated member name, and an integer that a double cannot hold exactly, are
// errors: RFC 8785 has no form for them that would keep their value.
func CanonicalJSON(v any) ([]byte, error) {
	// Encoding first also checks a RawMessage, including its depth of nesting.
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	dec := json.NewDecoder(bytes.NewReader(plain))
	dec.UseNumber()
	return appendValue(nil, dec)
}

func appendValue(dst []byte, dec *json.Decoder) ([]byte, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '{' {
			return appendObject(dst, dec)
		}
		return appendArray(dst, dec)
	case string:
		return appendString(dst, t), nil
	case json.Number:
		return appendNumber(dst, t.String())
	case bool:
		return strconv.AppendBool(dst, t), nil
	}
	return append(dst, "null"...), nil
}

func appendArray(dst []byte, dec *json.Decoder) (_ []byte, err error) {
	dst = append(dst, '[')
	for first := true; dec.More(); first = false {
		if !first {
			dst = append(dst, ',')
		}
		if dst, err = appendValue(dst, dec); err != nil {
			return nil, err
		}
	}
	_, err = dec.Token()
	return append(dst, ']'), err
}

type member struct {
	name  string
	units []uint16
	value []byte
}

func appendObject(dst []byte, dec *json.Decoder) ([]byte, error) {
	members, err := readMembers(dec)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(members, func(a, b member) int { return slices.Compare(a.units, b.units) })
	dst = append(dst, '{')
	for i, m := range members {
		if i > 0 {
			if m.name == members[i-1].name {
				return nil, fmt.Errorf("canonical JSON: member %q appears twice", m.name)
			}
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, m.name), ':')
		dst = append(dst, m.value...)
	}
	return append(dst, '}'), nil
}

func readMembers(dec *json.Decoder) (members []member, err error) {
	for dec.More() {
		token, err := dec.Token()
		if err != nil {
			return nil, err
		}
		m := member{name: token.(string)}
		m.units = utf16.Encode([]rune(m.name))
		if m.value, err = appendValue(nil, dec); err != nil {
			return nil, err
		}
		members = append(members, m)
	}
	_, err = dec.Token()
	return members, err
}

// appendString writes s as ECMAScript's JSON.stringify does: only what must be
// escaped is.
func appendString(dst []byte, s string) []byte {
	const short = "\b\t\n\f\r\"\\"
	const letter = `btnfr"\`
	dst = append(dst, '"')
	for i := range len(s) {
		c := s[i]
		if at := bytes.IndexByte([]byte(short), c); at >= 0 {
			dst = append(dst, '\\', letter[at])
		} else if c < 0x20 {
			dst = fmt.Appendf(dst, `\u%04x`, c)
		} else {
			dst = append(dst, c)
		}
	}
	return append(dst, '"')
}

func appendNumber(dst []byte, literal string) ([]byte, error) {
	f, err := strconv.ParseFloat(literal, 64)
	if err != nil {
		return nil, fmt.Errorf("canonical JSON: number %s is out of range", literal)
	}
	if n, ok := new(big.Int).SetString(literal, 10); ok {
		if exact, _ := big.NewFloat(f).Int(nil); exact.Cmp(n) != 0 {
			return nil, fmt.Errorf("canonical JSON: integer %s does not fit in a double", literal)
		}
	}
	if f == 0 {
		return append(dst, '0'), nil // also for -0
	}
	plain, err := json.Marshal(f) // prints a float64 as ECMAScript does
	return append(dst, plain...), err
}
