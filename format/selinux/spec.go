package selinux

import (
	"fmt"
	"math"
	"strings"

	"github.com/treenail/treenail/format/object"
)

// kinds are the types of files by the letter that stands for them.
var kinds = map[string]uint32{
	"--": object.ModeRegular, "-d": object.ModeDir, "-l": object.ModeSymlink, "-c": object.ModeChar,
	"-b": object.ModeBlock, "-p": object.ModeFIFO, "-s": object.ModeSocket,
}

const none = "<<none>>"

// spec is a specification as a file has it.
type spec struct {
	pattern string
	kind    uint32 // type bits of a mode; 0: any type
	context string // "" for <<none>>
	file    string
	line    int
}

func (s *spec) error(err error) error { return lineError(s.file, s.line, err) }

func lineError(file string, line int, err error) error {
	return fmt.Errorf("%s: line %d: %w", file, line, err)
}

// parseSpecs appends the specifications of a file to specs.
func parseSpecs(specs []spec, file string, data []byte) ([]spec, error) {
	number := 0
	for line := range strings.SplitSeq(string(data), "\n") {
		number++
		s, err := parseSpec(line)
		if err != nil {
			return nil, lineError(file, number, err)
		}
		if s.pattern != "" {
			s.file, s.line = file, number
			specs = append(specs, s)
		}
	}
	return specs, nil
}

// parseSpec reads a line: two or three words, of which the one in the middle is
// the type. More words are none of its business. An empty line or a comment is the
// zero spec.
func parseSpec(line string) (spec, error) {
	words := strings.FieldsFunc(line, isSpace)
	if len(words) == 0 || words[0][0] == '#' {
		return spec{}, nil
	}
	words = words[:min(len(words), 3)]
	for _, word := range words {
		if err := checkWord(word); err != nil {
			return spec{}, err
		}
	}
	if len(words) < 2 {
		return spec{}, fmt.Errorf("%q is missing fields", line)
	}
	s := spec{pattern: words[0], context: words[len(words)-1]}
	if len(words) == 3 {
		kind, ok := kinds[words[1]]
		if !ok {
			return spec{}, fmt.Errorf("invalid file type %q", words[1])
		}
		s.kind = kind
	}
	if s.context == none {
		s.context = ""
	}
	return s, nil
}

func checkWord(word string) error {
	if len(word) >= math.MaxUint16 { // libselinux's limit
		return fmt.Errorf("a field of %d bytes is too long", len(word))
	}
	for i := range len(word) {
		if word[i] == 0 || word[i] > 0x7f {
			return fmt.Errorf("field %q has a byte that is not ASCII", word)
		}
	}
	return nil
}

// isMeta are the characters that make a pattern an expression for libselinux. An
// escape does not, even one like \d.
func isMeta(c byte) bool { return strings.IndexByte(".^$?*+|[({", c) >= 0 }

// plain reports whether a pattern is one of those that come after all others.
func plain(pattern string) bool {
	for i := 0; i < len(pattern); i++ {
		if isMeta(pattern[i]) {
			return false
		}
		if pattern[i] == '\\' {
			i++
		}
	}
	return true
}

// stem is the first directory of a path, "/usr" of "/usr/bin"; there is none
// without a second slash. libselinux looks only at specifications of the path's own
// stem or without one.
func stem(path string) string {
	if len(path) > 1 {
		if i := strings.IndexByte(path[1:], '/'); i >= 0 {
			return path[:i+1]
		}
	}
	return ""
}
