package tree

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/treenail/treenail/format/object"
)

// StatOverride holds changes to the modes of single paths (ostree commit
// --statoverride).
//
// A rule that adds bits is used up by the first entry it matches; one that sets
// the mode stays. In directory and commit sources a rule that adds bits has no
// effect on a directory other than the root, though it counts as matched; that
// is libostree's behaviour, and the checksums follow it.
type StatOverride struct {
	mu  sync.Mutex
	add map[string]uint32
	set map[string]uint32
}

// ParseStatOverride reads one rule a line: "+MODE PATH", or "MODE PATH", adds the
// bits of MODE, "=MODE PATH" sets them. MODE is a decimal number, PATH is
// absolute in the tree. Empty lines are skipped.
func ParseStatOverride(r io.Reader) (*StatOverride, error) {
	s := &StatOverride{add: map[string]uint32{}, set: map[string]uint32{}}
	err := eachLine(r, func(line string) error {
		mode, path, ok := strings.Cut(line, " ")
		if !ok {
			return errors.New("Malformed statoverride file (no space found)") //nolint:staticcheck // libostree's text
		}
		rules := s.add
		digits := strings.TrimPrefix(mode, "+")
		if after, ok := strings.CutPrefix(mode, "="); ok {
			rules, digits = s.set, after
		}
		bits, err := strconv.ParseUint(digits, 10, 32)
		if err != nil || bits > object.ModePerm {
			return fmt.Errorf("statoverride of %s: invalid mode %q: want a decimal number up to %d", path, mode, object.ModePerm)
		}
		rules[path] = uint32(bits)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Unmatched returns, sorted, the paths of the rules that should have added bits
// and met no entry.
func (s *StatOverride) Unmatched() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(maps.Keys(s.add))
}

// apply returns the mode that the entry at path gets.
func (s *StatOverride) apply(path string, mode uint32) uint32 {
	if s == nil {
		return mode
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if bits, ok := s.add[path]; ok {
		delete(s.add, path)
		return mode | bits
	}
	if bits, ok := s.set[path]; ok {
		return mode&object.ModeTypeMask | bits
	}
	return mode
}

// SkipList holds paths to leave out (ostree commit --skip-list). Each is used up
// by the first entry it matches.
type SkipList struct{ paths map[string]bool }

// ParseSkipList reads one path a line, absolute in the tree. Empty lines are
// skipped.
func ParseSkipList(r io.Reader) (*SkipList, error) {
	s := &SkipList{paths: map[string]bool{}}
	err := eachLine(r, func(line string) error {
		s.paths[line] = true
		return nil
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// Unmatched returns, sorted, the paths that met no entry.
func (s *SkipList) Unmatched() []string { return slices.Sorted(maps.Keys(s.paths)) }

func (s *SkipList) match(path string) bool {
	if s == nil || !s.paths[path] {
		return false
	}
	delete(s.paths, path)
	return true
}

func eachLine(r io.Reader, fn func(string) error) error {
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadString('\n')
		if line = strings.TrimSuffix(line, "\n"); line != "" {
			if err := fn(line); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
