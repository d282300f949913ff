package signing_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/sign"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/signing"
)

// pair is an ed25519 key pair made of a letter.
func pair(letter string) (secret, public string) {
	key := ed25519.NewKeyFromSeed([]byte(strings.Repeat(letter, 32)))
	return base64.StdEncoding.EncodeToString(key), base64.StdEncoding.EncodeToString(key[32:])
}

func file(t testing.TB, data string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys")
	ok(t, os.WriteFile(path, []byte(data), 0o644))
	return path
}

// forRemote is the verifier of a remote with these options, written KEY=VALUE.
func forRemote(t testing.TB, subject signing.Subject, o signing.Options, options ...string) (*signing.Verifier, error) {
	t.Helper()
	r, _ := repo(t)
	remote := ostreerepo.Remote{Name: "origin", URL: "http://example.com"}
	for _, option := range options {
		key, value, _ := strings.Cut(option, "=")
		remote.Options = append(remote.Options, ostreerepo.Option{Key: key, Value: value})
	}
	ok(t, r.AddRemote(remote, ostreerepo.RefuseExisting))
	return signing.ForRemote(r, "origin", subject, o)
}

func TestForRemote(t *testing.T) {
	secret, public := pair("a")
	_, other := pair("b")
	dummy := signing.Options{Dummy: true}
	data := []byte("a commit")
	signed, err := signing.Append(gvariant.NewVardict(), data, []*sign.Signer{signer(t, sign.Ed25519, secret), signer(t, sign.Dummy, "word")})
	ok(t, err)
	const good = "ed25519: Signature verified successfully with key '"
	for _, c := range []struct {
		name    string
		options []string
		o       signing.Options
		want    string // the message or error begins with it
	}{
		{"a key", []string{"sign-verify=ed25519", "verification-ed25519-key=" + public}, dummy, good},
		{"any engine", []string{"sign-verify=true", "verification-ed25519-key=" + public}, dummy, good},
		{"two engines", []string{"sign-verify=ed25519,dummy", "verification-ed25519-key=" + other, "verification-dummy-key=word"}, dummy, "dummy: Signature verified"},
		{"with semicolons", []string{"sign-verify=dummy;ed25519;", "verification-ed25519-key=" + public, "verification-dummy-key=no"}, dummy, good},
		{"a file", []string{"sign-verify=1", "verification-ed25519-file=" + file(t, other+"\njunk\n"+public+"\n")}, dummy, good},
		{"key beside a file", []string{"sign-verify=1", "verification-ed25519-file=" + file(t, other), "verification-ed25519-key=" + public}, dummy, good},
		{"the wrong key", []string{"sign-verify=ed25519", "verification-ed25519-key=" + other}, dummy, "ed25519: Signature couldn't be verified with: key '"},
		{"two wrong", []string{"sign-verify=ed25519,dummy", "verification-ed25519-key=" + other, "verification-dummy-key=no"}, dummy, "(1 other invalid signatures): ed25519: Signature couldn't"},
		{"no such signature", []string{"sign-verify=spki", "verification-spki-file=" + spkiFile(t)}, dummy, "No signatures found"},
		{"dummy not enabled", []string{"sign-verify=dummy", "verification-dummy-key=word"}, signing.Options{}, "dummy signature type is only for ostree testing"},
		{"any, dummy not enabled", []string{"sign-verify=true", "verification-dummy-key=word", "verification-ed25519-key=" + other}, signing.Options{}, "(1 other invalid signatures): ed25519: Sig"},
		{"no keys anywhere", []string{"sign-verify=true"}, signing.Options{}, "(1 other invalid signatures): signature: ed25519: no keys loaded"},
	} {
		v, err := forRemote(t, signing.Commits, c.o, c.options...)
		if err != nil || v == nil {
			t.Errorf("%s: %v, %v", c.name, v, err)
			continue
		}
		got, err := v.Verify(data, signed)
		if err != nil {
			got = err.Error()
		}
		if !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if (err == nil) != strings.Contains(c.want, "Signature verified") {
			t.Errorf("%s: error is %v", c.name, err)
		}
		if _, err := v.Verify([]byte("another"), gvariant.Value{}); !errors.Is(err, signing.ErrNoSignatures) {
			t.Errorf("%s: without signatures: %v", c.name, err)
		}
	}
}

func spkiFile(t testing.TB) string {
	t.Helper()
	return file(t, "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n")
}

func TestNothingDemanded(t *testing.T) {
	for _, value := range []string{"", "false", "0"} {
		if v, err := forRemote(t, signing.Summary, signing.Options{}, "sign-verify-summary="+value, "sign-verify=true"); v != nil || err != nil {
			t.Errorf("%q: %v, %v", value, v, err)
		}
	}
	if v, err := forRemote(t, signing.Commits, signing.Options{}); v != nil || err != nil {
		t.Errorf("no key: %v, %v", v, err)
	}
}

// Whoever asks for verification and makes a mistake in it gets an error rather than
// something that is not verified.
func TestBadConfiguration(t *testing.T) {
	_, public := pair("a")
	for _, c := range []struct {
		err     string
		options []string
	}{
		{"No keys found for required signapi type ed25519", []string{"sign-verify=ed25519"}},
		{sign.ErrType.Error(), []string{"sign-verify=nosuch"}},
		{sign.ErrType.Error(), []string{"sign-verify=True"}},
		{"no engine is named", []string{"sign-verify=,"}},
		{"Failed loading 'ed25519' keys from '/no/file'", []string{"sign-verify=true", "verification-ed25519-file=/no/file", "verification-ed25519-key=" + public}},
		{"is not a regular file", []string{"sign-verify=ed25519", "verification-ed25519-file=/dev/null"}},
		{"there are no keys in it", []string{"sign-verify=ed25519", "verification-ed25519-file=" + file(t, "")}},
		{"Failed loading 'ed25519' keys from inline", []string{"sign-verify=true", "verification-ed25519-key=AAAA"}},
		{"Failed loading 'spki' keys from inline", []string{"sign-verify=spki", "verification-spki-key=" + public}},
	} {
		v, err := forRemote(t, signing.Commits, signing.Options{Dummy: true}, c.options...)
		if v != nil || err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%q: %v, want %s", c.options, err, c.err)
		}
	}
	r, _ := repo(t)
	if _, err := signing.ForRemote(r, "nosuch", signing.Commits, signing.Options{}); !errors.Is(err, ostreerepo.ErrNotFound) {
		t.Errorf("no remote: %v", err)
	}
}
