package sign

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
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

// ErrType says that no engine has the name. The text is libostree's, which scripts
// look for; there is nothing left to implement.
var ErrType = errors.New("Requested signature type is not implemented") //nolint:staticcheck // libostree's text

// ParseType reads the name of an engine, or returns ErrType.
func ParseType(name string) (Type, error) {
	switch t := Type(name); t {
	case Ed25519, SPKI, Dummy:
		return t, nil
	}
	return "", ErrType
}

// Key is the engine's key in dictionaries of signatures (libostree, ostree-sign-*.c).
func (t Type) Key() string { return "ostree.sign." + string(t) }

// verifier reports whether a signature of data is right. An error says that it is
// none at all.
type verifier func(data, signature []byte) (bool, error)

// signer makes a signature of data.
type signer func(data []byte) ([]byte, error)

// A PublicKey verifies signatures.
type PublicKey struct {
	raw    []byte // 32 bytes; DER; the text of a dummy
	verify verifier
}

// String is the key in hexadecimal.
func (k *PublicKey) String() string { return hex.EncodeToString(k.raw) }

// A Signer signs data with a secret key.
type Signer struct {
	Type Type // the engine that the signatures are for
	sign signer
}

// Sign returns the signature of data.
func (s *Signer) Sign(data []byte) ([]byte, error) { return s.sign(data) }

// ParsePublicKey reads a public key as it stands in a configuration or on a
// command line: base64 of 32 bytes for ed25519; of a SubjectPublicKeyInfo in DER for
// spki, or that in PEM; the text itself for dummy.
//
// Keys of spki are Ed25519, Ed448, RSA, and ECDSA on the curves of NIST.
func (t Type) ParsePublicKey(s string) (*PublicKey, error) {
	k := new(PublicKey)
	var err error
	if k.raw, err = t.decode(s, isPublicLabel); err == nil {
		k.verify, err = t.newVerifier(k.raw)
	}
	if err != nil {
		return nil, fmt.Errorf("Invalid %s public key: %w", t, err) //nolint:staticcheck // libostree's text
	}
	return k, nil
}

func (t Type) newVerifier(raw []byte) (verifier, error) {
	switch t {
	case Ed25519:
		return ed25519Verifier(raw)
	case SPKI:
		return spkiVerifier(raw)
	}
	return func(_, signature []byte) (bool, error) { return bytes.Equal(signature, raw), nil }, nil
}

// ParseSecretKey reads a secret key: base64 of 64 bytes, the seed and the public
// key, for ed25519; of a PKCS #8 key in DER for spki, or that in PEM, where OpenSSL's
// older forms of RSA and EC keys are taken too; the text itself for dummy.
func (t Type) ParseSecretKey(s string) (*Signer, error) {
	raw, err := t.decode(s, isSecretLabel)
	signer := &Signer{Type: t}
	if err == nil {
		signer.sign, err = t.newSigner(raw)
	}
	if err != nil {
		return nil, fmt.Errorf("Invalid %s secret key: %w", t, err) //nolint:staticcheck // libostree's text
	}
	return signer, nil
}

func (t Type) newSigner(raw []byte) (signer, error) {
	switch t {
	case Ed25519:
		return ed25519Signer(raw)
	case SPKI:
		return spkiSigner(raw)
	}
	return func([]byte) ([]byte, error) { return raw, nil }, nil
}
