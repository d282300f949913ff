package openpgp_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/treenail/treenail/format/openpgp"
)

// home is a home directory of gpg with keys.
type home struct {
	t   testing.TB
	dir string
}

func newHome(t testing.TB) *home {
	t.Helper()
	dir, err := os.MkdirTemp("", "gpg") // short, for the agent's socket
	ok(t, err)
	h := &home{t, dir}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", dir, "--kill", "all").Run()
		os.RemoveAll(dir)
	})
	return h
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// gpg runs the program (Debian package gnupg).
func (h *home) gpg(stdin string, args ...string) []byte {
	h.t.Helper()
	var stderr bytes.Buffer
	cmd := exec.Command("gpg", append([]string{"--homedir", h.dir, "--batch", "--quiet", "--yes", "--passphrase", "", "--pinentry-mode", "loopback"}, args...)...)
	cmd.Stdin, cmd.Stderr = strings.NewReader(stdin), &stderr
	out, err := cmd.Output()
	if err != nil {
		h.t.Fatalf("gpg %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return out
}

func (h *home) key(name, algorithm, expire string) {
	h.gpg("", "--quick-gen-key", name, algorithm, "sign", expire)
}

func (h *home) sign(name, data string, args ...string) []byte {
	return h.gpg(data, append(args, "--detach-sign", "--local-user", name)...)
}

func keyring(t testing.TB, data []byte) *openpgp.Keyring {
	t.Helper()
	k, err := openpgp.ReadKeyring(data)
	ok(t, err)
	return k
}

func verify(t testing.TB, k *openpgp.Keyring, data string, sigs []byte) []openpgp.Signature {
	t.Helper()
	r, err := k.Verify([]byte(data), sigs, time.Now())
	ok(t, err)
	return r.Signatures
}

func TestVerify(t *testing.T) {
	h := newHome(t)
	h.key("Ed Curve <ed@example.com>", "ed25519", "never")
	h.key("Rivest", "rsa2048", "2y")
	h.key("Nist <p256@example.com>", "nistp256", "never")
	k := keyring(t, h.gpg("", "--export"))
	for name, algorithm := range map[string]string{"ed@example.com": "EdDSA", "Rivest": "RSA", "p256@example.com": "ECDSA"} {
		sig := h.sign(name, "hello")
		got := verify(t, k, "hello", sig)
		if len(got) != 1 || !got[0].Valid || got[0].Algorithm != algorithm {
			t.Errorf("%s: %+v", name, got)
		}
		if got := verify(t, k, "hallo", sig); got[0].Valid || !strings.Contains(got[0].Describe(""), "BAD signature") {
			t.Errorf("%s: other data: %s", name, got[0].Describe(""))
		}
		if got := verify(t, &openpgp.Keyring{}, "hello", sig); !got[0].KeyMissing {
			t.Errorf("%s: no key: %+v", name, got)
		}
	}
	both := append(h.sign("Rivest", "hello"), h.sign("ed@example.com", "other")...)
	got := verify(t, k, "hello", both)
	if len(got) != 2 || !got[0].Valid || got[1].Valid || got[0].KeyExpires.IsZero() {
		t.Errorf("two signatures: %+v", got)
	}
	r := &openpgp.Result{Signatures: got[1:]}
	if err := r.Require(); err == nil || !strings.HasPrefix(err.Error(), "Signature made ") {
		t.Errorf("Require: %v", err)
	}
}

func TestExpiredAndRevoked(t *testing.T) {
	h := newHome(t)
	h.gpg("", "--faked-system-time", "20200101T000000", "--quick-gen-key", "Old", "ed25519", "sign", "1y")
	sig := h.sign("Old", "x", "--faked-system-time", "20200102T000000")
	k := keyring(t, h.gpg("", "--export"))
	if got := verify(t, k, "x", sig)[0]; got.Valid || !got.KeyExpired || !strings.Contains(got.Describe(""), "Key expired ") {
		t.Errorf("expired key: %s", got.Describe(""))
	}
	h.key("Gone", "ed25519", "never")
	sig = h.sign("Gone", "x")
	fpr := keyring(t, h.gpg("", "--export", "Gone")).Keys(time.Now())[0].Fingerprint
	cert, err := os.ReadFile(filepath.Join(h.dir, "openpgp-revocs.d", fpr+".rev"))
	ok(t, err)
	h.gpg(strings.Replace(string(cert), ":-----BEGIN", "-----BEGIN", 1), "--import")
	k = keyring(t, h.gpg("", "--export"))
	if got := verify(t, k, "x", sig)[0]; got.Valid || !got.KeyRevoked || !strings.Contains(got.Describe(""), "\nKey revoked\n") {
		t.Errorf("revoked key: %s", got.Describe(""))
	}
	h.key("Brief", "ed25519", "never")
	sig = h.sign("Brief", "x", "--default-sig-expire", "seconds=1", "--faked-system-time", "20200102T000000", "--ignore-time-conflict")
	if got := verify(t, k, "x", sig)[0]; got.Valid {
		t.Errorf("expired signature: %+v", got)
	}
}

// All forms of a keyring have the same keys.
func TestForms(t *testing.T) {
	h := newHome(t)
	h.key("One <one@example.com>", "ed25519", "never")
	h.key("Two", "rsa2048", "never")
	want := keyring(t, h.gpg("", "--export")).Keys(time.Now())
	box, err := os.ReadFile(filepath.Join(h.dir, "pubring.kbx"))
	ok(t, err)
	armour := append(h.gpg("", "--export", "--armor", "One"), h.gpg("", "--export", "--armor", "Two")...)
	for name, data := range map[string][]byte{"keybox": box, "armour": armour, "own": keyring(t, box).Bytes()} {
		got := keyring(t, data).Keys(time.Now())
		if len(got) != 2 || got[0].Fingerprint != want[0].Fingerprint || got[1].UserIDs[0].Name != "Two" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if url := want[0].UserIDs[0].DirectURL; !strings.HasPrefix(url, "https://example.com/.well-known/openpgpkey/hu/") || !strings.HasSuffix(url, "?l=one") {
		t.Errorf("URL %s", url)
	}
}

func TestImport(t *testing.T) {
	h := newHome(t)
	h.key("One", "ed25519", "never")
	before := h.gpg("", "--export")
	h.gpg("", "--quick-set-expire", keyring(t, before).Keys(time.Now())[0].Fingerprint, "1y")
	h.key("Two", "ed25519", "never")
	k := keyring(t, before)
	if n := k.Import(keyring(t, h.gpg("", "--export"))); n != 1 || k.Len() != 2 {
		t.Errorf("%d added, %d keys", n, k.Len())
	}
	if k.Keys(time.Now())[0].Expires.IsZero() {
		t.Error("the new expiry of a known key was not imported")
	}
	if one, err := k.Select([]string{"Two"}); err != nil || one.Len() != 1 {
		t.Errorf("Select: %v", err)
	}
	if _, err := k.Select([]string{"12345678"}); err == nil {
		t.Error("Select finds a key that is not there")
	}
}

func FuzzKeyring(f *testing.F) {
	h := newHome(f)
	h.key("One <one@example.com>", "ed25519", "never")
	box, err := os.ReadFile(filepath.Join(h.dir, "pubring.kbx"))
	ok(f, err)
	sig := h.sign("One", "hello")
	f.Add(box, sig)
	f.Add(h.gpg("", "--export"), sig)
	f.Add(h.gpg("", "--export", "--armor"), sig)
	f.Fuzz(func(t *testing.T, keys, sig []byte) {
		k, err := openpgp.ReadKeyring(keys)
		if err != nil {
			k = &openpgp.Keyring{}
		}
		k.Keys(time.Now())
		openpgp.ReadKeyring(k.Bytes())
		k.MadeBy(sig, []string{"12345678"})
		if r, err := k.Verify([]byte("hello"), sig, time.Now()); err == nil {
			for _, s := range r.Signatures {
				s.Describe("  ")
			}
		}
	})
}
