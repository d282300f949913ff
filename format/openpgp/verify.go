package openpgp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	pgp "github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Signature is what became of one signature. Valid needs that its key is there,
// that it is right, and that neither of the two is expired or revoked.
type Signature struct {
	Valid      bool `json:"valid"`
	KeyMissing bool `json:"keyMissing,omitempty"`
	KeyRevoked bool `json:"keyRevoked,omitempty"`
	KeyExpired bool `json:"keyExpired,omitempty"`
	Expired    bool `json:"expired,omitempty"`

	Fingerprint string `json:"fingerprint"`       // of the key that signed, or its 16-digit ID if it is missing
	Primary     string `json:"primary,omitempty"` // fingerprint of the primary key
	Algorithm   string `json:"algorithm"`         // of the key, by GPG's name

	Made              time.Time `json:"made"`
	Expires           time.Time `json:"expires,omitzero"`           // the signature; zero: never
	KeyExpires        time.Time `json:"keyExpires,omitzero"`        // the key that signed
	PrimaryKeyExpires time.Time `json:"primaryKeyExpires,omitzero"` // its primary key

	UserName  string `json:"userName,omitempty"`
	UserEmail string `json:"userEmail,omitempty"`
}

// Result is the verdict on all signatures of something.
type Result struct {
	Signatures []Signature
}

// Verify verifies detached signatures of data: binary packets one after the other.
// An error says that they are no such packets; that a signature is not valid is
// part of the result.
func (k *Keyring) Verify(data, signatures []byte, now time.Time) (*Result, error) {
	signatures, err := dearmor(signatures)
	if err != nil {
		return nil, err
	}
	r := &Result{}
	for packets := packet.NewReader(bytes.NewReader(signatures)); ; {
		p, err := packets.Next()
		if err == io.EOF {
			return r, nil
		}
		if err != nil {
			return nil, fmt.Errorf("signature: %w", err)
		}
		sig, ok := p.(*packet.Signature)
		if !ok {
			return nil, fmt.Errorf("signature: unexpected packet %T", p)
		}
		r.Signatures = append(r.Signatures, k.check(data, sig, now))
	}
}

// check gives the verdict on one signature.
func (k *Keyring) check(data []byte, sig *packet.Signature, now time.Time) Signature {
	s := Signature{Made: sig.CreationTime, Algorithm: algorithmName(sig.PubKeyAlgo), Fingerprint: issuer(sig)}
	if sig.SigLifetimeSecs != nil && *sig.SigLifetimeSecs != 0 {
		s.Expires = sig.CreationTime.Add(time.Duration(*sig.SigLifetimeSecs) * time.Second)
	}
	b, key := k.signingKey(sig)
	if key == nil {
		s.KeyMissing = true
		return s
	}
	s.describeKey(b, key, now)
	right := verify(key.PublicKey, data, sig) == nil
	s.Expired = right && !s.Expires.IsZero() && now.After(s.Expires)
	s.KeyRevoked = right && s.KeyRevoked
	s.KeyExpired = right && s.KeyExpired
	s.Valid = right && !s.Expired && !s.KeyRevoked && !s.KeyExpired
	return s
}

// describeKey fills in what the key says about itself.
func (s *Signature) describeKey(b *block, key *pgp.Key, now time.Time) {
	e := b.entity
	s.Fingerprint, s.Primary = fingerprint(key.PublicKey), fingerprint(e.PrimaryKey)
	s.PrimaryKeyExpires = primaryExpiry(e)
	s.KeyExpires = expiry(key.PublicKey, key.SelfSignature)
	if s.Fingerprint == s.Primary {
		s.KeyExpires = s.PrimaryKeyExpires
	}
	for _, t := range []time.Time{s.KeyExpires, s.PrimaryKeyExpires} {
		s.KeyExpired = s.KeyExpired || !t.IsZero() && now.After(t)
	}
	s.KeyRevoked = e.Revoked(now)
	for _, sub := range e.Subkeys {
		s.KeyRevoked = s.KeyRevoked || fingerprint(sub.PublicKey) == s.Fingerprint && sub.Revoked(now)
	}
	s.UserName, s.UserEmail = "[unknown name]", "[unknown email]"
	if ids := identities(e); len(ids) > 0 {
		s.UserName, s.UserEmail = ids[0].UserId.Name, ids[0].UserId.Email
	}
}

