package gpg

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/openpgp"
	"github.com/treenail/treenail/format/sign"
	"github.com/treenail/treenail/ostreerepo"
)

// ErrNoSignatures says that a commit or summary has no GPG signatures at all.
var ErrNoSignatures = errors.New("no signatures found")

// Verify gives the verdict of a keyring on the signatures in a dictionary. Without
// any the error is ErrNoSignatures; as libostree it looks for them before the keyring
// is read.
func Verify(keyring func() (*openpgp.Keyring, error), data []byte, metadata gvariant.Value) (*openpgp.Result, error) {
	signatures, _ := sign.Signatures(metadata, sign.KeyGPG)
	if len(signatures) == 0 {
		return nil, ErrNoSignatures
	}
	k, err := keyring()
	if err != nil {
		return nil, err
	}
	return k.Verify(data, bytes.Join(signatures, nil), time.Now())
}

// VerifyCommit requires that a commit, given as its bytes and detached metadata, is
// signed by a key that is trusted for a remote. Errors have libostree's texts; that
// no signature is valid is an *openpgp.InvalidError.
func VerifyCommit(r *ostreerepo.Repo, remote string, c object.Checksum, data []byte, metadata gvariant.Value) error {
	err := require(r, remote, data, metadata)
	if errors.Is(err, ErrNoSignatures) {
		err = fmt.Errorf("GPG verification enabled, but %w (use gpg-verify=false in remote config to disable)", err)
	}
	if err != nil {
		return fmt.Errorf("Commit %s: %w", c, err) //nolint:staticcheck // libostree's text
	}
	return nil
}

// VerifySummary is VerifyCommit for a summary.
func VerifySummary(r *ostreerepo.Repo, remote string, data []byte, signatures gvariant.Value) error {
	err := require(r, remote, data, signatures)
	if errors.Is(err, ErrNoSignatures) {
		return errors.New("GPG verification enabled, but no summary.sig found (use gpg-verify-summary=false in remote config to disable)") //nolint:staticcheck // libostree's text
	}
	return err
}

func require(r *ostreerepo.Repo, remote string, data []byte, metadata gvariant.Value) error {
	keyring := func() (*openpgp.Keyring, error) { return Keyring(r, remote) }
	result, err := Verify(keyring, data, metadata)
	if err != nil {
		return err
	}
	return result.Require()
}
