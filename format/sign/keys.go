package sign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
)

func checkLength(raw []byte, want int) error {
	if len(raw) != want {
		return fmt.Errorf("Ill-formed input: expected %d bytes, got %d bytes", want, len(raw)) //nolint:staticcheck // libostree's text
	}
	return nil
}

func ed25519Verifier(raw []byte) (func(data, signature []byte) (bool, error), error) {
	if err := checkLength(raw, ed25519.PublicKeySize); err != nil {
		return nil, err
	}
	return func(data, signature []byte) (bool, error) {
		if len(signature) != ed25519.SignatureSize {
			return false, fmt.Errorf("Ill-formed input: expected %d bytes, got %d bytes", ed25519.SignatureSize, len(signature)) //nolint:staticcheck // libostree's text
		}
		return ed25519.Verify(raw, data, signature), nil
	}, nil
}

func ed25519Signer(raw []byte) (func([]byte) ([]byte, error), error) {
	if err := checkLength(raw, ed25519.PrivateKeySize); err != nil {
		return nil, err
	}
	key := ed25519.NewKeyFromSeed(raw[:ed25519.SeedSize])
	return func(data []byte) ([]byte, error) { return ed25519.Sign(key, data), nil }, nil
}

// spkiVerifier verifies as OpenSSL's EVP_DigestVerify does without a digest named:
// pure Ed25519, and SHA-256 with RSA (PKCS #1 v1.5) and ECDSA.
func spkiVerifier(der []byte) (func(data, signature []byte) (bool, error), error) {
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, fmt.Errorf("spki public key: %w", err)
	}
	switch key := key.(type) {
	case ed25519.PublicKey:
		return func(data, signature []byte) (bool, error) { return ed25519.Verify(key, data, signature), nil }, nil
	case *rsa.PublicKey:
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
	return nil, fmt.Errorf("spki public key: %T is not supported", key)
}

func spkiSigner(der []byte) (func([]byte) ([]byte, error), error) {
	key, err := parsePrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("spki secret key: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("spki secret key: %T cannot sign", key)
	}
	if _, ok := key.(ed25519.PrivateKey); ok {
		return func(data []byte) ([]byte, error) { return signer.Sign(rand.Reader, data, crypto.Hash(0)) }, nil
	}
	return func(data []byte) ([]byte, error) {
		sum := sha256.Sum256(data)
		return signer.Sign(rand.Reader, sum[:], crypto.SHA256)
	}, nil
}

// parsePrivateKey reads any of the forms in which OpenSSL has secret keys.
func parsePrivateKey(der []byte) (any, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err == nil {
		return key, nil
	}
	if rsaKey, rsaErr := x509.ParsePKCS1PrivateKey(der); rsaErr == nil {
		return rsaKey, nil
	}
	if ecKey, ecErr := x509.ParseECPrivateKey(der); ecErr == nil {
		return ecKey, nil
	}
	return nil, err
}

const pemBegin = "-----BEGIN "

// pemBlock returns what is in the PEM block that s is; nil when it is none.
func pemBlock(s string) []byte {
	if !strings.Contains(s, pemBegin) {
		return nil
	}
	block, _ := pem.Decode([]byte(s))
	if block == nil {
		return nil
	}
	return block.Bytes
}

// splitPEM takes a file of PEM blocks apart.
func splitPEM(s string) []string {
	var blocks []string
	for rest := []byte(s); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return blocks
		}
		blocks = append(blocks, string(pem.EncodeToMemory(block)))
	}
}
