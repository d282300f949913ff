package sign_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/treenail/treenail/format/sign"
)

// openssl runs the program in dir.
func openssl(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	ok(t, err)
	return data
}

// Signatures of spki are OpenSSL's, in both directions and for all kinds of keys,
// in PKCS #8 and in its older forms.
func TestOpenSSL(t *testing.T) {
	for _, c := range []struct {
		name     string
		generate []string
		digest   bool
	}{
		{"ed25519", []string{"genpkey", "-algorithm", "ed25519", "-out", "key"}, false},
		{"ed448", []string{"genpkey", "-algorithm", "ed448", "-out", "key"}, false},
		{"rsa", []string{"genpkey", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "key"}, true},
		{"old rsa", []string{"genrsa", "-traditional", "-out", "key", "1024"}, true},
		{"p256", []string{"genpkey", "-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", "key"}, true},
		{"p384", []string{"genpkey", "-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-384", "-out", "key"}, true},
		{"old p521", []string{"ecparam", "-name", "secp521r1", "-genkey", "-out", "key"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			data := []byte("the bytes of a commit")
			ok(t, os.WriteFile(filepath.Join(dir, "data"), data, 0o644))
			openssl(t, dir, c.generate...)
			openssl(t, dir, "pkey", "-in", "key", "-pubout", "-out", "public")
			flags := []string{"-rawin", "-in", "data"}
			if c.digest {
				flags = append(flags, "-digest", "sha256")
			}
			openssl(t, dir, append([]string{"pkeyutl", "-sign", "-inkey", "key", "-out", "theirs"}, flags...)...)

			keys, err := sign.SPKI.ReadPublicKeys(read(t, filepath.Join(dir, "public")))
			ok(t, err)
			if _, err := sign.SPKI.Verify(data, [][]byte{read(t, filepath.Join(dir, "theirs"))}, keys, nil); err != nil {
				t.Errorf("OpenSSL's signature: %v", err)
			}
			signers, err := sign.SPKI.ReadSecretKeys(read(t, filepath.Join(dir, "key")))
			ok(t, err)
			signature, err := signers[0].Sign(data)
			ok(t, err)
			ok(t, os.WriteFile(filepath.Join(dir, "ours"), signature, 0o644))
			openssl(t, dir, append([]string{"pkeyutl", "-verify", "-pubin", "-inkey", "public", "-sigfile", "ours"}, flags...)...)
		})
	}
}

// The keys of ed25519 are the ends of OpenSSL's, and so are the signatures.
func TestOpenSSLEd25519(t *testing.T) {
	dir := t.TempDir()
	data := []byte("the bytes of a commit")
	ok(t, os.WriteFile(filepath.Join(dir, "data"), data, 0o644))
	openssl(t, dir, "genpkey", "-algorithm", "ed25519", "-out", "key")
	openssl(t, dir, "pkey", "-in", "key", "-outform", "DER", "-out", "secret")
	openssl(t, dir, "pkey", "-in", "key", "-outform", "DER", "-pubout", "-out", "public")
	openssl(t, dir, "pkeyutl", "-sign", "-inkey", "key", "-rawin", "-in", "data", "-out", "signature")
	tail := func(name string) string {
		der := string(read(t, filepath.Join(dir, name)))
		return der[len(der)-32:]
	}
	signer, err := sign.Ed25519.ParseSecretKey(b64(tail("secret") + tail("public")))
	ok(t, err)
	signature, err := signer.Sign(data)
	ok(t, err)
	want := read(t, filepath.Join(dir, "signature"))
	if string(signature) != string(want) {
		t.Errorf("signature %x, OpenSSL's is %x", signature, want)
	}
	key, err := sign.Ed25519.ParsePublicKey(b64(tail("public")))
	ok(t, err)
	if _, err := sign.Ed25519.Verify(data, [][]byte{want}, []*sign.PublicKey{key}, nil); err != nil {
		t.Error(err)
	}
}

// What OpenSSL can do and this package cannot is refused by name.
func TestOpenSSLRefused(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct{ name, generate, err string }{
		{"encrypted", "genpkey -algorithm ed25519 -aes256 -pass pass:x -out key", "encrypted"},
		{"old encrypted", "genrsa -traditional -aes256 -passout pass:x -out key 1024", "encrypted"},
		{"x25519", "genpkey -algorithm x25519 -out key", "not supported"},
		{"secp256k1", "ecparam -name secp256k1 -genkey -noout -out key", "curve"},
		{"weak", "genrsa -out key 512", "512"},
	} {
		openssl(t, dir, strings.Fields(c.generate)...)
		if _, err := sign.SPKI.ReadSecretKeys(read(t, filepath.Join(dir, "key"))); err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v", c.name, err)
		}
		if strings.Contains(c.name, "encrypted") {
			continue
		}
		openssl(t, dir, "pkey", "-in", "key", "-pubout", "-out", "public")
		public := read(t, filepath.Join(dir, "public"))
		if _, err := sign.SPKI.ReadPublicKeys(public); err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s, public: %v", c.name, err)
		}
		if _, err := sign.SPKI.ReadSecretKeys(public); err == nil || !strings.Contains(err.Error(), `Unexpected label "PUBLIC KEY"`) {
			t.Errorf("%s, public key as secret: %v", c.name, err)
		}
	}
}
