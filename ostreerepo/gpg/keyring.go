package gpg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/treenail/treenail/format/openpgp"
	"github.com/treenail/treenail/internal/durable"
	"github.com/treenail/treenail/ostreerepo"
)

// systemKeyrings is where the keys are that count for remotes without their own.
const systemKeyrings = "/usr/share/ostree/trusted.gpg.d"

// maxKeyring bounds the size of a keyring, in bytes.
const maxKeyring = 64 << 20

// Keyring returns the keys that are trusted for a remote: those that were imported
// for it and those that its gpgkeypath names, or without any of these the
// system's, which are in OSTREE_GPG_HOME if that is set. An unknown remote is an
// *ostreerepo.NoRemoteError.
func Keyring(r *ostreerepo.Repo, remote string) (*openpgp.Keyring, error) {
	k, own, err := RemoteKeyring(r, remote)
	if err != nil || own {
		return k, err
	}
	return k, addSystem(k)
}

// RemoteKeyring returns the keys that a remote has of its own; own reports whether
// it has a keyring at all.
func RemoteKeyring(r *ostreerepo.Repo, remote string) (k *openpgp.Keyring, own bool, err error) {
	config, err := r.RemoteConfig(remote)
	if err != nil {
		return nil, false, err
	}
	k = &openpgp.Keyring{}
	if own, err = addFile(k, keyringPath(r, remote)); err != nil {
		return nil, false, err
	}
	paths, _ := config.List(`remote "`+remote+`"`, "gpgkeypath")
	for _, path := range paths {
		for path := range strings.SplitSeq(path, ",") {
			if err := addPath(k, path); err != nil {
				return nil, false, fmt.Errorf("remote %q: gpgkeypath: %w", remote, err)
			}
			own = true
		}
	}
	return k, own, nil
}

// AllKeyrings returns the keys of all remotes of a repository, and the system's.
func AllKeyrings(r *ostreerepo.Repo) (*openpgp.Keyring, error) {
	k := &openpgp.Keyring{}
	for at := r; at != nil; at = at.Parent() {
		if err := addDir(k, at.Path(), isKeyring); err != nil {
			return nil, err
		}
	}
	return k, addSystem(k)
}

// HomeKeyring returns the public keys in a home directory of GPG.
func HomeKeyring(dir string) (*openpgp.Keyring, error) {
	k := &openpgp.Keyring{}
	return k, addDir(k, dir, func(name string) bool { return isKeyring(name) || name == "pubring.kbx" })
}

// SystemKeyring returns the keys of the system.
func SystemKeyring() (*openpgp.Keyring, error) {
	k := &openpgp.Keyring{}
	return k, addSystem(k)
}

func addSystem(k *openpgp.Keyring) error {
	dir := os.Getenv("OSTREE_GPG_HOME")
	if dir == "" {
		dir = systemKeyrings
	}
	err := addDir(k, dir, isKeyring)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// isKeyring knows keyrings by their names. Two that GPG keeps beside them hold no
// keys to trust.
func isKeyring(name string) bool {
	return strings.HasSuffix(name, ".gpg") && name != "trustdb.gpg" && name != "secring.gpg"
}

func addDir(k *openpgp.Keyring, dir string, wanted func(name string) bool) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = fmt.Errorf("opendir(%s): %w", dir, path.Err)
		}
		return err
	}
	for _, e := range entries {
		if !wanted(e.Name()) || e.IsDir() {
			continue
		}
		if _, err := addFile(k, filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

// addPath adds a key file, or all files of a directory.
func addPath(k *openpgp.Keyring, path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	if st.IsDir() {
		return addDir(k, path, func(string) bool { return true })
	}
	_, err = addFile(k, path)
	return err
}

// addFile adds the keys of a file, which need not exist.
func addFile(k *openpgp.Keyring, path string) (found bool, err error) {
	keys, err := ReadKeyFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	k.Import(keys)
	return true, nil
}

// ReadKeyFile reads the keys in a file of any of the forms of keyrings.
func ReadKeyFile(path string) (*openpgp.Keyring, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if st.Size() > maxKeyring {
		return nil, fmt.Errorf("%s: %d bytes are more than the limit of %d for a keyring", path, st.Size(), maxKeyring)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	k, err := openpgp.ReadKeyring(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// keyringPath is the file with the keys imported for a remote, in the repository
// that defines it.
func keyringPath(r *ostreerepo.Repo, remote string) string {
	name := remote + ".trustedkeys.gpg"
	for at := r; at != nil; at = at.Parent() {
		path := filepath.Join(at.Path(), name)
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
	return filepath.Join(r.Path(), name)
}

// Import adds keys to those trusted for a remote, and returns how many are new.
func Import(r *ostreerepo.Repo, remote string, keys *openpgp.Keyring) (added int, err error) {
	if _, err := r.RemoteConfig(remote); err != nil {
		return 0, err
	}
	k := &openpgp.Keyring{}
	if _, err := addFile(k, keyringPath(r, remote)); err != nil {
		return 0, err
	}
	added = k.Import(keys)
	return added, durable.WriteFile(filepath.Join(r.Path(), remote+".trustedkeys.gpg"), k.Bytes(), 0o644)
}

// UserKeyring returns the public keys of the user's GPG.
func UserKeyring() (*openpgp.Keyring, error) {
	dir := os.Getenv("GNUPGHOME")
	if dir == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil, err
		}
		dir = filepath.Join(home, ".gnupg")
	}
	return HomeKeyring(dir)
}
