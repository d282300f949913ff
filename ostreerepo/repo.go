package ostreerepo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/treenail/treenail/format/keyfile"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/durable"
	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sys/unix"
)

// Repo is an open repository. Its methods may be called from several goroutines.
type Repo struct {
	path    string
	dir     *os.File // the repository itself
	objects *os.File
	config  *keyfile.File
	settings
	remoteFiles []remoteFile
	remotesDir  string // "" for none
	parent      *Repo
	isView      bool // of a transaction; objects is its staging directory
	lock        repoLock
	flate       flatePool
}

// CreateOptions are the choices of Create.
type CreateOptions struct {
	CollectionID string // core.collection-id; "" for none
}

// Create makes an empty repository at path, and the directory itself when it is
// missing. It does nothing where objects/ exists already.
func Create(path string, mode Mode, o CreateOptions) error {
	if o.CollectionID != "" {
		if err := ValidateCollectionID(o.CollectionID); err != nil {
			return err
		}
	}
	if err := makeRepoDir(path); err != nil {
		return fmt.Errorf("Creating repo: %w", err) //nolint:staticcheck // libostree's text
	}
	if _, err := os.Stat(filepath.Join(path, "objects")); err == nil {
		return nil
	}
	for _, dir := range []string{"tmp", "extensions", "state", "refs", "refs/heads", "refs/mirrors", "refs/remotes", "tmp/cache"} {
		if err := mkdirExisting(filepath.Join(path, dir)); err != nil {
			return err
		}
	}
	config, err := newConfig(mode, o)
	if err != nil {
		return err
	}
	if err := durable.WriteFile(filepath.Join(path, "config"), config.Bytes(), 0o644); err != nil {
		return err
	}
	// The directory that makes it a repository comes last.
	return mkdirExisting(filepath.Join(path, "objects"))
}

func makeRepoDir(path string) error {
	err := unix.Mkdir(path, 0o777)
	if err != nil && err != unix.EEXIST {
		return fmt.Errorf("mkdirat: %w", err)
	}
	var st unix.Stat_t
	objects, err := filepath.Abs(filepath.Join(path, "objects"))
	if err != nil {
		return err
	}
	if err := unix.Stat(objects, &st); err != nil && err != unix.ENOENT {
		return fmt.Errorf("fstatat(%s): %w", objects, err)
	}
	return nil
}

func newConfig(mode Mode, o CreateOptions) (*keyfile.File, error) {
	keys := [][2]string{{"repo_version", "1"}, {"mode", mode.String()}}
	if o.CollectionID != "" {
		keys = append(keys, [2]string{"collection-id", o.CollectionID})
	}
	config := keyfile.New()
	for _, key := range keys {
		if err := config.SetString("core", key[0], key[1]); err != nil {
			return nil, err
		}
	}
	return config, nil
}

func mkdirExisting(path string) error {
	if err := os.Mkdir(path, 0o775); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// Open opens the repository at path. The error for a missing one is fs.ErrNotExist.
func Open(path string) (*Repo, error) { return open(path, 0) }

// maxParents bounds the chain of core.parent.
const maxParents = 16

func open(path string, depth int) (_ *Repo, err error) {
	if depth > maxParents {
		return nil, fmt.Errorf("repo %s: more than %d parents", path, maxParents)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	r := &Repo{path: abs}
	defer func() {
		if err != nil {
			r.Close()
		}
	}()
	if r.dir, err = openDir(unix.AT_FDCWD, abs); err != nil {
		return nil, fmt.Errorf("opendir(%s): %w", abs, err)
	}
	if r.objects, err = openDir(r.fd(), "objects"); err != nil {
		return nil, fmt.Errorf("opendir(objects): %w", err)
	}
	// A copy of a repository may lack the empty directories. Where this one can't
	// be made nothing can be written either, and Update will say so.
	unix.Mkdirat(r.fd(), "tmp", 0o775)
	if err := r.loadConfig(); err != nil {
		return nil, err
	}
	return r, r.openParent(depth)
}

// openParent opens the repository that core.parent names. Like libostree it takes a
// relative path as relative to the current directory.
func (r *Repo) openParent(depth int) (err error) {
	if r.parentPath == "" {
		return nil
	}
	if r.parent, err = open(r.parentPath, depth+1); err != nil {
		path, _ := filepath.Abs(r.parentPath)
		return fmt.Errorf("While checking parent repository '%s': opening repo: %w", path, err) //nolint:staticcheck // libostree's text
	}
	return nil
}

func openDir(dirfd int, name string) (*os.File, error) {
	return linuxfs.Open(dirfd, name, unix.O_RDONLY|unix.O_DIRECTORY, 0)
}

// Close releases the repository's descriptors.
func (r *Repo) Close() error {
	for _, f := range []*os.File{r.dir, r.objects, r.lock.file} {
		if f != nil {
			f.Close()
		}
	}
	if r.parent != nil {
		return r.parent.Close()
	}
	return nil
}

// Path is the absolute path that the repository was opened at.
func (r *Repo) Path() string { return r.path }

// Mode is how the repository stores content objects.
func (r *Repo) Mode() Mode { return r.mode }

// Parent is the repository in which objects are looked up that are not here, or nil.
func (r *Repo) Parent() *Repo { return r.parent }

func (r *Repo) fd() int        { return int(r.dir.Fd()) }
func (r *Repo) objectsFD() int { return int(r.objects.Fd()) }

// loosePath is where this repository keeps an object, below objects/.
func (r *Repo) loosePath(n object.Name) string { return n.LoosePath(r.mode == ModeArchive) }

// Writable returns nil when this process may write to the repository.
func (r *Repo) Writable() error {
	if err := unix.Faccessat(r.fd(), "objects", unix.W_OK, 0); err != nil {
		return fmt.Errorf("repo %s: objects: %w", r.path, err)
	}
	return nil
}
