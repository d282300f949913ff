package openpgp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	pgp "github.com/ProtonMail/go-crypto/openpgp"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Status is the verdict on a signature.
type Status uint8

// Of several that hold GPG gives the first. Only Good makes a signature valid.
const (
	Good       Status = iota
	KeyMissing        // the keyring does not have the key
	Unusable          // the key may not sign, or not so: it is invalid, younger than the signature …
	Bad               // the data or the signature was changed
	Expired           // the signature
	KeyExpired        // the key or its primary key
	KeyRevoked        // the key or its primary key
)

var statusNames = [...]string{"good", "key-missing", "unusable", "bad", "expired", "key-expired", "key-revoked"}

// String is the status as one word.
func (s Status) String() string { return statusNames[s] }

// MarshalText is String.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Signature is what is known of one signature.
type Signature struct {
	Status Status `json:"status"`

	Fingerprint string `json:"fingerprint"`       // of the key that signed, or its 16-digit ID if no more is known
	Primary     string `json:"primary,omitempty"` // fingerprint of the primary key
	Algorithm   string `json:"algorithm"`         // of the key, by GPG's name
	Hash        string `json:"hash"`              // such as SHA256

	Made              time.Time `json:"made"`
	Expires           time.Time `json:"expires,omitzero"`           // the signature; zero: never
	KeyExpires        time.Time `json:"keyExpires,omitzero"`        // the key that signed
	PrimaryKeyExpires time.Time `json:"primaryKeyExpires,omitzero"` // its primary key

	UserName  string `json:"userName,omitempty"` // the primary user ID of the key
	UserEmail string `json:"userEmail,omitempty"`
}

// Result is the verdict on the signatures of something.
type Result struct {
	Signatures []Signature
}

// FormatError says that something is no run of signatures.
type FormatError struct {
	Text string // GPGME's word for it
}

// Error is libostree's text.
func (e *FormatError) Error() string {
	return "GPG: Unable to complete signature verification: GPGME: " + e.Text
}

// maxSignatures bounds the work that signatures from outside cause.
const maxSignatures = 4096

// Verify verifies detached signatures of data: binary packets one after the other,
// or the same in ASCII armour. That a signature is not valid is part of the result;
// the error, a *FormatError, says that they are no signatures.
//
// As when GPG is called by a program, nothing is said of signatures after one that
// is Bad or Expired, or not of data.
func (k *Keyring) Verify(data, signatures []byte, now time.Time) (*Result, error) {
	packets, err := signaturePackets(signatures)
	if err != nil {
		return nil, err
	}
	v := verifier{keyring: k, data: data, now: now.Truncate(time.Second), certs: map[*block]*cert{}}
	r := &Result{}
	for _, p := range packets {
		parsed, supported := parseSignature(p.raw)
		if parsed == nil {
			continue // GPG does not see it either
		}
		s := v.check(parsed, supported)
		r.Signatures = append(r.Signatures, s)
		if s.Status == Bad || s.Status == Expired || !ofDocument(parsed) {
			break
		}
	}
	return r, nil
}

func signaturePackets(data []byte) ([]rawPacket, error) {
	data, err := dearmor(data)
	if err != nil {
		return nil, &FormatError{"No data"}
	}
	packets, err := splitPackets(data)
	if err != nil || len(packets) == 0 {
		return nil, &FormatError{"No data"}
	}
	if len(packets) > maxSignatures {
		return nil, &FormatError{"Too many objects"}
	}
	for _, p := range packets {
		if p.tag != tagSignature {
			return nil, &FormatError{"General error"}
		}
	}
	return packets, nil
}

// parseSignature reads a signature. One by an algorithm or hash that is not
// supported is read as though it were another, to tell what it says of itself.
func parseSignature(raw []byte) (s *packet.Signature, supported bool) {
	p, err := packet.Read(bytes.NewReader(raw))
	if s, ok := p.(*packet.Signature); ok && err == nil {
		return s, true
	}
	var unsupported pgperrors.UnsupportedError
	_, header, _, headerErr := packetHeader(raw)
	if !errors.As(err, &unsupported) || headerErr != nil || len(raw) < header+4 || raw[header] != 4 {
		return nil, false
	}
	const rsa, sha256 = 1, 8
	algorithm, changed := raw[header+2], bytes.Clone(raw)
	changed[header+2], changed[header+3] = rsa, sha256
	p, err = packet.Read(bytes.NewReader(changed))
	if s, ok := p.(*packet.Signature); ok && err == nil {
		s.PubKeyAlgo, s.Hash = packet.PublicKeyAlgorithm(algorithm), 0
		return s, false
	}
	return nil, false
}

// verifier verifies signatures of the same data.
type verifier struct {
	keyring *Keyring
	data    []byte
	now     time.Time
	certs   map[*block]*cert
}

