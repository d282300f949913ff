package signing

import (
	"context"
	"errors"
	"fmt"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/sign"
	"github.com/treenail/treenail/ostreerepo"
)

// Sign adds the signatures of the signers to a commit.
func Sign(ctx context.Context, r *ostreerepo.Repo, c object.Checksum, signers []*sign.Signer) error {
	data, metadata, err := load(r, c)
	if err != nil {
		return err
	}
	if metadata, err = Append(metadata, data, signers); err != nil {
		return err
	}
	return r.Update(ctx, ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		return tx.PutDetached(c, metadata)
	})
}

// load reads what is signed of a commit, and what was attached to it.
func load(r *ostreerepo.Repo, c object.Checksum) (data []byte, metadata gvariant.Value, err error) {
	data, err = r.Metadata(object.Name{Checksum: c, Type: object.TypeCommit})
	if err != nil {
		return nil, metadata, fmt.Errorf("Failed to read commit: %w", err) //nolint:staticcheck // libostree's text
	}
	metadata, _, err = r.DetachedMetadata(c)
	if err != nil {
		return nil, metadata, fmt.Errorf("Failed to read detached metadata: %w", err) //nolint:staticcheck // libostree's text
	}
	return data, metadata, nil
}

// Append returns a dictionary of signatures with those of data by the signers.
func Append(metadata gvariant.Value, data []byte, signers []*sign.Signer) (gvariant.Value, error) {
	for _, s := range signers {
		signature, err := s.Sign(data)
		if err != nil {
			return metadata, fmt.Errorf("Not able to sign the object: %w", err) //nolint:staticcheck // libostree's text, but for a slip
		}
		metadata = sign.Append(metadata, s.Type.Key(), signature)
	}
	return metadata, nil
}

// Delete removes from a commit the engine's signatures by any of the keys and
// returns how many went.
func Delete(ctx context.Context, r *ostreerepo.Repo, c object.Checksum, t sign.Type, keys []*sign.PublicKey) (n int, err error) {
	data, metadata, err := load(r, c)
	if err != nil {
		return 0, err
	}
	signatures, _ := sign.Signatures(metadata, t.Key())
	var kept [][]byte
	for _, signature := range signatures {
		if !by(t, data, signature, keys) {
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

// by reports whether one of the keys made the signature. The dummy looks at one key
// at a time.
func by(t sign.Type, data, signature []byte, keys []*sign.PublicKey) bool {
	for _, key := range keys {
		if _, err := t.Verify(data, [][]byte{signature}, []*sign.PublicKey{key}, nil); err == nil {
			return true
		}
	}
	return false
}

// Verify verifies that a commit is signed by one of the keys. The message says by
// which; the error is libostree's.
func (k *Keys) Verify(r *ostreerepo.Repo, c object.Checksum) (message string, err error) {
	data, metadata, err := load(r, c)
	if err != nil {
		return "", err
	}
	return k.VerifyData(data, metadata)
}

// VerifyData verifies data against a dictionary of signatures, which may be the
// zero Value.
func (k *Keys) VerifyData(data []byte, metadata gvariant.Value) (message string, err error) {
	signatures, ok := sign.Signatures(metadata, k.Type.Key())
	switch {
	case ok:
		return k.Type.Verify(data, signatures, k.Trusted, k.Revoked)
	case k.Type == sign.Dummy:
		return "", errors.New("signature: dummy: commit have no signatures of my type")
	}
	return "", fmt.Errorf("%s: commit have no signatures of my type", k.Type)
}
