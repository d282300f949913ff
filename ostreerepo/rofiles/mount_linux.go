package rofiles

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// Options are the choices of Mount.
type Options struct {
	CopyUp bool     // give a shared file a body of its own when it is changed; else that is refused
	Mount  []string // what mount -o takes, an option each, such as "ro" or "allow_other"; others are an *OptionError
	Single bool     // serve one request at a time
	Debug  bool     // log all requests to standard error
}

// Server is a directory being shown.
type Server struct {
	server     *fuse.Server
	base       *os.File
	mountpoint string
}

// maxTransfer is how many bytes of a file go into one request: the most that Linux
// takes, as libfuse asks for.
const maxTransfer = 1 << 20

// Mount shows the directory base at mountpoint until it is unmounted. Without
// privileges it asks the program fusermount3 or fusermount to mount.
func Mount(base, mountpoint string, o Options) (*Server, error) {
	settings, err := parseOptions(o.Mount)
	if err != nil {
		return nil, err
	}
	dir, err := os.OpenFile(base, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, err
	}
	server, mountpoint, err := mount(dir, mountpoint, o, settings)
	if err != nil {
		dir.Close()
		return nil, &os.PathError{Op: "mount", Path: mountpoint, Err: err}
	}
	return &Server{server, dir, mountpoint}, nil
}

func mount(dir *os.File, mountpoint string, o Options, s *settings) (*fuse.Server, string, error) {
	absolute, err := filepath.Abs(mountpoint)
	if err == nil {
		_, err = os.Stat(absolute)
	}
	if err != nil {
		return nil, mountpoint, cause(err)
	}
	direct := os.Geteuid() == 0
	options := s.strings
	if direct {
		options = s.data
	}
	top := &node{r: &root{dir: dir, copyUp: o.CopyUp}}
	server, err := serve(absolute, top, &fs.Options{
		EntryTimeout: &s.entryTimeout, AttrTimeout: &s.attrTimeout, NegativeTimeout: s.negativeTimeout,
		NullPermissions: true,
		MountOptions: fuse.MountOptions{
			Name: s.subtype, FsName: s.fsname, Options: options, AllowOther: s.allowOther,
			DirectMountStrict: direct, DirectMountFlags: unix.MS_MGC_VAL | s.flags,
			MaxWrite: min(maxTransfer, s.maxRead), SingleThreaded: o.Single, Debug: o.Debug,
			ExtraCapabilities: fuse.CAP_ATOMIC_O_TRUNC,
		},
	})
	if err != nil && strings.HasSuffix(err.Error(), "\n") { // as go-fuse words what fusermount says
		err = errors.New(strings.TrimSpace(err.Error()))
	}
	return server, absolute, err
}

// serve is fs.Mount, but for a directory that is unmounted while it is being mounted:
// that is no error, and the server ends at once.
func serve(mountpoint string, top fs.InodeEmbedder, o *fs.Options) (*fuse.Server, error) {
	server, err := fuse.NewServer(fs.NewNodeFS(top, o), mountpoint, &o.MountOptions)
	if err != nil {
		return nil, err
	}
	go server.Serve()
	err = server.WaitMount()
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTCONN) || errors.Is(err, unix.ECONNABORTED) {
		err = nil
	}
	return server, err
}

// cause is a system call's error without the path, which the caller adds.
func cause(err error) error {
	if e, ok := err.(*os.PathError); ok {
		return e.Err
	}
	return err
}

// Wait returns when the directory is no longer shown.
func (s *Server) Wait() {
	s.server.Wait()
	s.base.Close()
}

// Unmount ends the showing. When something is in use it is taken from the
// mountpoint all the same, and goes on being served to those who use it.
func (s *Server) Unmount() error {
	if err := s.server.Unmount(); err == nil {
		return nil
	}
	if os.Geteuid() == 0 {
		return unix.Unmount(s.mountpoint, unix.MNT_DETACH)
	}
	err := exec.Command("fusermount3", "-u", "-z", "-q", "--", s.mountpoint).Run()
	if err != nil {
		err = exec.Command("fusermount", "-u", "-z", "-q", "--", s.mountpoint).Run()
	}
	return err
}
