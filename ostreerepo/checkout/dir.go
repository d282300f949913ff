package checkout

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/linuxfs"
	"github.com/treenail/treenail/ostreerepo"
	"golang.org/x/sys/unix"
)

// dir is a directory that is being checked out. It is open from the job that
// enters it until all that is below it is finished.
type dir struct {
	parent     *dir   // nil for the destination
	name       string // in parent; the path of the destination
	path       string // as Skip sees it, when there is a Skip or a Label; "" for the directory of a single file
	tree, meta object.Checksum
	depth      int
	index      int64 // among the parent's subdirectories

	fd         int // -1: not made, because it was skipped or something failed
	existed    bool
	unfinished atomic.Int64 // jobs and subdirectories
}

// filesPerJob divides large directories, so that what has to be inflated or
// copied in one of them keeps all processors busy.
const filesPerJob = 256

// do runs a job and notes its error.
func (c *run) do(j job) {
	if c.queue.stopped(point{j.dir, j.at}) {
		return
	}
	if j.at >= 0 {
		c.files(j)
		return
	}
	if err := c.enter(j.dir); err != nil {
		c.queue.fail(point{j.dir, atEntry}, err)
	}
}

// enter makes a directory and queues what is in it.
func (c *run) enter(d *dir) error {
	if c.Skip != nil && c.Skip(d.path) {
		return nil
	}
	t, err := c.repo.DirTree(d.tree)
	if err != nil {
		return err
	}
	if _, err := c.dirMeta(d.meta); err != nil {
		return err
	}
	if err := c.makeDir(d, t); err != nil {
		return err
	}
	c.meter.found(len(t.Files))
	files := job{dir: d, files: t.Files}
	if c.Whiteouts {
		// Whatever a whiteout removes must be gone before anything of the
		// same name is made, and the files' order decides between the two.
		c.do(files)
		c.push(d, t, nil)
		return nil
	}
	var more []job
	for len(files.files) > filesPerJob {
		more = append(more, job{d, files.at, files.files[:filesPerJob]})
		files = job{d, files.at + filesPerJob, files.files[filesPerJob:]}
	}
	c.push(d, t, more)
	c.do(files)
	return nil
}

// push queues the subdirectories of a directory and other jobs in it. What comes
// first in the commit is pushed last, so that it is taken first.
func (c *run) push(d *dir, t *object.DirTree, more []job) {
	jobs := make([]job, 0, len(t.Dirs)+len(more))
	for i := len(t.Dirs) - 1; i >= 0; i-- {
		e := t.Dirs[i]
		sub := &dir{parent: d, name: e.Name, tree: e.Tree, meta: e.Meta, depth: d.depth + 1, index: int64(i), fd: -1}
		if c.Skip != nil || c.Label != nil {
			sub.path = d.path + e.Name + "/"
		}
		sub.unfinished.Store(1)
		jobs = append(jobs, job{dir: sub, at: atEntry})
	}
	for i := len(more) - 1; i >= 0; i-- {
		jobs = append(jobs, more[i])
	}
	d.unfinished.Add(int64(len(jobs)))
	c.queue.push(jobs...)
}

// files places the files of a job.
func (c *run) files(j job) {
	for i, e := range j.files {
		at := point{j.dir, j.at + int64(i)}
		if c.queue.stopped(at) {
			return
		}
		if err := c.file(j.dir, e); err != nil {
			c.queue.fail(at, err)
			return
		}
	}
	c.meter.done(len(j.files))
}

// makeDir makes the directory, or opens it where it may exist.
func (c *run) makeDir(d *dir, t *object.DirTree) error {
	at, follow := unix.AT_FDCWD, 0
	if d.parent != nil {
		if err := object.ValidateName(d.name); err != nil {
			return err
		}
		at, follow = d.parent.fd, unix.O_NOFOLLOW
	}
	if err := c.clearOpaque(at, d, t); err != nil {
		return err
	}
	err := unix.Mkdirat(at, d.name, 0o700)
	if d.existed = err == unix.EEXIST && c.Overwrite != OverwriteNone; err != nil && !d.existed {
		return &sysError{"mkdirat", err}
	}
	if d.fd, err = openDir(at, d.name, follow); err != nil {
		return err
	}
	return c.checkDevice(d.fd)
}

func openDir(dirfd int, name string, flags int) (int, error) {
	fd, err := openat(dirfd, name, unix.O_RDONLY|unix.O_DIRECTORY|flags)
	if err != nil {
		return -1, &sysError{"opendir(" + name + ")", err}
	}
	return fd, nil
}

// openat restarts after a signal, which Go's runtime sends at any time.
func openat(dirfd int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dirfd, name, flags|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// checkDevice tells early that no link into the directory can be made.
func (c *run) checkDevice(fd int) error {
	if !c.RequireHardlinks {
		return nil
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err
	}
	if dev := uint64(st.Dev); dev != c.device {
		return fmt.Errorf("Unable to do hardlink checkout across devices (src=%d destination=%d)", c.device, dev) //nolint:staticcheck // libostree's text
	}
	return nil
}

// leave says that a job of d is over, and finishes d when it was the last one;
// that in turn is one less for its parent.
func (c *run) leave(d *dir) {
	for d != nil && d.unfinished.Add(-1) == 0 {
		if err := c.finish(d); err != nil {
			c.queue.fail(point{d, atEnd}, err)
		}
		d = d.parent
	}
}

// finish closes the directory, and after a success gives it its metadata. One
// that existed before keeps its own.
func (c *run) finish(d *dir) error {
	if d.fd < 0 {
		return nil
	}
	defer unix.Close(d.fd)
	if c.queue.stopped(point{d, atEnd}) {
		return nil
	}
	if !d.existed {
		if err := c.setDirMetadata(d); err != nil {
			return err
		}
	}
	if c.Fsync {
		return fsync(d.fd)
	}
	return nil
}

// epoch is the modification time of the directories of a checkout, so that all
// checkouts of a commit are alike.
var epoch = time.Unix(0, 0)

func (c *run) setDirMetadata(d *dir) error {
	m, err := c.dirMeta(d.meta)
	if err != nil {
		return err
	}
	if !c.user {
		xattrs := c.labelled(d, "", m.Mode, m.Xattrs)
		if err := setOwner(d.fd, m.UID, m.GID, xattrs); err != nil {
			return fmt.Errorf("directory %s: %w", d.name, err)
		}
	}
	mode := m.Mode & object.ModePerm
	if c.BareUserOnlyDirs || c.repo.Mode() == ostreerepo.ModeBareUserOnly {
		mode &= 0o775
	}
	if err := unix.Fchmod(d.fd, mode); err != nil {
		return &sysError{"fchmod(" + d.name + ")", err}
	}
	if c.ForceCopy {
		return nil
	}
	return linuxfs.SetModTime(d.fd, epoch)
}

// setOwner sets what a user-mode checkout leaves out. The owner goes first: a
// change of it takes capabilities away.
func setOwner(fd int, uid, gid uint32, xattrs object.Xattrs) error {
	if err := unix.Fchown(fd, int(uid), int(gid)); err != nil {
		return &sysError{"fchown", err}
	}
	for _, x := range xattrs {
		if err := unix.Fsetxattr(fd, x.Name, x.Value, 0); err != nil {
			return &sysError{"fsetxattr(" + x.Name + ")", err}
		}
	}
	return nil
}

func fsync(fd int) error {
	if err := unix.Fsync(fd); err != nil {
		return &sysError{"fsync", err}
	}
	return nil
}
