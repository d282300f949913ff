package openpgp_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/format/openpgp"
	"github.com/treenail/treenail/internal/pgpkeys"
)

// What GPG and libostree say of keys and signatures of all kinds is compared in the
// tests of the command show; these are of what the package promises beside.

const (
	eddsa = packet.PubKeyAlgoEdDSA
	year  = 365 * 24 * time.Hour
)

var (
	old  = time.Date(2021, 3, 4, 5, 6, 7, 0, time.UTC)
	now  = time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	data = []byte("hello")
)

func newKey(t testing.TB, name string, edits ...pgpkeys.Edit) *pgpkeys.Key {
	t.Helper()
	return pgpkeys.New(t, eddsa, old).UID(name, edits...)
}

func keyring(t testing.TB, keys ...*pgpkeys.Key) *openpgp.Keyring {
	t.Helper()
	var all []byte
	for _, k := range keys {
		all = append(all, k.Public()...)
	}
	return read(t, all)
}

func read(t testing.TB, data []byte) *openpgp.Keyring {
	t.Helper()
	k, err := openpgp.ReadKeyring(data)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func verify(t testing.TB, k *openpgp.Keyring, signatures ...[]byte) *openpgp.Result {
	t.Helper()
	r, err := k.Verify(data, bytes.Join(signatures, nil), now)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestVerify(t *testing.T) {
	k := newKey(t, "Some Body <some.body@example.com>", pgpkeys.KeyLifetime(30*year))
	r := verify(t, keyring(t, k), k.Sign(data), k.Sign([]byte("other"), pgpkeys.Lifetime(year)), k.Sign(data))
	key := keyring(t, k).Keys(now)[0]
	want := openpgp.Signature{
		Fingerprint: key.Fingerprint, Primary: key.Fingerprint, Algorithm: "EdDSA", Hash: "SHA256", Made: old,
		KeyExpires: old.Add(30 * year), PrimaryKeyExpires: old.Add(30 * year), UserName: "Some Body", UserEmail: "some.body@example.com",
	}
	bad := want
	bad.Status, bad.Expires = openpgp.Bad, old.Add(year)
	sameTimes := cmp.Comparer(time.Time.Equal)
	if diff := cmp.Diff([]openpgp.Signature{want, bad}, r.Signatures, sameTimes); diff != "" {
		t.Error(diff)
	}
	if err := r.Require(); err != nil || r.Valid() != 1 {
		t.Errorf("Require: %v", err)
	}
}

func TestRequire(t *testing.T) {
	a, b := newKey(t, "A"), newKey(t, "B")
	r := verify(t, keyring(t, a), b.Sign(data), a.Sign([]byte("other")))
	var invalid *openpgp.InvalidError
	if err := r.Require(); !errors.As(err, &invalid) || invalid.Result != r {
		t.Fatalf("Require: %v", err)
	}
	bad, missing := strings.Index(invalid.Error(), "BAD signature from \"A <>\""), strings.Index(invalid.Error(), "public key not found")
	if bad < 0 || missing < bad || strings.HasSuffix(invalid.Error(), "\n") {
		t.Errorf("the last signature does not come first in %q", invalid)
	}
	if err := new(openpgp.Result).Require(); err == nil || err.Error() != "No GPG signatures found" {
		t.Errorf("no signatures: %v", err)
	}
}

func TestNoSignatures(t *testing.T) {
	k := newKey(t, "A")
	for name, signatures := range map[string][]byte{
		"empty": nil, "text": []byte("text"), "a key": k.Public(), "cut": k.Sign(data)[:20],
		"too many": bytes.Repeat(k.Sign(data), 5000), "armour that is none": []byte("-----BEGIN PGP SIGNATURE-----\n?"),
	} {
		var format *openpgp.FormatError
		if r, err := keyring(t, k).Verify(data, signatures, now); !errors.As(err, &format) {
			t.Errorf("%s: %v, %v", name, r, err)
		}
	}
}

// All forms of a keyring have the same keys.
func TestForms(t *testing.T) {
	one, two := newKey(t, "One <one@example.com>"), pgpkeys.New(t, packet.PubKeyAlgoRSA, old).UID("Two")
	want := keyring(t, one, two).Keys(now)
	box := file(t, filepath.Join(pgpkeys.Home(t, one, two), "pubring.kbx"))
	for name, data := range map[string][]byte{
		"keybox": box, "armour": slices.Concat([]byte("before\n"), one.Armored(), []byte("between\n"), two.Armored(), []byte("after\n")),
		"own": keyring(t, one, two).Bytes(), "secret": slices.Concat(one.Secret(), two.Secret()),
	} {
		if diff := cmp.Diff(want, read(t, data).Keys(now)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	for name, data := range map[string][]byte{
		"keybox": box[:len(box)-10], "armour": slices.Concat(one.Armored(), two.Armored()[:100]), "packets": slices.Concat(one.Public(), two.Public()[:100]),
	} {
		k, err := openpgp.ReadKeyring(data)
		if diff := cmp.Diff(want[:1], k.Keys(now)); err == nil || diff != "" {
			t.Errorf("%s, cut: %v\n%s", name, err, diff)
		}
	}
}

func TestImport(t *testing.T) {
	one, two := newKey(t, "One"), newKey(t, "Two")
	k := keyring(t, one)
	sub := pgpkeys.New(t, eddsa, old)
	later := read(t, one.Subkey(sub).Public())
	one.Raw(newKey(t, "Two").Public()) // another key after it
	for i, c := range []struct {
		other *openpgp.Keyring
		added int
	}{{keyring(t, two), 1}, {keyring(t, two), 0}, {later, 0}, {read(t, one.Secret()), 1}, {read(t, one.Secret()), 0}} {
		if n := k.Import(c.other); n != c.added {
			t.Errorf("import %d: %d added", i, n)
		}
	}
	if k.Len() != 3 || len(k.Keys(now)[0].Subkeys) != 1 || len(k.Keys(now)[0].UserIDs) != 1 {
		t.Errorf("%+v", k.Keys(now))
	}
	if diff := cmp.Diff(k.Keys(now), read(t, k.Bytes()).Keys(now)); diff != "" {
		t.Error(diff)
	}
	if got := verify(t, k, sub.Sign(data)); got.Valid() != 1 {
		t.Errorf("%+v", got)
	}
}

// A user ID that is new about a key with subkeys has to come before them.
func TestImportUserID(t *testing.T) {
	k := newKey(t, "One")
	k2 := read(t, k.Public())
	withTwo := read(t, k.UID("Two").Public())
	k2.Import(read(t, k.Subkey(pgpkeys.New(t, eddsa, old)).Public()))
	k2.Import(withTwo)
	if got := read(t, k2.Bytes()).Keys(now); len(got) != 1 || len(got[0].UserIDs) != 2 || len(got[0].Subkeys) != 1 || got[0].Subkeys[0].Invalid {
		t.Errorf("%+v", got)
	}
}

func TestSelect(t *testing.T) {
	one, two, sub := newKey(t, "One <one@example.com>"), newKey(t, "Two <two@example.com>"), pgpkeys.New(t, eddsa, old)
	one.Subkey(sub)
	k := keyring(t, one, two, one)
	fingerprint := k.Keys(now)[0].Fingerprint
	for id, reason := range map[string]string{
		fingerprint: "", strings.ToLower(fingerprint): "", fingerprint[len(fingerprint)-8:]: "", "0x" + one.ID(): "", sub.ID(): "", "ONE@example": "",
		"One": "Invalid value", "example.com": "Ambiguous name", "12345678": "End of file", fingerprint[:39]: "End of file",
	} {
		got, err := k.Select([]string{id, id})
		var keyErr *openpgp.KeyError
		switch {
		case reason != "" && (!errors.As(err, &keyErr) || keyErr.Reason != reason):
			t.Errorf("%s: %v", id, err)
		case reason == "" && (err != nil || got.Len() != 1 || got.Keys(now)[0].Fingerprint != fingerprint):
			t.Errorf("%s: %v, %v", id, got, err)
		}
	}
	r := verify(t, k, two.Sign(data), sub.Sign(data))
	for id, want := range map[string]int{one.ID(): 1, sub.ID(): 1, two.ID(): 0, "example.com": -1, newKey(t, "X").ID(): -1} {
		if got := k.SignedBy(r, id); got != want {
			t.Errorf("SignedBy(%s) = %d", id, got)
		}
	}
}

// TestKinds is about keys that the other tests do not make: DSA of 1024 bits with a
// subkey of ElGamal, brainpoolP256r1 and NIST P-521, all made by gpg 2.2.
func TestKinds(t *testing.T) {
	keys, signatures := read(t, file(t, "testdata/kinds.gpg")), file(t, "testdata/kinds.sig")
	var got []string
	for _, s := range verify(t, keys, signatures).Signatures {
		got = append(got, s.Algorithm+" "+s.Status.String()+" "+s.UserName)
	}
	if want := []string{"DSA good Dsa", "ECDSA good Brain", "ECDSA good P521"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if dsa := keys.Keys(now)[0]; len(dsa.Subkeys) != 1 || dsa.Subkeys[0].Invalid {
		t.Errorf("%+v", dsa)
	}
}

func file(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestUpstream verifies the signatures of libostree's own test, made in 2015 with
// RSA and SHA-1 (Debian package ostree-tests).
func TestUpstream(t *testing.T) {
	const dir = "/usr/libexec/installed-tests/libostree/gpg-verify-data/"
	r, err := read(t, file(t, dir+"pubring.gpg")).Verify(file(t, dir+"lgpl2"), file(t, dir+"lgpl2.sig"), now)
	if err != nil {
		t.Fatal(err)
	}
	var got []openpgp.Status
	for _, s := range r.Signatures {
		got = append(got, s.Status)
	}
	if want := []openpgp.Status{openpgp.Good, openpgp.KeyExpired, openpgp.KeyRevoked, openpgp.KeyMissing, openpgp.Expired}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}

func FuzzReadKeyring(f *testing.F) {
	k := newKey(f, "One <one@example.com>").Subkey(pgpkeys.New(f, packet.PubKeyAlgoRSA, old))
	f.Add(k.Public())
	f.Add(k.Secret())
	f.Add(k.Armored())
	f.Add(keybox(k.Public()))
	f.Fuzz(func(t *testing.T, data []byte) {
		k, _ := openpgp.ReadKeyring(data)
		again, err := openpgp.ReadKeyring(k.Bytes())
		if err != nil || again.Len() != k.Len() {
			t.Fatalf("%d keys, then %d: %v", k.Len(), again.Len(), err)
		}
		k.Keys(now)
		k.Import(again)
	})
}

// keybox is a keybox with one key, without what treenail does not read.
func keybox(key []byte) []byte {
	header := append([]byte{0, 0, 0, 32, 1, 1, 0, 0, 'K', 'B', 'X', 'f'}, make([]byte, 20)...)
	n, total := len(key), len(key)+16
	blob := []byte{0, 0, byte(total >> 8), byte(total), 2, 1, 0, 0, 0, 0, 0, 16, 0, 0, byte(n >> 8), byte(n)}
	return slices.Concat(header, blob, key)
}

func FuzzVerify(f *testing.F) {
	k := newKey(f, "One <one@example.com>")
	rsa := pgpkeys.New(f, packet.PubKeyAlgoRSA, old).UID("Two")
	f.Add(k.Public(), k.Sign(data))
	f.Add(rsa.Public(), slices.Concat(rsa.Sign(data), k.Sign(data, pgpkeys.Lifetime(year))))
	f.Fuzz(func(t *testing.T, keys, signatures []byte) {
		k, _ := openpgp.ReadKeyring(keys)
		r, err := k.Verify(data, signatures, now)
		if err != nil {
			return
		}
		for _, s := range r.Signatures {
			s.Describe("  ")
		}
		r.Require()
		k.SignedBy(r, "12345678")
	})
}
