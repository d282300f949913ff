package sign

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// Type is one of the engines.
type Type string

// The engines. Dummy proves nothing and is for tests: its signature is its key.
const (
	Ed25519 Type = "ed25519"
	SPKI    Type = "spki"
	Dummy   Type = "dummy"
)

// Types lists the engines in the order in which a remote's are tried.
var Types = []Type{Ed25519, SPKI, Dummy}

// ParseType reads the name of an engine.
func ParseType(name string) (Type, error) {
	switch t := Type(name); t {
	case Ed25519, SPKI, Dummy:
		return t, nil
	}
	return "", errors.New("Requested signature type is not implemented") //nolint:staticcheck // libostree's text
}

// Key is the engine's key in dictionaries of signatures.
func (t Type) Key() string { return "ostree.sign." + string(t) }

// A PublicKey verifies signatures.
type PublicKey struct {
	raw    []byte // 32 bytes; DER; the text of a dummy
	verify func(data, signature []byte) (bool, error)
}

// String is the key in hexadecimal.
func (k *PublicKey) String() string { return hex.EncodeToString(k.raw) }

// Equal reports whether two keys are the same.
func (k *PublicKey) Equal(other *PublicKey) bool { return bytes.Equal(k.raw, other.raw) }

// A Signer signs data.
type Signer struct {
	Type Type
	sign func(data []byte) ([]byte, error)
}

// Sign returns the signature of data.
func (s *Signer) Sign(data []byte) ([]byte, error) { return s.sign(data) }

// ParsePublicKey reads a public key as it stands in a configuration or on a
// command line: base64 of 32 bytes for ed25519 and of a SubjectPublicKeyInfo in
// DER for spki; the text itself for dummy.
func (t Type) ParsePublicKey(s string) (*PublicKey, error) {
	raw, err := t.decode(s)
	if err != nil {
		return nil, fmt.Errorf("%s public key: %w", t, err)
	}
	return t.newPublicKey(raw)
}

func (t Type) newPublicKey(raw []byte) (*PublicKey, error) {
	k := &PublicKey{raw: raw}
	var err error
	switch t {
	case Ed25519:
		k.verify, err = ed25519Verifier(raw)
	case SPKI:
		k.verify, err = spkiVerifier(raw)
	default:
		k.verify = func(_, signature []byte) (bool, error) { return bytes.Equal(signature, raw), nil }
	}
	return k, err
}

// ParseSecretKey reads a secret key: base64 of 64 bytes, the seed and the public
// key, for ed25519; of a PKCS #8 key in DER for spki, where PEM is taken too; the
// text itself for dummy.
func (t Type) ParseSecretKey(s string) (*Signer, error) {
	raw, err := t.decode(s)
	if err != nil {
		return nil, fmt.Errorf("%s secret key: %w", t, err)
	}
	signer := &Signer{Type: t}
	switch t {
	case Ed25519:
		signer.sign, err = ed25519Signer(raw)
	case SPKI:
		signer.sign, err = spkiSigner(raw)
	default:
		signer.sign = func([]byte) ([]byte, error) { return raw, nil }
	}
	return signer, err
}

// decode turns a key's text into its bytes.
func (t Type) decode(s string) ([]byte, error) {
	if t == Dummy {
		return []byte(s), nil
	}
	if block := pemBlock(s); t == SPKI && block != nil {
		return block, nil
	}
	return base64.StdEncoding.DecodeString(strings.TrimSpace(s))
}

// ReadPublicKeys reads the keys of a key file: PEM blocks for spki, else one key a
// line. Lines that are no keys are passed over.
func (t Type) ReadPublicKeys(data []byte) []*PublicKey {
	var keys []*PublicKey
	for _, text := range t.split(string(data)) {
		if key, err := t.ParsePublicKey(text); err == nil {
			keys = append(keys, key)
		}
	}
	return keys
}

// split takes a key file apart into the texts of its keys.
func (t Type) split(s string) []string {
	if t == SPKI && strings.Contains(s, pemBegin) {
		return splitPEM(s)
	}
	return strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\r' })
}

// ReadSecretKey reads the first key of a key file.
func (t Type) ReadSecretKey(data []byte) (*Signer, error) {
	texts := t.split(string(data))
	if len(texts) == 0 {
		return nil, fmt.Errorf("%s secret key: no key in the file", t)
	}
	return t.ParseSecretKey(texts[0])
}

// maxReported is how many keys an error names.
const maxReported = 3

// Verify looks for a signature by one of the keys that are not revoked. The
// message says which key it was; the error is libostree's and says which were
// tried.
func (t Type) Verify(data []byte, signatures [][]byte, keys, revoked []*PublicKey) (message string, err error) {
	if t == Dummy {
		return verifyDummy(data, signatures, keys)
	}
	var tried []string
	for _, signature := range signatures {
		for _, key := range keys {
			if isRevoked(key, revoked) {
				continue
			}
			valid, err := key.verify(data, signature)
			if err != nil {
				return "", fmt.Errorf("%s: %w", t, err)
			}
			if valid {
				return fmt.Sprintf("%s: Signature verified successfully with key '%s'", t, key), nil
			}
			tried = append(tried, fmt.Sprintf("key '%s'", key))
		}
	}
	switch {
	case len(tried) > maxReported:
		return "", fmt.Errorf("%s: Signature couldn't be verified; tried %d keys", t, len(tried))
	case len(tried) > 0:
		return "", fmt.Errorf("%s: Signature couldn't be verified with: %s", t, strings.Join(tried, "; "))
	}
	return "", fmt.Errorf("%s: no signatures found", t)
}

func isRevoked(key *PublicKey, revoked []*PublicKey) bool {
	for _, r := range revoked {
		if key.Equal(r) {
			return true
		}
	}
	return false
}

// verifyDummy compares with the last key, since a dummy has but one.
func verifyDummy(data []byte, signatures [][]byte, keys []*PublicKey) (string, error) {
	if len(signatures) == 0 {
		return "", errors.New("signature: dummy: no signatures")
	}
	for _, signature := range signatures {
		if len(keys) == 0 {
			break
		}
		if valid, _ := keys[len(keys)-1].verify(data, signature); valid {
			return "dummy: Signature verified", nil
		}
	}
	return "", fmt.Errorf("signature: dummy: incorrect signature %d", len(signatures)-1)
}
