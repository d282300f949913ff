package sign_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/sign"
)

func TestMetadata(t *testing.T) {
	var v gvariant.Value
	if _, ok := sign.Signatures(v, sign.Dummy.Key()); ok {
		t.Error("signatures in nothing")
	}
	v = gvariant.NewVardict(gvariant.Entry{Key: "note", Value: gvariant.NewString("x")})
	v = sign.Append(v, sign.Dummy.Key(), []byte("one"))
	v = sign.Append(v, sign.KeyGPG, []byte("two"))
	v = sign.Append(v, sign.Dummy.Key(), []byte("three"))
	got, ok := sign.Signatures(v, sign.Dummy.Key())
	if !ok || len(got) != 2 || string(got[1]) != "three" {
		t.Errorf("signatures %q", got)
	}
	v = sign.Replace(v, sign.Dummy.Key(), nil)
	if _, ok := sign.Signatures(v, sign.Dummy.Key()); ok || v.Len() != 2 {
		t.Errorf("after removal: %s", v.Print(true))
	}
	wrong := gvariant.NewVardict(gvariant.Entry{Key: sign.Dummy.Key(), Value: gvariant.NewString("x")})
	if _, ok := sign.Signatures(wrong, sign.Dummy.Key()); ok {
		t.Error("a string is no array of signatures")
	}
}

// pair is a key pair as it stands in configurations.
type pair struct {
	name           string
	typ            sign.Type
	secret, public string
}

func pairs(t testing.TB) []pair {
	t.Helper()
	public, secret, err := ed25519.GenerateKey(rand.Reader)
	ok(t, err)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	ok(t, err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ok(t, err)
	all := []pair{{"ed25519", sign.Ed25519, b64(string(secret)), b64(string(public))}, {"dummy", sign.Dummy, "word", "word"}}
	for name, key := range map[string]struct{ secret, public any }{
		"ed25519": {secret, public}, "rsa": {rsaKey, &rsaKey.PublicKey}, "ecdsa": {ecKey, &ecKey.PublicKey},
	} {
		s, err := x509.MarshalPKCS8PrivateKey(key.secret)
		ok(t, err)
		p, err := x509.MarshalPKIXPublicKey(key.public)
		ok(t, err)
		all = append(all, pair{"spki " + name, sign.SPKI, b64(string(s)), b64(string(p))},
			pair{"pem " + name, sign.SPKI, toPEM("PRIVATE KEY", s), toPEM("PUBLIC KEY", p)})
	}
	return all
}

func b64(raw string) string { return base64.StdEncoding.EncodeToString([]byte(raw)) }

func toPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestSignAndVerify(t *testing.T) {
	data := []byte("a commit")
	all := pairs(t)
	for _, p := range all {
		signer, err := p.typ.ParseSecretKey(p.secret)
		ok(t, err)
		signature, err := signer.Sign(data)
		ok(t, err)
		key, err := p.typ.ParsePublicKey(p.public)
		ok(t, err)
		keys := []*sign.PublicKey{key}
		message, err := p.typ.Verify(data, [][]byte{signature}, keys, nil)
		if err != nil || !strings.HasPrefix(message, string(p.typ)+": Signature verified") {
			t.Errorf("%s: %q, %v", p.name, message, err)
		}
		if p.typ == sign.Dummy {
			continue
		}
		if _, err := p.typ.Verify([]byte("another"), [][]byte{signature}, keys, nil); err == nil {
			t.Errorf("%s: other data verifies", p.name)
		}
		if _, err := p.typ.Verify(data, [][]byte{signature}, keys, keys); err == nil || !strings.HasSuffix(err.Error(), "no signatures found") {
			t.Errorf("%s: by a revoked key: %v", p.name, err)
		}
		bent := bytes.Clone(signature)
		bent[3] ^= 1
		_, err = p.typ.Verify(data, [][]byte{bent}, keys, nil)
		if want := "Signature couldn't be verified with: key '" + hex.EncodeToString(raw(t, p.public)) + "'"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: bent signature: %v", p.name, err)
		}
	}
}