// signingKey finds the key that a signature names.
func (k *Keyring) signingKey(sig *packet.Signature) (*block, *pgp.Key) {
	for _, b := range k.blocks {
		for _, key := range (pgp.EntityList{b.entity}).KeysById(issuerID(sig)) {
			if sig.CheckKeyIdOrFingerprint(key.PublicKey) && key.PublicKey.CanSign() {
				return b, &key
			}
		}
	}
	return nil, nil
}

func issuerID(sig *packet.Signature) uint64 {
	if sig.IssuerKeyId == nil {
		return 0
	}
	return *sig.IssuerKeyId
}

func issuer(sig *packet.Signature) string {
	if len(sig.IssuerFingerprint) > 0 {
		return strings.ToUpper(hex.EncodeToString(sig.IssuerFingerprint))
	}
	return fmt.Sprintf("%016X", issuerID(sig))
}

// verify does the mathematics.
func verify(key *packet.PublicKey, data []byte, sig *packet.Signature) error {
	if sig.SigType != packet.SigTypeBinary && sig.SigType != packet.SigTypeText {
		return errors.New("not a signature of a document")
	}
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
	return "[unknown name]"
}

// Describe writes what became of a signature as libostree does, each line after
// the prefix. Times are in the local zone.
func (s *Signature) Describe(prefix string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, prefix+format+"\n", args...) }
	line("Signature made %s using %s key ID %s", date(s.Made), s.Algorithm, keyID(s.Fingerprint))
	line("%s", s.verdict())
	if !s.KeyMissing && s.Fingerprint != s.Primary {
		line("Primary key ID %s", keyID(s.Primary))
	}
	expires := func(what string, t time.Time, expired bool) {
		switch {
		case t.IsZero():
		case expired:
			line("%s expired %s", what, date(t))
		default:
			line("%s expires %s", what, date(t))
		}
	}
	expires("Signature", s.Expires, s.Expired)
	expires("Key", s.KeyExpires, s.KeyExpired)
	if s.Fingerprint != s.Primary {
		expires("Primary key", s.PrimaryKeyExpires, s.KeyExpired)
	}
	return b.String()
}

func (s *Signature) verdict() string {
	from := fmt.Sprintf("signature from \"%s <%s>\"", s.UserName, s.UserEmail)
	switch {
	case s.KeyMissing:
		return "Can't check signature: public key not found"
	case s.Valid:
		return "Good " + from
	case s.KeyRevoked:
		return "Key revoked"
	case s.Expired:
		return "Expired " + from
	}
	return "BAD " + from
}

func keyID(fingerprint string) string { return fingerprint[max(0, len(fingerprint)-16):] }

// date writes a time as C's strftime does with %c.
func date(t time.Time) string { return t.Local().Format(time.ANSIC) }

// Date writes a time as the reports here do.
func Date(t time.Time) string { return date(t) }

// Valid is the number of valid signatures.
func (r *Result) Valid() int {
	n := 0
	for _, s := range r.Signatures {
		if s.Valid {
			n++
		}
	}
	return n
}

// InvalidError says that none of the signatures is valid.
type InvalidError struct {
	Result *Result
}

// Error describes all signatures, the last one first.
func (e *InvalidError) Error() string {
	if len(e.Result.Signatures) == 0 {
		return "No GPG signatures found"
	}
	var b strings.Builder
	for i := len(e.Result.Signatures) - 1; i >= 0; i-- {
		b.WriteString(e.Result.Signatures[i].Describe(""))
	}
	return strings.TrimRight(b.String(), "\n")
}

// Require returns an *InvalidError unless one of the signatures is valid.
func (r *Result) Require() error {
	if r.Valid() == 0 {
		return &InvalidError{r}
	}
	return nil
}

// MadeBy reports whether the first of the signatures was made by a key with one of
// the IDs, which may also be those of its primary key if the keyring has that. The
// keyring may be nil.
func (k *Keyring) MadeBy(signatures []byte, ids []string) (bool, error) {
	p, err := packet.NewReader(bytes.NewReader(signatures)).Next()
	if err != nil {
		return false, fmt.Errorf("signature: %w", err)
	}
	sig, ok := p.(*packet.Signature)
	if !ok {
		return false, fmt.Errorf("signature: unexpected packet %T", p)
	}
	by := []string{issuer(sig), fmt.Sprintf("%016X", issuerID(sig))}
	if k != nil {
		if b, key := k.signingKey(sig); key != nil {
			by = append(by, fingerprint(b.entity.PrimaryKey))
		}
	}
	for _, id := range ids {
		id = strings.ToUpper(strings.TrimPrefix(id, "0x"))
		for _, f := range by {
			if len(id) >= 8 && strings.HasSuffix(f, id) {
				return true, nil
			}
		}
	}
	return false, nil
}
