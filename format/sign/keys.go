package sign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"

	"github.com/cloudflare/circl/sign/ed448"
)

func checkLength(raw []byte, want int) error {
	if len(raw) != want {
		return fmt.Errorf("Ill-formed input: expected %d bytes, got %d bytes", want, len(raw)) //nolint:staticcheck // libostree's text
	}
	return nil
}

func ed25519Verifier(raw []byte) (verifier, error) {
	if err := checkLength(raw, ed25519.PublicKeySize); err != nil {
		return nil, err
	}
	return func(data, signature []byte) (bool, error) {
		if err := checkLength(signature, ed25519.SignatureSize); err != nil {
			return false, err
		}
		return ed25519.Verify(raw, data, signature), nil
	}, nil
}

// ed25519Signer needs the seed alone, but libostree's form of a secret key has the
// public key behind it.
func ed25519Signer(raw []byte) (signer, error) {
	if err := checkLength(raw, ed25519.PrivateKeySize); err != nil {
		return nil, err
	}
	key := ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize])
	return func(data []byte) ([]byte, error) { return ed25519.Sign(key, data), nil }, nil
}

// checkRSA refuses keys that are too small for package rsa or too large for OpenSSL.
func checkRSA(key *rsa.PublicKey) error {
	switch bits := key.N.BitLen(); {
	case bits < 1024:
		return fmt.Errorf("an RSA key of %d bits is too weak", bits)
	case bits > 16384:
		return fmt.Errorf("an RSA key of %d bits is too large", bits)
	}
	return nil
}

// spkiVerifier verifies as OpenSSL's EVP_DigestVerify does when no digest is named:
// Ed25519 and Ed448 over the data itself, RSA (PKCS #1 v1.5) and ECDSA over its
// SHA-256.
func spkiVerifier(der []byte) (verifier, error) {
	key, err := parsePublic(der)
	if err != nil {
		return nil, err
	}
	switch key := key.(type) {
	case ed25519.PublicKey:
		return func(data, signature []byte) (bool, error) { return ed25519.Verify(key, data, signature), nil }, nil
	case ed448.PublicKey:
		return func(data, signature []byte) (bool, error) { return ed448.Verify(key, data, signature, ""), nil }, nil
	case *rsa.PublicKey:
		if err := checkRSA(key); err != nil {
			return nil, err
		}
		return func(data, signature []byte) (bool, error) {
			sum := sha256.Sum256(data)
			return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil, nil
		}, nil
	case *ecdsa.PublicKey:
		return func(data, signature []byte) (bool, error) {
			sum := sha256.Sum256(data)
			return ecdsa.VerifyASN1(key, sum[:], signature), nil
		}, nil
	}
	return nil, fmt.Errorf("%T is not supported", key)
}

func spkiSigner(der []byte) (signer, error) {
	key, err := parseSecret(der)
	if err != nil {
		return nil, err
	}
	switch key := key.(type) {
	case ed25519.PrivateKey:
		return func(data []byte) ([]byte, error) { return ed25519.Sign(key, data), nil }, nil
	case ed448.PrivateKey:
		return func(data []byte) ([]byte, error) { return ed448.Sign(key, data, ""), nil }, nil
	case *rsa.PrivateKey:
		return digestSigner(key), checkRSA(&key.PublicKey)
	case *ecdsa.PrivateKey:
		return digestSigner(key), nil
	}
	return nil, fmt.Errorf("%T is not supported", key)
}

func digestSigner(key crypto.Signer) signer {
	return func(data []byte) ([]byte, error) {
		sum := sha256.Sum256(data)
		return key.Sign(rand.Reader, sum[:], crypto.SHA256)
	}
}

func parsePublic(der []byte) (any, error) {
	if raw, ok := ed448Key(ed448PublicPrefix, der, ed448.PublicKeySize); ok {
		return ed448.PublicKey(raw), nil
	}
	return x509.ParsePKIXPublicKey(der)
}

// parseSecret reads PKCS #8, and what OpenSSL wrote before it.
func parseSecret(der []byte) (any, error) {
	if seed, ok := ed448Key(ed448SecretPrefix, der, ed448.SeedSize); ok {
		return ed448.NewKeyFromSeed(seed), nil
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	ec, ecErr := x509.ParseECPrivateKey(der)
	if ecErr == nil {
		return ec, nil
	}
	return nil, fmt.Errorf("as PKCS #8: %w; as an EC key: %w", err, ecErr)
}

// What comes before an Ed448 key in DER (RFC 8410), which has but one encoding: the
// sequence, the algorithm 1.3.101.113, and the key's own tags.
const (
	ed448PublicPrefix = "\x30\x43\x30\x05\x06\x03\x2b\x65\x71\x03\x3a\x00"
	ed448SecretPrefix = "\x30\x47\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x71\x04\x3b\x04\x39"
)

func ed448Key(prefix string, der []byte, size int) ([]byte, bool) {
	if len(der) != len(prefix)+size || string(der[:len(prefix)]) != prefix {
		return nil, false
	}
	return der[len(prefix):], true
}
