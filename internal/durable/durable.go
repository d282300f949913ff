// Package durable replaces files so that a reader, or whoever looks after a
// crash, finds the old contents or the new, never a part.
//
// The order of system calls is: write to a temporary name in the same directory,
// fsync it, rename it over the old name, fsync the directory. What fsync does not
// promise is that an error it returned can be recovered from; the caller gets it.
package durable

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sys/unix"
)

// WriteFile makes data the contents of the file at path, with exactly mode.
func WriteFile(path string, data []byte, mode os.FileMode) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := WriteFileAt(dir, filepath.Base(path), data, mode, true); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// WriteFileAt makes data the contents of the file called name in dir. Without
// sync it is atomic for other processes but not safe against a power failure.
func WriteFileAt(dir *os.File, name string, data []byte, mode os.FileMode, sync bool) error {
	temp := linuxfs.TempName(".tmp-") // a name that no ref and no object can have
	if err := writeNew(dir, temp, data, mode, sync); err != nil {
		unix.Unlinkat(int(dir.Fd()), temp, 0)
		return err
	}
	if err := unix.Renameat(int(dir.Fd()), temp, int(dir.Fd()), name); err != nil {
		unix.Unlinkat(int(dir.Fd()), temp, 0)
		return fmt.Errorf("rename: %w", err)
	}
	if !sync {
		return nil
	}
	return dir.Sync()
}

func writeNew(dir *os.File, name string, data []byte, mode os.FileMode, sync bool) error {
	f, err := linuxfs.Open(int(dir.Fd()), name, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Chmod(mode); err != nil { // whatever the umask
		return err
	}
	if sync {
		if err := f.Sync(); err != nil {
			return err
		}
	}
	return f.Close()
}
