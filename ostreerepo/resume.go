package ostreerepo

import (
	"strings"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sys/unix"
)

// resumablePrefix begins the names of staging directories, of this boot, whose
// objects are all complete. libostree's are, and those that keep left.
func resumablePrefix() (string, error) {
	boot, err := bootID()
	return "staging-" + boot + "-", err
}

// takeOver makes a directory that another transaction left resumable this one's.
func (s *staging) takeOver() bool {
	prefix, err := resumablePrefix()
	if err != nil {
		return false
	}
	entries, _ := s.tmp.ReadDir(-1)
	s.tmp.Seek(0, 0)
	for _, e := range entries {
		name := e.Name()
		if e.IsDir() && strings.HasPrefix(name, prefix) && s.used(name) && s.rename(name, s.name, name+lockSuffix) {
			return true
		}
	}
	return false
}

// used reports whether a directory has something in it. An empty one may be so new
// that libostree is just about to lock it.
func (s *staging) used(name string) bool {
	dir, err := openDir(int(s.tmp.Fd()), name)
	if err != nil {
		return false
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(1)
	return len(names) > 0
}

// rename renames a staging directory while it holds a lock file.
func (s *staging) rename(from, to, lockName string) bool {
	lock := tryLockFile(s.tmp, lockName)
	if lock == nil {
		return false
	}
	defer lock.Close()
	defer unix.Unlinkat(int(s.tmp.Fd()), lockName, 0)
	return unix.Renameat(int(s.tmp.Fd()), from, int(s.tmp.Fd()), to) == nil
}

// keep leaves the directory to the next transaction, this program's or
// libostree's, which will publish all that is in it. Commits are taken out: what
// they consist of, or the mark that it is not all there, may be missing.
func (s *staging) keep() {
	if s.lock == nil || s.removeCommits() != nil {
		return
	}
	prefix, err := resumablePrefix()
	if err != nil {
		return
	}
	for range 100 {
		name := linuxfs.TempName(prefix)
		if s.rename(s.name, name, name+lockSuffix) {
			unix.Unlinkat(int(s.tmp.Fd()), s.name+lockSuffix, 0)
			s.close()
			return
		}
	}
}

func (s *staging) removeCommits() error {
	return s.each(func(n object.Name) error {
		if !isCommit(n.Type) {
			return nil
		}
		return s.unlink(s.repo.loosePath(n))
	})
}
