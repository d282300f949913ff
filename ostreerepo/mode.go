package ostreerepo

import "fmt"

// Mode says how a repository stores content objects.
type Mode uint8

// The five modes.
const (
	ModeBare Mode = iota
	ModeBareUser
	ModeBareUserOnly
	ModeArchive
	ModeBareSplitXattrs
)

var modeNames = [...]string{
	ModeBare: "bare", ModeBareUser: "bare-user", ModeBareUserOnly: "bare-user-only",
	ModeArchive: "archive-z2", ModeBareSplitXattrs: "bare-split-xattrs",
}

// ParseMode reads a mode as the config key core.mode has it; "archive" is
// another name for "archive-z2".
func ParseMode(s string) (Mode, error) {
	if s == "archive" {
		return ModeArchive, nil
	}
	for m, name := range modeNames {
		if s == name {
			return Mode(m), nil
		}
	}
	return 0, fmt.Errorf("Invalid mode '%s' in repository configuration", s) //nolint:staticcheck // libostree's text
}

// String is the mode as the config file has it.
func (m Mode) String() string { return modeNames[m] }

// Bare reports whether content objects are plain files.
func (m Mode) Bare() bool { return m != ModeArchive }
