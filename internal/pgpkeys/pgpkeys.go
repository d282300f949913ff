// Package pgpkeys makes OpenPGP keys and signatures for tests: also such that gpg
// refuses to make, and faster than it does.
package pgpkeys

import (
	"bytes"
	"crypto"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	pgp "github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
)

// Key is a key that is being put together, packet by packet.
type Key struct {
	t       testing.TB
	private *packet.PrivateKey
	primary *Key // of a subkey
	bodies  []func(out *bytes.Buffer, secret bool)
}

// Edit changes a signature before it is made.
type Edit func(*packet.Signature)

// At sets when a signature is made.
func At(t time.Time) Edit { return func(s *packet.Signature) { s.CreationTime = t } }

// KeyLifetime lets a key expire so long after it was made.
func KeyLifetime(d time.Duration) Edit {
	seconds := uint32(d / time.Second)
	return func(s *packet.Signature) { s.KeyLifetimeSecs = &seconds }
}

// Lifetime lets a signature expire so long after it was made.
func Lifetime(d time.Duration) Edit {
	seconds := uint32(d / time.Second)
	return func(s *packet.Signature) { s.SigLifetimeSecs = &seconds }
}

// Hash sets the hash.
func Hash(h crypto.Hash) Edit { return func(s *packet.Signature) { s.Hash = h } }

// Primary says that a user ID is the primary one.
func Primary(s *packet.Signature) { yes := true; s.IsPrimaryId = &yes }

// CertifyOnly takes the right to sign data from a key.
func CertifyOnly(s *packet.Signature) { s.FlagSign = false }

// NoCrossSignature leaves out a signing subkey's signature on its primary key.
func NoCrossSignature(s *packet.Signature) { s.EmbeddedSignature = nil }

