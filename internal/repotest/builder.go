package repotest

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Builder makes files below a directory. The first error ends the test.
type Builder struct {
	testing.TB
	root string
}

// NewBuilder returns a Builder for the directory root, which Dir and File make.
func NewBuilder(t testing.TB, root string) Builder { return Builder{t, root} }

// Must ends the test if there is an error.
func (b Builder) Must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// Path returns the path of a name below the directory.
func (b Builder) Path(name string) string { return filepath.Join(b.root, name) }

// Dir makes a directory with this mode, whatever the umask, and those above it.
func (b Builder) Dir(name string, mode uint32) {
	b.Helper()
	b.Must(os.MkdirAll(b.Path(name), 0o755))
	b.Must(unix.Chmod(b.Path(name), mode))
}

// File makes a file with this mode, whatever the umask, and the directories above it.
func (b Builder) File(name, body string, mode uint32) {
	b.Helper()
	b.Must(os.MkdirAll(filepath.Dir(b.Path(name)), 0o755))
	b.Must(os.WriteFile(b.Path(name), []byte(body), 0o600))
	b.Must(unix.Chmod(b.Path(name), mode))
}

// Symlink makes a symlink.
func (b Builder) Symlink(name, target string) {
	b.Helper()
	b.Must(os.Symlink(target, b.Path(name)))
}

// Xattr sets an xattr of a file, also of a symlink.
func (b Builder) Xattr(name, attr, value string) {
	b.Helper()
	b.Must(unix.Lsetxattr(b.Path(name), attr, []byte(value), 0))
}

// Chown keeps the mode, whose set-id bits a change of owner clears.
func (b Builder) Chown(name string, uid, gid int) {
	b.Helper()
	var st unix.Stat_t
	b.Must(unix.Lstat(b.Path(name), &st))
	b.Must(os.Lchown(b.Path(name), uid, gid))
	if st.Mode&unix.S_IFMT != unix.S_IFLNK {
		b.Must(unix.Chmod(b.Path(name), uint32(st.Mode)&0o7777))
	}
}
