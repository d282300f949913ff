package ostreerepo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/treenail/treenail/format/keyfile"
	"github.com/treenail/treenail/internal/durable"
	"golang.org/x/sys/unix"
)

// The repository of the system itself also knows the remotes of key files
// NAME.conf in a directory that belongs to the system's configuration.
const (
	systemRepo       = "/ostree/repo"
	systemRemotesDir = "/etc/ostree/remotes.d"
)

// remoteFile is a key file that defines remotes: the config file, or one of the
// directory of remotes.
type remoteFile struct {
	path   string // "" for the config file
	config *keyfile.File
}

// String names the file as libostree does in messages.
func (f *remoteFile) String() string {
	if f.path == "" {
		return "(in config)"
	}
	return f.path
}

// loadRemotes reads the directory of remotes, of the system's repository. A remote
// has one place.
func (r *Repo) loadRemotes() error {
	r.remoteFiles = []remoteFile{{config: r.config}}
	if r.remotesDir = ""; !r.isSystem() {
		return nil
	}
	r.remotesDir = systemRemotesDir
	paths, err := filepath.Glob(r.remotesDir + "/*.conf")
	if err != nil {
		return err
	}
	for _, path := range paths {
		info, err := os.Lstat(path)
		if err != nil || !info.Mode().IsRegular() && info.Mode().Type() != fs.ModeSymlink {
			continue
		}
		f, err := readRemoteFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		r.remoteFiles = append(r.remoteFiles, *f)
	}
	return r.checkRemotes()
}

func readRemoteFile(path string) (*remoteFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	config, err := keyfile.Parse(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &remoteFile{path, config}, nil
}

// isSystem reports whether this is the repository of the running system.
func (r *Repo) isSystem() bool {
	var here, system unix.Stat_t
	return unix.Fstat(r.fd(), &here) == nil && unix.Stat(systemRepo, &system) == nil &&
		here.Dev == system.Dev && here.Ino == system.Ino
}

func (r *Repo) checkRemotes() error {
	names := r.ownRemotes()
	slices.Sort(names)
	for i := 1; i < len(names); i++ {
		if names[i] == names[i-1] {
			return fmt.Errorf("Multiple specifications found for remote %q", names[i]) //nolint:staticcheck // libostree's text
		}
	}
	return nil
}

// ownRemotes lists the remotes of this repository.
func (r *Repo) ownRemotes() []string {
	var names []string
	for _, f := range r.remoteFiles {
		for _, group := range f.config.Groups() {
			if name, ok := remoteOfGroup(group); ok {
				names = append(names, name)
			}
		}
	}
	return names
}

// remoteFile returns the file that defines a remote of this repository, or nil.
func (r *Repo) remoteFile(name string) *remoteFile {
	for i := range r.remoteFiles {
		if slices.Contains(r.remoteFiles[i].config.Groups(), remoteGroup(name)) {
			return &r.remoteFiles[i]
		}
	}
	return nil
}

// RemoteConfig returns a copy of the key file that defines a remote, in its group
// remote "NAME", here or in a parent. It is a *NoRemoteError that none does.
func (r *Repo) RemoteConfig(name string) (*keyfile.File, error) {
	for at := r; at != nil; at = at.parent {
		if f := at.remoteFile(name); f != nil {
			return f.config.Clone(), nil
		}
	}
	return nil, &NoRemoteError{name}
}

// editRemote changes the definition of a remote where it is, or where a new one
// belongs.
func (r *Repo) editRemote(name string, edit func(*keyfile.File) error) error {
	known := r.remoteFile(name)
	if known == nil && !(r.remotesDir != "" && r.addToRemotesDir) || known != nil && known.path == "" {
		return r.editConfig(edit)
	}
	path := filepath.Join(r.remotesDir, name+".conf")
	if known != nil {
		path = known.path
	}
	f, err := readRemoteFile(path) // again: another process may have written it
	if errors.Is(err, fs.ErrNotExist) {
		f, err = &remoteFile{path, keyfile.New()}, nil
	}
	if err != nil {
		return err
	}
	if err := edit(f.config); err != nil {
		return err
	}
	if err := f.write(); err != nil {
		return err
	}
	return r.loadRemotes()
}

// write replaces the file, or removes it when nothing is left to be in it.
func (f *remoteFile) write() error {
	if len(f.config.Groups()) == 0 {
		return os.Remove(f.path)
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
		return err
	}
	return durable.WriteFile(f.path, f.config.Bytes(), 0o644)
}

// checkDefined refuses remotes in c that are defined elsewhere.
func (r *Repo) checkDefined(c *keyfile.File) error {
	for _, group := range c.Groups() {
		name, ok := remoteOfGroup(group)
		if !ok {
			continue
		}
		if f := r.remoteFile(name); f != nil && f.path != "" {
			return fmt.Errorf("Remote %q already defined in %s", name, f.path) //nolint:staticcheck // libostree's text
		}
	}
	return nil
}
