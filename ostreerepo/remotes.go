package ostreerepo

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/treenail/treenail/format/keyfile"
	"golang.org/x/sys/unix"
)

// Remote is a repository elsewhere that this one knows by a name: a group
// remote "NAME" of a key file.
type Remote struct {
	Name    string
	URL     string   // "mirrorlist=URL" for a list of mirrors, "metalink=URL" for a metalink
	Options []Option // the other keys, in their order
}

// Option is a key of a remote's group. Of a list key, such as branches, List is
// the value, else Value.
type Option struct {
	Key   string
	Value string
	List  []string
}

// OnExisting says what AddRemote does when there is a remote of the name.
type OnExisting uint8

// What AddRemote does.
const (
	RefuseExisting  OnExisting = iota // return an error
	KeepExisting                      // nothing
	ReplaceExisting                   // forget all about the old one
)

// NoRemoteError says that no remote has the name.
type NoRemoteError struct{ Name string }

func (e *NoRemoteError) Error() string { return fmt.Sprintf("Remote %q not found", e.Name) }

// Is makes the error match ErrNotFound.
func (e *NoRemoteError) Is(target error) bool { return target == ErrNotFound }

func remoteGroup(name string) string { return `remote "` + name + `"` }

// AddRemote writes a remote to the config file, or for the system's repository to a
// file of its own in /etc/ostree/remotes.d unless core.add-remotes-config-dir is
// false. Parents' remotes don't count as existing.
func (r *Repo) AddRemote(remote Remote, existing OnExisting) error {
	if !fragmentPattern.MatchString(remote.Name) {
		return fmt.Errorf("Invalid remote name %s", remote.Name) //nolint:staticcheck // libostree's text
	}
	group := remoteGroup(remote.Name)
	if f := r.remoteFile(remote.Name); f != nil {
		switch existing {
		case KeepExisting:
			return nil
		case RefuseExisting:
			return fmt.Errorf("Remote configuration for %q already exists: %s", remote.Name, f) //nolint:staticcheck // libostree's text
		}
	}
	return r.editRemote(remote.Name, func(c *keyfile.File) error {
		c.RemoveGroup(group)
		return remote.write(c, group)
	})
}

// write adds the remote's group. A metalink has a key of its own.
func (m *Remote) write(c *keyfile.File, group string) error {
	key, url := "url", m.URL
	if metalink, ok := strings.CutPrefix(url, "metalink="); ok {
		key, url = "metalink", metalink
	}
	if err := c.SetString(group, key, url); err != nil {
		return err
	}
	for _, o := range m.Options {
		if err := o.write(c, group); err != nil {
			return err
		}
	}
	return nil
}

func (o *Option) write(c *keyfile.File, group string) error {
	if o.List != nil {
		return c.SetList(group, o.Key, o.List)
	}
	return c.SetString(group, o.Key, o.Value)
}

// RemoveRemote takes a remote out of the file that defines it, with the keys that
// were imported for it. One that is not there, or is a parent's, is a *NoRemoteError.
func (r *Repo) RemoveRemote(name string) error {
	if r.remoteFile(name) == nil {
		return &NoRemoteError{name}
	}
	if err := r.editRemote(name, func(c *keyfile.File) error { c.RemoveGroup(remoteGroup(name)); return nil }); err != nil {
		return err
	}
	keyring := name + ".trustedkeys.gpg"
	if err := unix.Unlinkat(r.fd(), keyring, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("repo %s: %s: %w", r.path, keyring, err)
	}
	return nil
}

// Remotes lists the names of this repository's remotes and its parents', sorted.
func (r *Repo) Remotes() []string {
	var names []string
	for at := r; at != nil; at = at.parent {
		names = append(names, at.ownRemotes()...)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// RemoteURL is the url key of a remote, here or in a parent.
func (r *Repo) RemoteURL(name string) (string, error) {
	config, err := r.RemoteConfig(name)
	if err != nil {
		return "", err
	}
	url, ok, err := config.String(remoteGroup(name), "url")
	if err == nil && !ok {
		err = fmt.Errorf("No \"url\" option in remote %q", name) //nolint:staticcheck // libostree's text
	}
	return url, err
}
