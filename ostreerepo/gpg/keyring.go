package gpg

import (
	"cmp"
	"errors"
	"fmt"
	"io"
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

// Keyring returns the keys that are trusted for a remote: its own, and when none were
// imported for it the system's too. An unknown remote is an
// *ostreerepo.NoRemoteError.
func Keyring(r *ostreerepo.Repo, remote string) (*openpgp.Keyring, error) {
	k, imported, err := remoteKeyring(r, remote)
	if err != nil || imported {
		return k, err
	}
	system, err := SystemKeyring()
	if err != nil {
		return nil, err
	}
	k.Append(system)
	return k, nil
}

// RemoteKeyring returns the keys that a remote has of its own: those that were
// imported for it, and those in the files and directories that its gpgkeypath names.
func RemoteKeyring(r *ostreerepo.Repo, remote string) (*openpgp.Keyring, error) {
	k, _, err := remoteKeyring(r, remote)
	return k, err
}

func remoteKeyring(r *ostreerepo.Repo, remote string) (k *openpgp.Keyring, imported bool, err error) {
	config, err := r.RemoteConfig(remote)
	if err != nil {
		return nil, false, err
	}
	k, err = ReadKeyFile(keyringPath(r, remote))
	imported = !errors.Is(err, fs.ErrNotExist)
	if imported && isRead(err) {
		return nil, false, err
	}
	list, ok, err := config.String(`remote "`+remote+`"`, "gpgkeypath")
	if err != nil || !ok {
		return k, imported, err
	}
	paths, err := splitList(list)
	if err != nil {
		return nil, false, err
	}
	for _, path := range paths {
		keys, err := readPath(path)
		if err != nil {
			return nil, false, err
		}
		k.Import(keys)
	}
	return k, imported, nil
}

// splitList takes apart a list with commas or semicolons, the last of which may
// follow the last item.
func splitList(list string) ([]string, error) {
	separator := ","
	if strings.Contains(list, ";") {
		if separator = ";"; strings.Contains(list, ",") {
			return nil, errors.New("key value list contains more than one separator")
		}
	}
	return strings.Split(strings.TrimSuffix(list, separator), separator), nil
}

// AllKeyrings returns the keys that were imported for remotes of a repository, and
// the system's.
func AllKeyrings(r *ostreerepo.Repo) (*openpgp.Keyring, error) {
	k, err := readDir(r.Path(), isKeyring)
	if err != nil {
		return nil, err
	}
	system, err := SystemKeyring()
	if err != nil {
		return nil, err
	}
	k.Append(system)
	return k, nil
}

// HomeKeyring returns the public keys in a home directory of GPG, in keyrings of the
// old form and in its keybox, which libostree does not read.
func HomeKeyring(dir string) (*openpgp.Keyring, error) {
	return readHome(dir, func(name string) bool { return isKeyring(name) || name == "pubring.kbx" })
}

// oldHomeKeyring leaves the keybox out.
func oldHomeKeyring(dir string) (*openpgp.Keyring, error) { return readHome(dir, isKeyring) }

func readHome(dir string, wanted func(name string) bool) (*openpgp.Keyring, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return readDir(dir, wanted)
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
	return noneIfMissing(HomeKeyring(dir))
}

// SystemKeyring returns the keys of the system, which are in the directory
// OSTREE_GPG_HOME if that is set.
func SystemKeyring() (*openpgp.Keyring, error) {
	dir := os.Getenv("OSTREE_GPG_HOME")
	if dir == "" {
		dir = systemKeyrings
	}
	return noneIfMissing(readDir(dir, isKeyring))
}

func noneIfMissing(k *openpgp.Keyring, err error) (*openpgp.Keyring, error) {
	if errors.Is(err, fs.ErrNotExist) {
		return &openpgp.Keyring{}, nil
	}
	return k, err
}

// isKeyring knows keyrings by their names. Two that GPG keeps beside them hold no
// keys to trust.
func isKeyring(name string) bool {
	return strings.HasSuffix(name, ".gpg") && name != "trustdb.gpg" && name != "secring.gpg"
}

// readDir reads the regular files of a directory that are wanted.
func readDir(dir string, wanted func(name string) bool) (*openpgp.Keyring, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = fmt.Errorf("opendir(%s): %w", dir, path.Err)
		}
		return nil, err
	}
	k := &openpgp.Keyring{}
	for _, e := range entries {
		if !wanted(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		keys, err := ReadKeyFile(filepath.Join(dir, e.Name()))
		if isRead(err) {
			return nil, err
		}
		k.Append(keys)
	}
	return k, nil
}

// readPath reads a key file, or all files of a directory. Those without keys are
// none, as for GPG.
func readPath(path string) (*openpgp.Keyring, error) {
	if st, err := os.Stat(path); err != nil || st.IsDir() {
		return readDir(path, func(string) bool { return true })
	}
	keys, err := ReadKeyFile(path)
	if isRead(err) {
		return nil, err
	}
	return keys, nil
}

// DamagedError says that a file has more in it than keys.
type DamagedError struct {
	Path string
	Err  error
}

func (e *DamagedError) Error() string { return e.Path + ": " + e.Err.Error() }
func (e *DamagedError) Unwrap() error { return e.Err }

// isRead reports whether an error is of reading a file, rather than of what is in
// it.
func isRead(err error) bool {
	var damaged *DamagedError
	return err != nil && !errors.As(err, &damaged)
}

// ReadKeyFile reads the keys in a file of any of the forms of keyrings. When it is
// damaged the error is a *DamagedError, and there are the keys before the damage.
func ReadKeyFile(path string) (*openpgp.Keyring, error) {
	k := &openpgp.Keyring{}
	f, err := os.Open(path)
	if err != nil {
		return k, err
	}
	defer f.Close()
	tooLarge := fmt.Errorf("%s: more than the limit of %d bytes for a keyring", path, maxKeyring)
	if st, err := f.Stat(); err != nil || st.Size() > maxKeyring {
		return k, cmp.Or(err, tooLarge)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxKeyring+1)) // a pipe or device has no size
	if err != nil {
		return k, err
	}
	if len(data) > maxKeyring {
		return k, tooLarge
	}
	k, err = openpgp.ReadKeyring(data)
	if err != nil {
		err = &DamagedError{path, err}
	}
	return k, err
}

func keyringName(remote string) string { return remote + ".trustedkeys.gpg" }

// keyringPath is the file with the keys imported for a remote, here or in the
// nearest parent that has one.
func keyringPath(r *ostreerepo.Repo, remote string) string {
	name := keyringName(remote)
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
	path := filepath.Join(r.Path(), keyringName(remote))
	k, err := ReadKeyFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	added = k.Import(keys)
	return added, durable.WriteFile(path, k.Bytes(), 0o644)
}
