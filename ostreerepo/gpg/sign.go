package gpg

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/openpgp"
	"github.com/treenail/treenail/format/sign"
	"github.com/treenail/treenail/ostreerepo"
)

// Signer signs with secret keys of gpg.
type Signer struct {
	Home string   // GPG's home directory; "" for the user's
	Keys []string // IDs: the end of a fingerprint, or part of a user ID; each at least eight bytes
}

// Append returns a dictionary of signatures with those of data by each of the keys.
func (s *Signer) Append(ctx context.Context, metadata gvariant.Value, data []byte) (gvariant.Value, error) {
	for _, key := range s.Keys {
		signature, err := s.sign(ctx, key, data)
		if err != nil {
			return metadata, err
		}
		metadata = sign.Append(metadata, sign.KeyGPG, signature)
	}
	return metadata, nil
}

// AppendToCommit is Append for the detached metadata of a commit. It refuses a key
// that has signed already, as far as the system's keyring knows it or one of the
// home directory.
func (s *Signer) AppendToCommit(ctx context.Context, metadata gvariant.Value, commit []byte) (gvariant.Value, error) {
	for _, key := range s.Keys {
		if err := s.checkNew(key, commit, metadata); err != nil {
			return metadata, err
		}
		var err error
		one := Signer{Home: s.Home, Keys: []string{key}}
		if metadata, err = one.Append(ctx, metadata, commit); err != nil {
			return metadata, err
		}
	}
	return metadata, nil
}

// SignCommit adds a signature by each of the keys to a commit in a repository, one
// after the other: those before one that fails stay.
func (s *Signer) SignCommit(ctx context.Context, r *ostreerepo.Repo, c object.Checksum) error {
	data, err := r.Metadata(object.Name{Checksum: c, Type: object.TypeCommit})
	if err != nil {
		return err
	}
	for _, key := range s.Keys {
		metadata, _, err := r.DetachedMetadata(c)
		if err != nil {
			return err
		}
		one := Signer{Home: s.Home, Keys: []string{key}}
		if metadata, err = one.AppendToCommit(ctx, metadata, data); err != nil {
			return err
		}
		if err := putDetached(ctx, r, c, metadata); err != nil {
			return err
		}
	}
	return nil
}

func putDetached(ctx context.Context, r *ostreerepo.Repo, c object.Checksum, metadata gvariant.Value) error {
	return r.Update(ctx, ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		return tx.PutDetached(c, metadata)
	})
}

// checkNew refuses a key that has signed already.
func (s *Signer) checkNew(key string, data []byte, metadata gvariant.Value) error {
	if signatures, _ := sign.Signatures(metadata, sign.KeyGPG); len(signatures) == 0 {
		return nil
	}
	k, err := SystemKeyring()
	if err != nil {
		return err
	}
	if s.Home != "" {
		home, err := oldHomeKeyring(s.Home)
		if err != nil {
			return err
		}
		k.Append(home)
	}
	result, err := Verify(func() (*openpgp.Keyring, error) { return k, nil }, data, metadata)
	if err != nil {
		return err
	}
	if k.SignedBy(result, key) >= 0 {
		return fmt.Errorf("Commit is already signed with GPG key %s", key) //nolint:staticcheck // libostree's text
	}
	return nil
}

// DeleteSignatures removes from a commit the first signature by each of the keys, and
// returns how many went. As in libostree, only keys count that are in the keyrings of
// remotes or the system's.
func DeleteSignatures(ctx context.Context, r *ostreerepo.Repo, c object.Checksum, keys []string) (n int, err error) {
	metadata, _, err := r.DetachedMetadata(c)
	if err != nil {
		return 0, err
	}
	signatures, ok := sign.Signatures(metadata, sign.KeyGPG)
	if !ok {
		return 0, nil
	}
	data, err := r.Metadata(object.Name{Checksum: c, Type: object.TypeCommit})
	if err != nil {
		return 0, err
	}
	k, err := AllKeyrings(r)
	if err != nil {
		return 0, err
	}
	kept := slices.Clone(signatures)
	for _, key := range keys {
		if at := firstBy(k, data, signatures, key); at >= 0 && kept[at] != nil {
			kept[at] = nil
			n++
		}
	}
	kept = slices.DeleteFunc(kept, func(s []byte) bool { return s == nil })
	return n, putDetached(ctx, r, c, sign.Replace(metadata, sign.KeyGPG, kept))
}

// firstBy returns which of the signatures is the first by a key; none: -1.
func firstBy(k *openpgp.Keyring, data []byte, signatures [][]byte, key string) int {
	return slices.IndexFunc(signatures, func(signature []byte) bool {
		result, err := k.Verify(data, signature, time.Now())
		return err == nil && k.SignedBy(result, key) >= 0
	})
}