func raw(t testing.TB, public string) []byte {
	t.Helper()
	if block, _ := pem.Decode([]byte(public)); block != nil {
		return block.Bytes
	}
	data, err := base64.StdEncoding.DecodeString(public)
	ok(t, err)
	return data
}

func TestManyKeysInError(t *testing.T) {
	var keys []*sign.PublicKey
	for range 5 {
		public, _, err := ed25519.GenerateKey(rand.Reader)
		ok(t, err)
		key, err := sign.Ed25519.ParsePublicKey(base64.StdEncoding.EncodeToString(public))
		ok(t, err)
		keys = append(keys, key)
	}
	_, err := sign.Ed25519.Verify(nil, [][]byte{make([]byte, 64)}, keys, nil)
	if err == nil || err.Error() != "ed25519: Signature couldn't be verified; tried 5 keys" {
		t.Error(err)
	}
}

func TestBadKeys(t *testing.T) {
	for _, c := range []struct {
		typ  sign.Type
		text string
		err  string
	}{
		{sign.Ed25519, "###", "illegal base64"},
		{sign.Ed25519, "AAAA", "expected 32 bytes, got 3 bytes"},
		{sign.SPKI, "AAAA", "asn1"},
		{sign.SPKI, "", "asn1"},
	} {
		if _, err := c.typ.ParsePublicKey(c.text); err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s %q: %v", c.typ, c.text, err)
		}
		if _, err := c.typ.ParseSecretKey(c.text); err == nil {
			t.Errorf("%s secret %q: no error", c.typ, c.text)
		}
	}
	if _, err := sign.ParseType("gpg"); err != sign.ErrType || err.Error() != "Requested signature type is not implemented" { // libostree's text
		t.Error(err)
	}
}

func TestReadPublicKeys(t *testing.T) {
	var file strings.Builder
	want := 0
	for _, p := range pairs(t) {
		if strings.HasPrefix(p.name, "pem") {
			file.WriteString("a comment\n" + p.public)
			want++
		}
	}
	if got, err := sign.SPKI.ReadPublicKeys([]byte(file.String())); len(got) != want {
		t.Errorf("%d keys of a PEM file, want %d: %v", len(got), want, err)
	}
	public := base64.StdEncoding.EncodeToString(make([]byte, 32))
	if got, err := sign.Ed25519.ReadPublicKeys([]byte("no key\n" + public + "\r\n\n" + public)); len(got) != 2 {
		t.Errorf("%d keys of a list, want 2: %v", len(got), err)
	}
}

func TestBadKeyFiles(t *testing.T) {
	for _, c := range []struct {
		typ        sign.Type
		data       string
		public     string
		secretFile string
	}{
		{sign.Ed25519, "", "there are no keys in it", "there are no keys in it"},
		{sign.Ed25519, "\n \n", "there are no keys in it", "there are no keys in it"},
		{sign.Ed25519, "a\nb", "Invalid ed25519 public key: illegal base64", "key 1: Invalid ed25519 secret key: illegal base64"},
		{sign.Ed25519, b64("short"), "Invalid ed25519 public key: Ill-formed input: expected 32 bytes, got 5 bytes", "key 1: Invalid ed25519 secret key: Ill-formed input: expected 64 bytes, got 5 bytes"},
		{sign.SPKI, "-----BEGIN PUBLIC KEY-----\nAAAA\n", "there are no keys in it", "there are no keys in it"},
		{sign.SPKI, toPEM("CERTIFICATE", []byte("x")), `Unexpected label "CERTIFICATE"`, `Unexpected label "CERTIFICATE"`},
		{sign.SPKI, toPEM("PUBLIC KEY", []byte("x")), "asn1", `Unexpected label "PUBLIC KEY"`},
		{sign.SPKI, "\x00\xff", "illegal base64", "illegal base64"},
	} {
		if keys, err := c.typ.ReadPublicKeys([]byte(c.data)); len(keys) > 0 || err == nil || !strings.Contains(err.Error(), c.public) {
			t.Errorf("%s public %q: %v", c.typ, c.data, err)
		}
		if keys, err := c.typ.ReadSecretKeys([]byte(c.data)); len(keys) > 0 || err == nil || !strings.Contains(err.Error(), c.secretFile) {
			t.Errorf("%s secret %q: %v", c.typ, c.data, err)
		}
	}
}

