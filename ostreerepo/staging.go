package ostreerepo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"sync"

	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sys/unix"
)

// staging is a directory tmp/treenail-RANDOM that holds the objects of a
// transaction under the paths that they will have below objects/. The file
// …-lock beside it is locked for as long as its transaction runs; when it is not,
// the transaction is dead and the next one removes the directory.
//
// libostree leaves such directories of its own, which are called
// staging-BOOTID-RANDOM, and a later transaction goes on with the objects in
// them; so does this one, by renaming one to its own name (see resume.go). The
// names differ because libostree must not take over the directory of a process
// that was killed: to save a rename an object is written under its final name at
// once, so it may be incomplete.
type staging struct {
	repo   *Repo
	tmp    *os.File
	dir    *os.File
	lock   *os.File
	name   string
	shards [256]shard

	resumed        bool // the directory was another transaction's
	perObjectFsync bool
	verity         verity
}

// shard is one of the directories 00 to ff.
type shard struct {
	mu   sync.Mutex
	made bool
}

const (
	stagingPrefix = "treenail-"
	lockSuffix    = "-lock"
)

func (r *Repo) openStaging() (_ *staging, err error) {
	s := &staging{repo: r, verity: verity{want: r.fsverity}}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.tmp, err = openDir(r.fd(), "tmp"); err != nil {
		return nil, fmt.Errorf("tmp: %w", err)
	}
	return s, s.create()
}

func (s *staging) create() error {
	for range 100 {
		s.name = linuxfs.TempName(stagingPrefix)
		if s.lock = tryLockFile(s.tmp, s.name+lockSuffix); s.lock == nil {
			continue
		}
		if s.resumed = s.takeOver(); !s.resumed {
			if err := unix.Mkdirat(int(s.tmp.Fd()), s.name, 0o755); err != nil {
				return fmt.Errorf("tmp/%s: %w", s.name, err)
			}
		}
		var err error
		s.dir, err = openDir(int(s.tmp.Fd()), s.name)
		return err
	}
	return fmt.Errorf("tmp/%s…%s: can't lock", stagingPrefix, lockSuffix)
}

// tryLockFile creates and locks a file, or returns nil: somebody else has it.
// Between open and lock the holder may have removed it, so it must still be there.
func tryLockFile(dir *os.File, name string) *os.File {
	f, err := linuxfs.Open(int(dir.Fd()), name, unix.O_CREAT|unix.O_RDWR|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil
	}
	var opened, named unix.Stat_t
	if linuxfs.TryLock(f, true) != nil ||
		unix.Fstat(int(f.Fd()), &opened) != nil ||
		unix.Fstatat(int(dir.Fd()), name, &named, unix.AT_SYMLINK_NOFOLLOW) != nil ||
		opened.Ino != named.Ino || opened.Dev != named.Dev {
		f.Close()
		return nil
	}
	return f
}

func (s *staging) fd() int { return int(s.dir.Fd()) }

// view is a repository of the staged objects whose parent is the real one.
func (s *staging) view() *Repo {
	v := &Repo{
		path: s.repo.path, dir: s.repo.dir, objects: s.dir,
		config: s.repo.config, settings: s.repo.settings,
		parent: s.repo, isView: true,
	}
	v.locking = false
	return v
}

// sync writes back the file system, once for all the objects.
func (s *staging) sync() error {
	if err := linuxfs.SyncFS(s.dir); err != nil {
		return fmt.Errorf("syncfs: %w", err)
	}
	return nil
}

// makeDir makes the directory that path's object lies in.
func (s *staging) makeDir(path string) error {
	d, err := s.shard(path)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return s.makeShard(d, path)
}

func (s *staging) shard(path string) (*shard, error) {
	i, err := strconv.ParseUint(path[:2], 16, 8)
	if err != nil {
		return nil, err
	}
	return &s.shards[i], nil
}

func (s *staging) makeShard(d *shard, path string) error {
	if d.made {
		return nil
	}
	if err := unix.Mkdirat(s.fd(), path[:2], 0o775); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d.made = true
	return nil
}

// open creates the file of an object under its final name. Another goroutine may
// have been faster with the same object; then the error is fs.ErrExist.
func (s *staging) open(path string) (*os.File, error) {
	if err := s.makeDir(path); err != nil {
		return nil, err
	}
	return s.create0600(path)
}

func (s *staging) create0600(path string) (*os.File, error) {
	return linuxfs.Open(s.fd(), path, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR|unix.O_NOFOLLOW, 0o600)
}

// write stores a metadata object. It returns false when it was there. The lock is
// held to the end: who finds the object there may read it at once.
func (s *staging) write(path string, data []byte) (created bool, err error) {
	d, err := s.shard(path)
	if err != nil {
		return false, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := s.makeShard(d, path); err != nil {
		return false, err
	}
	f, err := s.create0600(path)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err = s.fill(f, data); err == nil {
		f, err = s.verity.seal(f)
	}
	f.Close()
	if err != nil {
		s.unlink(path)
	}
	return err == nil, err
}

func (s *staging) fill(f *os.File, data []byte) error {
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := unix.Fchmod(int(f.Fd()), 0o644); err != nil {
		return err
	}
	return s.syncObject(f)
}

// syncObject syncs one object where the repository wants that (core.per-object-fsync).
func (s *staging) syncObject(f *os.File) error {
	if !s.perObjectFsync {
		return nil
	}
	return f.Sync()
}

// link gives a file that was written without a name its object's path. It
// returns false when another goroutine was faster with the same object.
func (s *staging) link(temp *linuxfs.Temp, path string) (created bool, err error) {
	if err := s.makeDir(path); err != nil {
		return false, err
	}
	err = temp.Link(s.fd(), path)
	if errors.Is(err, fs.ErrExist) {
		return false, nil
	}
	return err == nil, err
}

func (s *staging) unlink(path string) error {
	err := unix.Unlinkat(s.fd(), path, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// remove deletes the directory with what is left in it, then its lock.
func (s *staging) remove() {
	if s.lock == nil {
		return
	}
	removeStaging(s.repo, s.tmp, s.name)
	s.close()
}

func removeStaging(r *Repo, tmp *os.File, name string) {
	os.RemoveAll(r.path + "/tmp/" + name)
	unix.Unlinkat(int(tmp.Fd()), name+lockSuffix, 0)
}

func (s *staging) close() {
	for _, f := range []**os.File{&s.lock, &s.dir, &s.tmp} {
		if *f != nil {
			(*f).Close()
			*f = nil
		}
	}
}