// New makes a primary key without user IDs.
func New(t testing.TB, algorithm packet.PublicKeyAlgorithm, created time.Time) *Key {
	t.Helper()
	curve := packet.Curve25519
	if algorithm == packet.PubKeyAlgoECDSA {
		curve = packet.CurveNistP256
	}
	e, err := pgp.NewEntity("", "", "x@example.com", &packet.Config{
		Algorithm: algorithm, Curve: curve, RSABits: 2048, Time: func() time.Time { return created },
	})
	ok(t, err)
	k := &Key{t: t, private: e.PrivateKey}
	k.put(func(out *bytes.Buffer, secret bool) { k.writeKey(out, secret) })
	return k
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (k *Key) put(write func(out *bytes.Buffer, secret bool)) {
	k.bodies = append(k.bodies, write)
}

func (k *Key) writeKey(out *bytes.Buffer, secret bool) {
	if secret {
		ok(k.t, k.private.Serialize(out))
		return
	}
	ok(k.t, k.private.PublicKey.Serialize(out))
}

func (k *Key) putSignature(s *packet.Signature) {
	k.put(func(out *bytes.Buffer, _ bool) { ok(k.t, s.Serialize(out)) })
}

// signature prepares a signature by k.
func (k *Key) signature(kind packet.SignatureType, edits []Edit) *packet.Signature {
	s := &packet.Signature{
		Version: 4, SigType: kind, PubKeyAlgo: k.private.PubKeyAlgo, Hash: crypto.SHA256,
		CreationTime: k.private.CreationTime, IssuerKeyId: &k.private.KeyId,
	}
	switch kind {
	case packet.SigTypePositiveCert, packet.SigTypeDirectSignature:
		s.FlagsValid, s.FlagCertify, s.FlagSign = true, true, true
	case packet.SigTypeSubkeyBinding:
		s.FlagsValid, s.FlagSign = true, true
	}
	for _, edit := range edits {
		edit(s)
	}
	return s
}

// config keeps the library from randomizing.
var config = &packet.Config{NonDeterministicSignaturesViaNotation: new(bool)}

// UID adds a user ID.
func (k *Key) UID(name string, edits ...Edit) *Key {
	k.t.Helper()
	k.put(func(out *bytes.Buffer, _ bool) { ok(k.t, (&packet.UserId{Id: name}).Serialize(out)) })
	return k.certify(name, packet.SigTypePositiveCert, edits)
}

// RevokeUID revokes the user ID that was added last.
func (k *Key) RevokeUID(name string, edits ...Edit) *Key {
	k.t.Helper()
	return k.certify(name, packet.SigTypeCertificationRevocation, edits)
}

// AgainUID adds another signature to the user ID that was added last.
func (k *Key) AgainUID(name string, edits ...Edit) *Key {
	k.t.Helper()
	return k.certify(name, packet.SigTypePositiveCert, edits)
}

func (k *Key) certify(name string, kind packet.SignatureType, edits []Edit) *Key {
	k.t.Helper()
	s := k.signature(kind, edits)
	ok(k.t, s.SignUserId(name, &k.private.PublicKey, k.private, config))
	k.putSignature(s)
	return k
}

// Direct adds a signature over the key itself.
func (k *Key) Direct(edits ...Edit) *Key {
	k.t.Helper()
	s := k.signature(packet.SigTypeDirectSignature, edits)
	ok(k.t, s.SignDirectKeyBinding(&k.private.PublicKey, k.private, config))
	k.putSignature(s)
	return k
}

// Revoke revokes the key, as its owner or in the name of by.
func (k *Key) Revoke(by *Key, edits ...Edit) *Key {
	k.t.Helper()
	s := by.signature(packet.SigTypeKeyRevocation, edits)
	ok(k.t, s.RevokeKey(&k.private.PublicKey, by.private, config))
	k.putSignature(s)
	return k
}

// Raw adds bytes as they are.
func (k *Key) Raw(data []byte) *Key {
	k.put(func(out *bytes.Buffer, _ bool) { out.Write(data) })
	return k
}

// Subkey adds a key that signs.
func (k *Key) Subkey(sub *Key, edits ...Edit) *Key {
	k.t.Helper()
	sub.primary, sub.private.IsSubkey = k, true
	k.put(func(out *bytes.Buffer, secret bool) { sub.writeKey(out, secret) })
	back := sub.signature(packet.SigTypePrimaryKeyBinding, nil)
	ok(k.t, back.CrossSignKey(&sub.private.PublicKey, &k.private.PublicKey, sub.private, config))
	s := k.signature(packet.SigTypeSubkeyBinding, append([]Edit{func(s *packet.Signature) { s.EmbeddedSignature = back }}, edits...))
	ok(k.t, s.SignKey(&sub.private.PublicKey, k.private, config))
	k.putSignature(s)
	return k
}

// RevokeSubkey revokes the subkey that was added last.
func (k *Key) RevokeSubkey(sub *Key, edits ...Edit) *Key {
	k.t.Helper()
	s := k.signature(packet.SigTypeSubkeyRevocation, edits)
	ok(k.t, s.RevokeSubkey(&sub.private.PublicKey, k.private, config))
	k.putSignature(s)
	return k
}

// Public returns the key as packets.
func (k *Key) Public() []byte { return k.bytes(false) }

// Secret returns the key with its secret parts.
func (k *Key) Secret() []byte { return k.bytes(true) }

// Armored returns the public key in ASCII armour.
func (k *Key) Armored() []byte {
	k.t.Helper()
	var out bytes.Buffer
	w, err := armor.Encode(&out, "PGP PUBLIC KEY BLOCK", nil)
	ok(k.t, err)
	_, err = w.Write(k.Public())
	ok(k.t, err)
	ok(k.t, w.Close())
	out.WriteByte('\n')
	return out.Bytes()
}

func (k *Key) bytes(secret bool) []byte {
	var out bytes.Buffer
	for _, write := range k.bodies {
		write(&out, secret)
	}
	return out.Bytes()
}

// ID is the key's ID, 16 digits.
func (k *Key) ID() string { return k.private.KeyIdString() }

// Sign makes a detached signature.
func (k *Key) Sign(data []byte, edits ...Edit) []byte {
	k.t.Helper()
	s := k.signature(packet.SigTypeBinary, edits)
	h, err := s.PrepareSign(config)
	ok(k.t, err)
	h.Write(data)
	ok(k.t, s.Sign(h, k.private, config))
	var out bytes.Buffer
	ok(k.t, s.Serialize(&out))
	return out.Bytes()
}

// Home makes a home directory of gpg that has the secret keys, and sees to it that
// its agent ends with the test. Debian package: gnupg.
func Home(t testing.TB, keys ...*Key) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gpg") // a short path, for the agent's socket
	ok(t, err)
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", dir, "--kill", "all").Run()
		os.RemoveAll(dir)
	})
	if len(keys) == 0 {
		return dir
	}
	var all []byte
	for _, k := range keys {
		all = append(all, k.Secret()...)
	}
	file := filepath.Join(dir, "import")
	ok(t, os.WriteFile(file, all, 0o600))
	GPG(t, dir, "--import", file)
	return dir
}

// GPG runs gpg and returns what it writes.
func GPG(t testing.TB, home string, args ...string) []byte {
	t.Helper()
	var stderr bytes.Buffer
	args = append([]string{"--homedir", home, "--batch", "--quiet", "--yes"}, args...)
	cmd := exec.Command("gpg", args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("gpg %v: %v\n%s", args, err, &stderr)
	}
	return out
}
