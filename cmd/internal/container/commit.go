package container

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/keyfile"
	"golang.org/x/sys/unix"
)

func commitCommand() *cli.Command {
	return &cli.Command{
		Name: "commit", NoRepo: true,
		Summary: "As the last step of a container build, remove what no image should have",
		Details: "Empties /run, /tmp, /var/tmp and /var/cache. What is mounted there stays. Outside of a\n" +
			"container of an encapsulated image nothing is done.",
		Run: func(ctx context.Context, _ *cli.Env, args []string) error {
			if len(args) > 0 {
				return cli.Usagef("No arguments are expected")
			}
			root, err := os.OpenRoot("/")
			if err != nil {
				return err
			}
			defer root.Close()
			if !inContainer(root, os.LookupEnv) {
				return errors.New("Not in an ostree-based container environment") //nolint:staticcheck // ostree-ext's text
			}
			return emptyTemporary(ctx, root)
		},
	}
}

// inContainer reports whether root, the root of this process, is that of a container
// whose image was encapsulated: it has the repository of an image, and a container's
// marks, or at least none of a host.
func inContainer(root *os.Root, env func(string) (string, bool)) bool {
	data, err := root.ReadFile("sysroot/ostree/repo/config")
	if err != nil {
		return false
	}
	config, err := keyfile.Parse(data)
	if err != nil {
		return false
	}
	if mode, _ := config.Value("core", "mode"); mode != "bare-split-xattrs" {
		return false
	}
	exists := func(path string) bool {
		_, err := root.Lstat(path)
		return err == nil
	}
	_, container := env("container")
	_, service := env("INVOCATION_ID")
	return container || exists("run/.containerenv") || exists(".dockerenv") || !service && !exists("run/ostree-booted")
}

// emptyTemporary removes what is in the directories that are not part of an image.
func emptyTemporary(ctx context.Context, root *os.Root) error {
	for _, path := range []string{"run", "tmp", "var/tmp", "var/cache"} {
		info, err := root.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
			continue
		}
		if err != nil {
			return err
		}
		top, err := mountOf(unix.AT_FDCWD, root.Name())
		if err != nil {
			return err
		}
		dir, err := root.Open(path)
		if err != nil {
			return err
		}
		err = emptyDir(ctx, dir, top)
		dir.Close()
		if err != nil {
			return fmt.Errorf("empty /%s: %w", path, err)
		}
	}
	return nil
}

// mount is what a file is in: a mount, or, where the kernel does not tell that, a file
// system.
type mount struct {
	id           uint64
	major, minor uint32
}

func mountOf(dirfd int, name string) (m mount, err error) {
	flags := unix.AT_SYMLINK_NOFOLLOW
	if name == "" {
		flags |= unix.AT_EMPTY_PATH
	}
	var st unix.Statx_t
	if err := unix.Statx(dirfd, name, flags, unix.STATX_MNT_ID, &st); err != nil {
		return m, &fs.PathError{Op: "statx", Path: name, Err: err}
	}
	return mount{st.Mnt_id, st.Dev_major, st.Dev_minor}, nil
}

// emptyDir removes all that is in a directory and in the mount top.
func emptyDir(ctx context.Context, dir *os.File, top mount) error {
	if m, err := mountOf(int(dir.Fd()), ""); err != nil || m != top {
		return err
	}
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := removeEntry(ctx, dir, e, top); err != nil {
			return fmt.Errorf("%s: %w", e.Name(), err)
		}
	}
	return nil
}

func removeEntry(ctx context.Context, dir *os.File, e fs.DirEntry, top mount) error {
	at := int(dir.Fd())
	if m, err := mountOf(at, e.Name()); err != nil || m != top {
		return err
	}
	flags := 0
	if e.IsDir() {
		flags = unix.AT_REMOVEDIR
		fd, err := unix.Openat(at, e.Name(), unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		if err != nil {
			return err
		}
		sub := os.NewFile(uintptr(fd), e.Name())
		err = emptyDir(ctx, sub, top)
		sub.Close()
		if err != nil {
			return err
		}
	}
	err := unix.Unlinkat(at, e.Name(), flags)
	if e.IsDir() && errors.Is(err, unix.ENOTEMPTY) || errors.Is(err, unix.EBUSY) {
		return nil // something is mounted there or below it
	}
	return err
}