// check gives the verdict on one signature.
func (v *verifier) check(sig *packet.Signature, supported bool) Signature {
	s := Signature{
		Algorithm: algorithmName(sig.PubKeyAlgo), Hash: hashName(sig), Fingerprint: issuer(sig),
		Made: sig.CreationTime, Expires: after(sig.CreationTime, sig.SigLifetimeSecs),
	}
	b, at := v.keyring.find(sig)
	if b == nil {
		s.Status = KeyMissing
		return s
	}
	c := v.certs[b]
	if c == nil {
		c = b.cert(v.now)
		v.certs[b] = c
	}
	key := &c.keys[at]
	s.describeKey(c, key)
	switch {
	case !supported || !ofDocument(sig) || !key.usable(sig, v.now):
		s.Status = Unusable
	case verify(key.PublicKey, v.data, sig) != nil:
		s.Status = Bad
	case !key.crossed:
		s.Status = Unusable
	case expiredSignature(sig, v.now):
		s.Status = Expired
	case key.expired:
		s.Status = KeyExpired
	case key.revoked:
		s.Status = KeyRevoked
	}
	return s
}

// usable reports whether a key may have made a signature.
func (k *certKey) usable(sig *packet.Signature, now time.Time) bool {
	return k.valid && k.signs && !sig.CreationTime.Before(k.CreationTime) && !k.CreationTime.After(now)
}

// describeKey fills in what the key says about itself.
func (s *Signature) describeKey(c *cert, key *certKey) {
	s.Fingerprint, s.Primary = fingerprint(key.PublicKey), fingerprint(c.keys[0].PublicKey)
	s.KeyExpires, s.PrimaryKeyExpires = key.expires, c.keys[0].expires
	s.UserName, s.UserEmail = "[unknown name]", "[unknown email]"
	if len(c.userIDs) > 0 {
		s.UserName, s.UserEmail = splitUserID(c.userIDs[0].id)
	}
}

// find returns the block of the key that a signature names, and where the key is
// among the block's.
func (k *Keyring) find(sig *packet.Signature) (b *block, at int) {
	for _, b := range k.blocks {
		at := 0
		for _, p := range b.parts {
			if p.key == nil {
				continue
			}
			if sig.CheckKeyIdOrFingerprint(p.key) {
				return b, at
			}
			at++
		}
	}
	return nil, 0
}

func issuer(sig *packet.Signature) string {
	switch {
	case len(sig.IssuerFingerprint) > 0:
		return strings.ToUpper(hex.EncodeToString(sig.IssuerFingerprint))
	case sig.IssuerKeyId != nil:
		return fmt.Sprintf("%016X", *sig.IssuerKeyId)
	}
	return strings.Repeat("0", 16)
}

// ofDocument reports whether a signature is one of data, rather than of a key.
func ofDocument(sig *packet.Signature) bool {
	return sig.SigType == packet.SigTypeBinary || sig.SigType == packet.SigTypeText
}

// verify does the mathematics.
func verify(key *packet.PublicKey, data []byte, sig *packet.Signature) error {
	if !sig.Hash.Available() {
		return errors.New("unknown hash")
	}
	h, err := sig.PrepareVerify()
	if err != nil {
		return err
	}
	if sig.SigType == packet.SigTypeText {
		if _, err := pgp.NewCanonicalTextHash(h).Write(data); err != nil {
			return err
		}
	} else {
		h.Write(data)
	}
	return key.VerifySignature(h, sig)
}

// algorithmName is GPGME's name of a public-key algorithm.
func algorithmName(a packet.PublicKeyAlgorithm) string {
	switch a {
	case packet.PubKeyAlgoRSA:
		return "RSA"
	case packet.PubKeyAlgoRSASignOnly:
		return "RSA-S"
	case packet.PubKeyAlgoRSAEncryptOnly:
		return "RSA-E"
	case packet.PubKeyAlgoDSA:
		return "DSA"
	case packet.PubKeyAlgoECDSA:
		return "ECDSA"
	case packet.PubKeyAlgoEdDSA, packet.PubKeyAlgoEd25519, packet.PubKeyAlgoEd448:
		return "EdDSA"
	}
	return unknownName
}

const unknownName = "[unknown name]"

// hashName is the hash of a signature without a hyphen.
func hashName(sig *packet.Signature) string {
	if sig.Hash == 0 {
		return unknownName
	}
	return strings.Replace(sig.Hash.String(), "-", "", 1)
}

// SignedBy returns which of the signatures of a result was made by the key that an
// ID names, or by another key with the same primary key, and -1 for none. As for
// libostree, only keys of the keyring have IDs.
func (k *Keyring) SignedBy(r *Result, id string) int {
	b, err := k.lookup(id)
	if err != nil {
		return -1
	}
	return slices.IndexFunc(r.Signatures, func(s Signature) bool { return s.Primary == b.fingerprint() })
}
