// Package keyfile reads and writes key files, the ini dialect of GLib in which OSTree
// keeps repository configurations, remotes and origins:
//
//	[core]
//	repo_version=1
//	mode=bare-user
//
//	[remote "fedora"]
//	url=https://example.com/repo
//	branches=stable;testing;
//
// A [File] keeps the order of everything, comments and blank lines, so that writing back
// what was read changes no more than was asked for:
//
//	f, err := keyfile.Parse(data)
//	...
//	f.Set("core", "mode", "archive-z2")
//	data = f.Bytes()
//
// What is understood, what is refused and how it is worded in an error follow GKeyFile
// of GLib. Values are bytes on the line after "="; what they mean depends on how they are
// asked for: [File.Value] gives the text itself, [File.String] resolves escapes, and
// others convert. A key with a language, as in "Name[de]", is one more key.
//
// The format is described in the "Desktop Entry Specification", and the functions of
// GKeyFile in the GLib manual.
package keyfile

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// File is the content of a key file. It is not safe for concurrent use while it is
// being changed.
type File struct {
	groups []*group // the first has no name and holds what precedes all others
	index  map[string]*group
}

type group struct {
	name     string
	lines    []line
	attached bool // a comment stood right above the header
}

// A line is a key with its value, or, with an empty key, a comment or a blank line.
type line struct{ key, value string }

func (l line) isComment() bool {
	return l.key == "" && strings.HasPrefix(strings.TrimLeft(l.value, space), "#")
}

// New returns an empty file.
func New() *File {
	f := &File{index: map[string]*group{}}
	f.addGroup("")
	return f
}

func (f *File) addGroup(name string) *group {
	g := &group{name: name}
	f.groups = append(f.groups, g)
	f.index[name] = g
	return g
}

// Bytes returns the file as text, as GLib writes it: no spaces around "=", and an
// empty line before each group, unless there is a comment that belongs to it.
func (f *File) Bytes() []byte {
	var b bytes.Buffer
	last := line{} // written so far
	for _, g := range f.groups {
		apart := !g.attached || !last.isComment()
		if n := b.Len(); n >= 2 && b.Bytes()[n-2] != '\n' && apart {
			b.WriteByte('\n')
		}
		if g.name != "" {
			b.WriteString("[" + g.name + "]\n")
			last = line{}
		}
		for _, last = range g.lines {
			if last.key != "" {
				b.WriteString(last.key + "=")
			}
			b.WriteString(last.value + "\n")
		}
	}
	return b.Bytes()
}

// Groups returns the names of the groups in the order of the file.
func (f *File) Groups() []string {
	names := make([]string, 0, len(f.groups)-1)
	for _, g := range f.groups[1:] {
		names = append(names, g.name)
	}
	return names
}

// Keys returns the keys of a group in the order of the file, each once, and nil for a
// group that is not there.
func (f *File) Keys(group string) []string {
	var keys []string
	seen := map[string]bool{"": true}
	for _, l := range f.lines(group) {
		if !seen[l.key] {
			seen[l.key] = true
			keys = append(keys, l.key)
		}
	}
	return keys
}

func (f *File) lines(group string) []line {
	if g := f.index[group]; g != nil {
		return g.lines
	}
	return nil
}

// Has tells whether the group is there and has the key.
func (f *File) Has(group, key string) bool {
	_, ok := f.Value(group, key)
	return ok
}

// Value returns the value of a key as it stands in the file, with escapes. Of several
// lines with the same key the last one counts.
func (f *File) Value(group, key string) (string, bool) {
	lines := f.lines(group)
	if i := find(lines, key); i >= 0 {
		return lines[i].value, true
	}
	return "", false
}

// find returns the index of the last line with the key, or -1.
func find(lines []line, key string) int {
	for i, l := range slices.Backward(lines) {
		if l.key == key && key != "" {
			return i
		}
	}
	return -1
}

// Set sets a key to a value that is written as it is, which makes it the caller's matter
// to escape. A new key follows the last one of its group, a new group the last one of
// the file. A group or key that could not be read again under that name is an error,
// and so is a value of several lines.
func (f *File) Set(group, key, value string) error {
	if err := checkNames(group, key); err != nil {
		return err
	}
	if strings.ContainsAny(value, "\n\x00") {
		return fmt.Errorf("keyfile: value %q of key %q in group %q is not a line", value, key, group)
	}
	g := f.index[group]
	if g == nil {
		g = f.addGroup(group)
	}
	g.set(key, value)
	return nil
}

func (g *group) set(key, value string) {
	if i := find(g.lines, key); i >= 0 {
		g.lines[i].value = value
		return
	}
	end := len(g.lines)
	for end > 0 && g.lines[end-1].key == "" {
		end-- // comments here are about what follows the group, more often than not
	}
	g.lines = slices.Insert(g.lines, end, line{key, value})
}

// SetString sets a key to a text, escaped as needed. There is no escape for a NUL, which
// is an error, nor for a form feed, which is lost at the start of a text.
func (f *File) SetString(group, key, text string) error {
	return f.Set(group, key, escape(text, false))
}

// SetList sets a key to a list. Each item is followed by a ";".
func (f *File) SetList(group, key string, items []string) error {
	var b strings.Builder
	for _, item := range items {
		b.WriteString(escape(item, true) + ";")
	}
	return f.Set(group, key, b.String())
}

// Remove removes a key and tells whether it was there.
func (f *File) Remove(group, key string) bool {
	if !f.Has(group, key) {
		return false
	}
	g := f.index[group]
	g.lines = slices.DeleteFunc(g.lines, func(l line) bool { return l.key == key })
	return true
}

// RemoveGroup removes a group, with the comments up to the next one, and tells whether it
// was there. With the last group go the empty lines before it.
func (f *File) RemoveGroup(group string) bool {
	g := f.index[group]
	if g == nil || group == "" {
		return false
	}
	i := slices.Index(f.groups, g)
	f.groups = slices.Delete(f.groups, i, i+1)
	delete(f.index, group)
	if i == len(f.groups) {
		f.groups[i-1].trimEnd()
	}
	return true
}

func (g *group) trimEnd() {
	for n := len(g.lines); n > 0 && g.lines[n-1] == (line{}); n-- {
		g.lines = g.lines[:n-1]
	}
}

// Clone returns a copy that shares nothing with f.
func (f *File) Clone() *File {
	clone := &File{index: make(map[string]*group, len(f.index))}
	for _, g := range f.groups {
		copied := &group{name: g.name, lines: slices.Clone(g.lines), attached: g.attached}
		clone.groups = append(clone.groups, copied)
		clone.index[g.name] = copied
	}
	return clone
}
