package rofiles

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Options are the choices of Mount.
type Options struct {
	CopyUp bool     // give a shared file a body of its own when it is changed
	Mount  []string // further options for mount, such as allow_other
	Single bool     // serve one request at a time
	Debug  bool     // log all requests to standard error
}

// Server is a directory being shown.
type Server struct {
	server *fuse.Server
	base   *os.File
}

// timeout is how long the kernel may believe what it was told of a file.
const timeout = time.Second

// Mount shows the directory base at mountpoint until it is unmounted.
func Mount(base, mountpoint string, o Options) (*Server, error) {
	dir, err := os.OpenFile(base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	if mountpoint, err = filepath.Abs(mountpoint); err != nil {
		dir.Close()
		return nil, err
	}
	second := timeout
	server, err := fs.Mount(mountpoint, &node{r: &root{dir: dir, copyUp: o.CopyUp}}, &fs.Options{
		EntryTimeout: &second, AttrTimeout: &second, NullPermissions: true,
		MountOptions: fuse.MountOptions{
			Name: "rofiles-fuse", FsName: "rofiles-fuse", DirectMount: os.Geteuid() == 0,
			AllowOther: slices.Contains(o.Mount, "allow_other"), Options: withoutAllowOther(o.Mount),
			SingleThreaded: o.Single, Debug: o.Debug,
		},
	})
	if err != nil {
		dir.Close()
		return nil, fmt.Errorf("mount %s: %w", mountpoint, err)
	}
	return &Server{server, dir}, nil
}

func withoutAllowOther(options []string) []string {
	return slices.DeleteFunc(slices.Clone(options), func(o string) bool { return o == "allow_other" || o == "" })
}

// Wait returns when the directory is no longer shown.
func (s *Server) Wait() {
	s.server.Wait()
	s.base.Close()
}

// Unmount ends the showing, unless files are in use.
func (s *Server) Unmount() error { return s.server.Unmount() }

// root is the directory that is shown.
type root struct {
	dir    *os.File
	copyUp bool
}

func (r *root) fd() int { return int(r.dir.Fd()) }

// parent opens the directory that a path is in, and returns the last name. The
// root itself is ".".
func (r *root) parent(path string) (dirfd int, name string, err error) {
	dir, name := filepath.Split(path)
	dir = strings.TrimSuffix(dir, "/")
	if name == "" {
		name = "."
	}
	if dir == "" {
		dir = "."
	}
	dirfd, err = r.open(dir, unix.O_PATH|unix.O_DIRECTORY)
	return dirfd, name, err
}

// open opens a file below the root, without following any symlink.
func (r *root) open(path string, flags int) (int, error) {
	if path == "" {
		path = "."
	}
	return unix.Openat2(r.fd(), path, &unix.OpenHow{
		Flags: uint64(flags | unix.O_CLOEXEC), Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS,
	})
}

// at calls fn with the directory and name of a path.
func (r *root) at(path string, fn func(dirfd int, name string) error) error {
	dirfd, name, err := r.parent(path)
	if err != nil {
		return err
	}
	defer unix.Close(dirfd)
	return fn(dirfd, name)
}

// shared reports whether a file is one that only the repository may change.
func shared(st *unix.Stat_t) bool {
	kind := st.Mode & unix.S_IFMT
	return (kind == unix.S_IFREG || kind == unix.S_IFLNK) && st.Nlink > 1
}

// unshare makes a file fit to be changed, or says that it may not be.
func (r *root) unshare(dirfd int, name string) error {
	var st unix.Stat_t
	if err := unix.Fstatat(dirfd, name, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil {
		return err
	}
	switch {
	case !shared(&st):
		return nil
	case !r.copyUp:
		return unix.EROFS
	}
	return copyUp(dirfd, name, &st)
}
