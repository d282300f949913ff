package rofiles

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// OptionError says that an option of Options.Mount is not known, or cannot have
// the value it has.
type OptionError struct{ Option string }

func (e *OptionError) Error() string { return fmt.Sprintf("unknown mount option '%s'", e.Option) }

// settings are what mount options say.
type settings struct {
	flags           uintptr  // for mount(2)
	data, strings   []string // for mount(2), and for fusermount
	allowOther      bool
	fsname, subtype string
	maxRead         int

	attrTimeout, entryTimeout time.Duration
	negativeTimeout           *time.Duration // nil: the kernel asks each time
}

// name stands for the file system in /proc/mounts.
const name = "rofiles-fuse"

// flagOptions are those options of mount(8) that are bits of mount(2).
var flagOptions = map[string]struct{ set, clear uintptr }{
	"ro": {set: unix.MS_RDONLY}, "rw": {clear: unix.MS_RDONLY},
	"nosuid": {set: unix.MS_NOSUID}, "suid": {clear: unix.MS_NOSUID},
	"nodev": {set: unix.MS_NODEV}, "dev": {clear: unix.MS_NODEV},
	"noexec": {set: unix.MS_NOEXEC}, "exec": {clear: unix.MS_NOEXEC},
	"sync": {set: unix.MS_SYNCHRONOUS}, "async": {clear: unix.MS_SYNCHRONOUS},
	"dirsync": {set: unix.MS_DIRSYNC},
	"noatime": {set: unix.MS_NOATIME}, "atime": {clear: unix.MS_NOATIME},
	"nodiratime": {set: unix.MS_NODIRATIME}, "diratime": {clear: unix.MS_NODIRATIME},
}

// parseOptions reads the options that libfuse has, but for those that change what
// is shown (uid=, gid=, umask=, modules=) or tune what is not here.
func parseOptions(options []string) (*settings, error) {
	s := &settings{flags: unix.MS_NOSUID | unix.MS_NODEV, subtype: name, maxRead: math.MaxInt,
		attrTimeout: time.Second, entryTimeout: time.Second}
	for _, o := range options {
		if f, ok := flagOptions[o]; ok {
			s.flags = s.flags&^f.clear | f.set
			s.strings = append(s.strings, o)
		} else if !s.word(o) && !s.value(o) {
			return nil, &OptionError{o}
		}
	}
	if s.fsname == "" {
		s.fsname = s.subtype
	}
	return s, nil
}

func (s *settings) word(option string) bool {
	switch option {
	case "":
	case "allow_other":
		s.allowOther = true
	case "default_permissions":
		s.data = append(s.data, option)
		s.strings = append(s.strings, option)
	default:
		return false
	}
	return true
}

func (s *settings) value(option string) bool {
	name, value, _ := strings.Cut(option, "=")
	if value == "" {
		return false
	}
	var err error
	switch name {
	case "fsname":
		s.fsname = value
	case "subtype":
		s.subtype = value
	case "max_read":
		s.maxRead, err = strconv.Atoi(value)
		return err == nil && s.maxRead >= 4096
	case "attr_timeout":
		s.attrTimeout, err = time.ParseDuration(value + "s")
	case "entry_timeout":
		s.entryTimeout, err = time.ParseDuration(value + "s")
	case "negative_timeout":
		s.negativeTimeout = new(time.Duration)
		*s.negativeTimeout, err = time.ParseDuration(value + "s")
	default:
		return false
	}
	return err == nil
}
