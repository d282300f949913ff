package signing

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/treenail/treenail/format/sign"
)

// Keys are the keys of one engine that somebody trusts. Revoked keys are not trusted
// even if they are among the trusted.
type Keys struct {
	Type    sign.Type
	Trusted []*sign.PublicKey
	Revoked []*sign.PublicKey
}

// Add adds a trusted key by its text.
func (k *Keys) Add(text string) error {
	key, err := k.Type.ParsePublicKey(text)
	if err == nil {
		k.Trusted = append(k.Trusted, key)
	}
	return err
}

// AddFile adds the trusted keys of a key file, which has to have one.
func (k *Keys) AddFile(path string) error {
	keys, err := k.readFile(path)
	k.Trusted = append(k.Trusted, keys...)
	return err
}

func (k *Keys) readFile(path string) ([]*sign.PublicKey, error) {
	data, err := readKeyFile(path)
	if err != nil {
		return nil, err
	}
	keys, err := k.Type.ReadPublicKeys(data)
	if err != nil {
		return nil, fmt.Errorf("signature: %s: no valid keys in file '%s': %w", k.Type, path, err)
	}
	return keys, nil
}

// ReadSigners reads the secret keys of a key file.
func ReadSigners(t sign.Type, path string) ([]*sign.Signer, error) {
	data, err := readKeyFile(path)
	if err != nil {
		return nil, err
	}
	signers, err := t.ReadSecretKeys(data)
	if err != nil {
		return nil, fmt.Errorf("key file '%s': %w", path, err)
	}
	return signers, nil
}

// maxKeyFile bounds the size of a key file, in bytes.
const maxKeyFile = 16 << 20

// readKeyFile reads a regular file: opening a pipe could take forever.
func readKeyFile(path string) ([]byte, error) {
	if st, err := os.Stat(path); err == nil && !st.Mode().IsRegular() || errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("File object '%s' is not a regular file", path) //nolint:staticcheck // libostree's text
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxKeyFile+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxKeyFile:
		return nil, fmt.Errorf("key file '%s' is larger than the limit of %d bytes", path, maxKeyFile)
	}
	return data, nil
}

// systemDirs hold the keys that the system trusts and revokes.
var systemDirs = []string{"/etc/ostree", "/usr/share/ostree"}

// AddSystem adds the keys of the system's directories, /etc/ostree and
// /usr/share/ostree, or of dir in their place: the files trusted.TYPE and
// revoked.TYPE, and all files in the directories of these names with ".d" after
// them. It is an error when none is trusted; files that have no keys are passed
// over. The dummy has no such files.
func (k *Keys) AddSystem(dir string) error {
	if k.Type == sign.Dummy {
		return errors.New("signature: dummy: there are no key files for this engine")
	}
	dirs := systemDirs
	if dir != "" {
		dirs = []string{dir}
	}
	loaded := len(k.Trusted)
	for _, dir := range dirs {
		files, err := keyFiles(filepath.Join(dir, "trusted."+string(k.Type)))
		if err != nil {
			return err
		}
		for _, path := range files {
			keys, _ := k.readFile(path)
			k.Trusted = append(k.Trusted, keys...)
		}
	}
	if len(k.Trusted) == loaded {
		return fmt.Errorf("signature: %s: no keys loaded", k.Type)
	}
	return k.revoke(dirs)
}

// revoke adds the keys that the directories revoke. A file of these that cannot be
// read is an error: it could name a key that is trusted elsewhere.
func (k *Keys) revoke(dirs []string) error {
	for _, dir := range dirs {
		files, err := keyFiles(filepath.Join(dir, "revoked."+string(k.Type)))
		if err != nil {
			return err
		}
		for _, path := range files {
			data, err := readKeyFile(path)
			if err != nil {
				return fmt.Errorf("revoked keys: %w", err)
			}
			keys, _ := k.Type.ReadPublicKeys(data) // one that is no key revokes nothing
			k.Revoked = append(k.Revoked, keys...)
		}
	}
	return nil
}

// keyFiles lists the regular files of a list of keys: base, and what is in base.d,
// sorted.
func keyFiles(base string) ([]string, error) {
	paths := []string{base}
	entries, err := os.ReadDir(base + ".d")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		paths = append(paths, filepath.Join(base+".d", e.Name()))
	}
	var files []string
	for _, path := range paths {
		st, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		case st.Mode().IsRegular():
			files = append(files, path)
		}
	}
	return files, nil
}
