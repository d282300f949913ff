package signing

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/sign"
	"github.com/treenail/treenail/ostreerepo"
)

// Sign adds signatures to a commit.
func Sign(ctx context.Context, r *ostreerepo.Repo, c object.Checksum, signers []*sign.Signer) error {
	data, err := r.Metadata(object.Name{Checksum: c, Type: object.TypeCommit})
	if err != nil {
		return fmt.Errorf("Failed to read commit: %w", err) //nolint:staticcheck // libostree's text
	}
	metadata, _, err := r.DetachedMetadata(c)
	if err != nil {
		return fmt.Errorf("Failed to read detached metadata: %w", err) //nolint:staticcheck // libostree's text
	}
	if metadata, err = Append(metadata, data, signers); err != nil {
		return err
	}
	return r.Update(ctx, ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		return tx.PutDetached(c, metadata)
	})
}

// Append returns a dictionary of signatures with those of data by the signers.
func Append(metadata gvariant.Value, data []byte, signers []*sign.Signer) (gvariant.Value, error) {
	for _, s := range signers {
		signature, err := s.Sign(data)
		if err != nil {
			return metadata, fmt.Errorf("Not able to sign the cobject: %w", err) //nolint:staticcheck // libostree's text
		}
		metadata = sign.Append(metadata, s.Type.Key(), signature)
	}
	return metadata, nil
}

// Delete removes from a commit the signatures by any of the keys and returns how
// many went.
func Delete(ctx context.Context, r *ostreerepo.Repo, c object.Checksum, t sign.Type, keys []*sign.PublicKey) (n int, err error) {
	data, err := r.Metadata(object.Name{Checksum: c, Type: object.TypeCommit})
	if err != nil {
		return 0, err
	}
	metadata, _, err := r.DetachedMetadata(c)
	if err != nil {
		return 0, err
	}
	signatures, _ := sign.Signatures(metadata, t.Key())
	var kept [][]byte
	for _, signature := range signatures {
		if _, err := t.Verify(data, [][]byte{signature}, keys, nil); err != nil {
			kept = append(kept, signature)
		}
	}
	if n = len(signatures) - len(kept); n == 0 {
		return 0, nil
	}
	err = r.Update(ctx, ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		return tx.PutDetached(c, sign.Replace(metadata, t.Key(), kept))
	})
	return n, err
}

// Verify verifies that a commit is signed by one of the keys. The message says by
// which; the error is libostree's.
func (k *Keys) Verify(r *ostreerepo.Repo, c object.Checksum) (message string, err error) {
	data, err := r.Metadata(object.Name{Checksum: c, Type: object.TypeCommit})
	if err != nil {
		return "", fmt.Errorf("Failed to read commit: %w", err) //nolint:staticcheck // libostree's text
	}
	metadata, _, err := r.DetachedMetadata(c)
	if err != nil {
		return "", fmt.Errorf("Failed to read detached metadata: %w", err) //nolint:staticcheck // libostree's text
	}
	return k.VerifyData(data, metadata)
}

// VerifyData verifies data against a dictionary of signatures.
func (k *Keys) VerifyData(data []byte, metadata gvariant.Value) (message string, err error) {
	signatures, ok := sign.Signatures(metadata, k.Type.Key())
	if !ok {
		prefix := string(k.Type)
		if k.Type == sign.Dummy {
			prefix = "signature: dummy"
		}
		return "", fmt.Errorf("%s: commit have no signatures of my type", prefix)
	}
	return k.Type.Verify(data, signatures, k.Trusted, k.Revoked)
}

// Keys are the keys of one engine that somebody trusts.
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

// maxKeyFile bounds the size of a key file, in bytes.
const maxKeyFile = 16 << 20

// AddFile adds the trusted keys of a key file.
func (k *Keys) AddFile(path string) error {
	keys, err := k.readFile(path)
	k.Trusted = append(k.Trusted, keys...)
	return err
}

func (k *Keys) readFile(path string) ([]*sign.PublicKey, error) {
	st, err := os.Stat(path)
	if err != nil || !st.Mode().IsRegular() {
		return nil, fmt.Errorf("File object '%s' is not a regular file", path) //nolint:staticcheck // libostree's text
	}
	if st.Size() > maxKeyFile {
		return nil, fmt.Errorf("key file %s: %d bytes are more than the limit of %d", path, st.Size(), maxKeyFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return k.Type.ReadPublicKeys(data), nil
}

// systemDirs hold the keys that the system trusts and revokes.
var systemDirs = []string{"/etc/ostree", "/usr/share/ostree"}

// AddSystem adds the keys of the system's directories, or of dir in their place:
// the files trusted.TYPE and revoked.TYPE, and all files in the directories of
// these names with ".d" after them.
func (k *Keys) AddSystem(dir string) error {
	dirs := systemDirs
	if dir != "" {
		dirs = []string{dir}
	}
	for _, dir := range dirs {
		for list, to := range map[string]*[]*sign.PublicKey{"trusted": &k.Trusted, "revoked": &k.Revoked} {
			if err := k.addDir(dir+"/"+list+"."+string(k.Type), to); err != nil {
				return err
			}
		}
	}
	if len(k.Trusted) == 0 {
		return fmt.Errorf("%s: no keys loaded", k.Type)
	}
	return nil
}

func (k *Keys) addDir(base string, to *[]*sign.PublicKey) error {
	paths := []string{base}
	entries, err := os.ReadDir(base + ".d")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		paths = append(paths, base+".d/"+e.Name())
	}
	for _, path := range paths {
		if keys, err := k.readFile(path); err == nil {
			*to = append(*to, keys...)
		}
	}
	return nil
}

// OfRemote returns the keys that a remote's configuration trusts for an engine:
// verification-TYPE-key and verification-TYPE-file, or those of the system when it
// has neither.
func OfRemote(r *ostreerepo.Repo, remote string, t sign.Type) (*Keys, error) {
	k := &Keys{Type: t}
	config, err := r.RemoteConfig(remote)
	if err != nil {
		return nil, err
	}
	group := `remote "` + remote + `"`
	prefix := "verification-" + string(t)
	if key, ok, err := config.String(group, prefix+"-key"); err != nil {
		return nil, err
	} else if ok {
		if err := k.Add(key); err != nil {
			return nil, fmt.Errorf("remote %q: %s-key: %w", remote, prefix, err)
		}
	}
	if file, ok, err := config.String(group, prefix+"-file"); err != nil {
		return nil, err
	} else if ok {
		if err := k.AddFile(file); err != nil {
			return nil, fmt.Errorf("remote %q: %s-file: %w", remote, prefix, err)
		}
	}
	if len(k.Trusted) > 0 {
		return k, nil
	}
	return k, k.AddSystem("")
}