// As in libostree the key that was added last is tried first, and each key once.
func TestOrderOfKeys(t *testing.T) {
	data := []byte("a commit")
	var keys []*sign.PublicKey
	for _, seed := range []string{"1", "2", "1"} {
		secret := ed25519.NewKeyFromSeed([]byte(strings.Repeat(seed, 32)))
		key, err := sign.Ed25519.ParsePublicKey(" " + b64(string(secret[32:])) + "\n")
		ok(t, err)
		keys = append(keys, key)
	}
	_, err := sign.Ed25519.Verify(data, [][]byte{make([]byte, 64)}, keys, nil)
	want := "ed25519: Signature couldn't be verified with: key '" + keys[1].String() + "'; key '" + keys[0].String() + "'"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	_, err = sign.Ed25519.Verify(data, [][]byte{make([]byte, 63)}, keys, nil)
	if want := "Invalid signature: Ill-formed input: expected 64 bytes, got 63 bytes"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// Memory stays in proportion to what a dictionary from outside is worth.
func TestTooManySignatures(t *testing.T) {
	v := gvariant.NewVardict(gvariant.Entry{Key: sign.KeyGPG, Value: gvariant.NewArray("ay", make([]gvariant.Value, 0)...)})
	if got, ok := sign.Signatures(v, sign.KeyGPG); !ok || len(got) != 0 {
		t.Errorf("an empty array: %q, %v", got, ok)
	}
	items := make([]gvariant.Value, 1<<16+1)
	for i := range items {
		items[i] = gvariant.NewBytes(nil)
	}
	v = gvariant.NewVardict(gvariant.Entry{Key: sign.KeyGPG, Value: gvariant.NewArray("ay", items...)})
	if got, ok := sign.Signatures(v, sign.KeyGPG); ok {
		t.Errorf("%d signatures", len(got))
	}
}

func FuzzMetadata(f *testing.F) {
	v := sign.Append(gvariant.NewVardict(), sign.KeyGPG, []byte("one"))
	f.Add(v.Bytes(), sign.KeyGPG, []byte("two"))
	f.Add(sign.Append(v, sign.Dummy.Key(), nil).Bytes(), sign.Dummy.Key(), []byte{})
	f.Fuzz(func(t *testing.T, data []byte, key string, signature []byte) {
		if !utf8.ValidString(key) || strings.Contains(key, "\x00") {
			return
		}
		v := gvariant.FromBytes("a{sv}", data)
		before, _ := sign.Signatures(v, key)
		after, ok := sign.Signatures(sign.Append(v, key, signature), key)
		if !ok || len(after) != len(before)+1 || !bytes.Equal(after[len(before)], signature) {
			t.Errorf("%q and %q give %q, %v", before, signature, after, ok)
		}
		if _, ok := sign.Replace(v, key, nil).Lookup(key); ok {
			t.Error("still there")
		}
	})
}

func FuzzKeys(f *testing.F) {
	for _, p := range pairs(f) {
		f.Add(string(p.typ), []byte(p.public))
		f.Add(string(p.typ), []byte(p.secret))
	}
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		typ, err := sign.ParseType(name)
		if err != nil {
			return
		}
		keys, err := typ.ReadPublicKeys(data)
		if (err == nil) != (len(keys) > 0) {
			t.Errorf("%d keys, and %v", len(keys), err)
		}
		typ.Verify(data, [][]byte{data, make([]byte, 64)}, keys, nil)
		signers, _ := typ.ReadSecretKeys(data)
		for _, s := range signers {
			if _, err := s.Sign(data); err != nil {
				t.Error(err)
			}
		}
	})
}
