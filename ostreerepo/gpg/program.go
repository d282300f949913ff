package gpg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// sign makes one detached signature, with the key that GPGME would take for an ID.
func (s *Signer) sign(ctx context.Context, id string, data []byte) ([]byte, error) {
	if len(id) < 8 {
		return nil, fmt.Errorf("Unable to lookup key ID %s: GPGME: Invalid value", id) //nolint:staticcheck // libostree's text
	}
	fingerprint, err := s.secretKey(ctx, id)
	if err != nil {
		return nil, err
	}
	run, err := s.gpg(ctx, data, "--status-fd", "2", "--detach-sign", "--local-user", fingerprint)
	if err != nil {
		return nil, err
	}
	if run.failed {
		return nil, fmt.Errorf("Failure signing commit file: %s", run.reason()) //nolint:staticcheck // libostree's text
	}
	return run.stdout, nil
}

// secretKey finds the secret key that has an ID.
func (s *Signer) secretKey(ctx context.Context, id string) (fingerprint string, err error) {
	run, err := s.gpg(ctx, nil, "--with-colons", "--list-secret-keys", "--", id)
	if err != nil {
		return "", err
	}
	found := primaryFingerprints(string(run.stdout))
	home := s.Home
	if home == "" {
		home = "<default>"
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("No gpg key found with ID %s (homedir: %s)", id, home) //nolint:staticcheck // libostree's text
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("gpg key id %s ambiguous (homedir: %s). Try the fingerprint instead", id, home)
}

// primaryFingerprints reads a listing of gpg (GnuPG, doc/DETAILS): lines of fields
// between colons, where fpr after sec has the fingerprint in the tenth.
func primaryFingerprints(listing string) []string {
	var found []string
	inKey := false
	for line := range strings.Lines(listing) {
		fields := strings.Split(line, ":")
		switch {
		case fields[0] == "sec":
			inKey = true
		case fields[0] == "fpr" && inKey && len(fields) > 9:
			found = append(found, fields[9])
			inKey = false
		}
	}
	return found
}

// run is how gpg ended.
type run struct {
	stdout []byte
	stderr string
	failed bool
}

// gpg runs the program.
func (s *Signer) gpg(ctx context.Context, stdin []byte, args ...string) (*run, error) {
	args = append([]string{"--batch", "--no-tty", "--charset", "utf-8"}, args...)
	if s.Home != "" {
		args = append([]string{"--homedir", s.Home}, args...)
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "gpg", args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stdout, &stderr
	cmd.Env = append(os.Environ(), "LANGUAGE=en") // what it says is read
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("signing with GPG takes the program gpg, which has the secret keys: %w", err)
	case err != nil && !errors.As(err, &exit):
		return nil, err
	}
	return &run{stdout.Bytes(), stderr.String(), err != nil}, nil
}

// sources are who reports an error, in the upper byte of its code (libgpg-error).
var sources = map[uint64]string{
	0: "Unspecified source", 1: "gcrypt", 2: "GPG", 3: "GPGSM", 4: "GPG Agent", 5: "Pinentry", 6: "SCD", 7: "GPGME",
}

// reason is why signing failed, as GPGME puts it.
func (r *run) reason() string {
	source := uint64(2)
	for line := range strings.Lines(r.stderr) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[0] != "[GNUPG:]" {
			continue
		}
		switch fields[1] {
		case "INV_SGNR":
			return "GPGME: Unusable secret key"
		case "FAILURE":
			if code, err := strconv.ParseUint(fields[len(fields)-1], 10, 32); err == nil {
				source = code >> 24 & 0x7f
			}
		}
	}
	text := "General error"
	for line := range strings.Lines(r.stderr) {
		if _, why, ok := strings.Cut(line, "signing failed: "); ok {
			text = strings.TrimSpace(why)
		}
	}
	return sources[source] + ": " + text
}
