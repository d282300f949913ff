package gpg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
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
	Keys []string // IDs
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

// keyIDPattern is what gpg takes for a key ID or a fingerprint.
var keyIDPattern = regexp.MustCompile(`^(0x)?([0-9A-Fa-f]{8}|[0-9A-Fa-f]{16}|[0-9A-Fa-f]{32}|[0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})!?$`)

// sign makes one detached signature.
func (s *Signer) sign(ctx context.Context, key string, data []byte) ([]byte, error) {
	if s.Home != "" {
		if _, err := os.Stat(s.Home); err != nil {
			return nil, fmt.Errorf("opendir(%s): %w", s.Home, errors.Unwrap(err))
		}
	}
	if !keyIDPattern.MatchString(key) {
		return nil, fmt.Errorf("Unable to lookup key ID %s: GPGME: Invalid value", key) //nolint:staticcheck // libostree's text
	}
	if _, err := s.gpg(ctx, nil, "--list-secret-keys", key); err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return nil, err
		}
		home := s.Home
		if home == "" {
			home = "<default>"
		}
		return nil, fmt.Errorf("No gpg key found with ID %s (homedir: %s)", key, home) //nolint:staticcheck // libostree's text
	}
	return s.gpg(ctx, data, "--detach-sign", "--local-user", key)
}

// gpg runs the program.
func (s *Signer) gpg(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	args = append([]string{"--batch", "--no-tty", "--quiet"}, args...)
	if s.Home != "" {
		args = append([]string{"--homedir", s.Home}, args...)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "gpg", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return nil, fmt.Errorf("signing with GPG takes the program gpg, which has the secret keys: %w", err)
	}
	if err != nil {
		return nil, fmt.Errorf("gpg: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}

// SignCommit adds a signature by each of the keys to a commit.
func (s *Signer) SignCommit(ctx context.Context, r *ostreerepo.Repo, c object.Checksum) error {
	data, err := r.Metadata(object.Name{Checksum: c, Type: object.TypeCommit})
	if err != nil {
		return err
	}
	metadata, _, err := r.DetachedMetadata(c)
	if err != nil {
		return err
	}
	if err := s.checkNew(r, metadata); err != nil {
		return err
	}
	if metadata, err = s.Append(ctx, metadata, data); err != nil {
		return err
	}
	return r.Update(ctx, ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		return tx.PutDetached(c, metadata)
	})
}

// checkNew refuses a key that signed already, as far as the repository trusts it.
func (s *Signer) checkNew(r *ostreerepo.Repo, metadata gvariant.Value) error {
	signatures, _ := sign.Signatures(metadata, sign.KeyGPG)
	if len(signatures) == 0 {
		return nil
	}
	k, err := AllKeyrings(r)
	if err != nil {
		return err
	}
	for _, key := range s.Keys {
		if _, err := k.Select([]string{key}); err != nil {
			continue
		}
		for _, signature := range signatures {
			if by, err := k.MadeBy(signature, []string{key}); by && err == nil {
				return fmt.Errorf("Commit is already signed with GPG key %s", key) //nolint:staticcheck // libostree's text
			}
		}
	}
	return nil
}

// DeleteSignatures removes from a commit the signatures by any of the keys, which
// are looked up in the home directory, and returns how many went.
func (s *Signer) DeleteSignatures(ctx context.Context, r *ostreerepo.Repo, c object.Checksum) (n int, err error) {
	metadata, _, err := r.DetachedMetadata(c)
	if err != nil {
		return 0, err
	}
	var known *openpgp.Keyring
	if s.Home != "" {
		if known, err = HomeKeyring(s.Home); err != nil {
			return 0, err
		}
	}
	signatures, _ := sign.Signatures(metadata, sign.KeyGPG)
	var kept [][]byte
	for _, signature := range signatures {
		by, err := known.MadeBy(signature, s.Keys)
		if err != nil {
			return 0, err
		}
		if !by {
			kept = append(kept, signature)
		}
	}
	if n = len(signatures) - len(kept); n == 0 {
		return 0, nil
	}
	return n, r.Update(ctx, ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		return tx.PutDetached(c, sign.Replace(metadata, sign.KeyGPG, kept))
	})
}

// ErrNoSignatures says that a commit or summary has no GPG signatures at all.
var ErrNoSignatures = errors.New("no signatures found")

// Verify gives the verdict of a keyring on the signatures in a dictionary. Without
// any the error is ErrNoSignatures.
func Verify(k *openpgp.Keyring, data []byte, metadata gvariant.Value) (*openpgp.Result, error) {
	signatures, ok := sign.Signatures(metadata, sign.KeyGPG)
	if !ok || len(signatures) == 0 {
		return nil, ErrNoSignatures
	}
	return k.Verify(data, bytes.Join(signatures, nil), time.Now())
}

// VerifyCommit requires that a commit, given as its bytes and detached metadata, is
// signed by a key that is trusted for a remote. Errors have libostree's texts.
func VerifyCommit(r *ostreerepo.Repo, remote string, c object.Checksum, data []byte, metadata gvariant.Value) error {
	k, err := Keyring(r, remote)
	if err != nil {
		return err
	}
	result, err := Verify(k, data, metadata)
	if errors.Is(err, ErrNoSignatures) {
		return fmt.Errorf("Commit %s: GPG verification enabled, but %w (use gpg-verify=false in remote config to disable)", c, err) //nolint:staticcheck // libostree's text
	}
	if err == nil {
		err = result.Require()
	}
	if err != nil {
		return fmt.Errorf("Commit %s: %w", c, err) //nolint:staticcheck // libostree's text
	}
	return nil
}

// VerifySummary is VerifyCommit for a summary.
func VerifySummary(r *ostreerepo.Repo, remote string, data []byte, signatures gvariant.Value) error {
	k, err := Keyring(r, remote)
	if err != nil {
		return err
	}
	result, err := Verify(k, data, signatures)
	if errors.Is(err, ErrNoSignatures) {
		return errors.New("GPG verification enabled, but no summary.sig found (use gpg-verify-summary=false in remote config to disable)") //nolint:staticcheck // libostree's text
	}
	if err != nil {
		return err
	}
	return result.Require()
}
