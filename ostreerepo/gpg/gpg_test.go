package gpg_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/openpgp"
	"github.com/treenail/treenail/format/sign"
	"github.com/treenail/treenail/internal/pgpkeys"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/gpg"
)

// The commands are compared with the real ostree where they are; this is what the
// package promises to its callers.

var old = time.Date(2021, 3, 4, 5, 6, 7, 0, time.UTC)

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newKey(t *testing.T, name string) *pgpkeys.Key {
	t.Helper()
	return pgpkeys.New(t, packet.PubKeyAlgoEdDSA, old).UID(name)
}

// newRepo makes a repository with a remote R and no keys in the system.
func newRepo(t *testing.T) *ostreerepo.Repo {
	t.Helper()
	t.Setenv("OSTREE_GPG_HOME", t.TempDir())
	path := filepath.Join(t.TempDir(), "repo")
	ok(t, ostreerepo.Create(path, ostreerepo.ModeArchive, ostreerepo.CreateOptions{}))
	r, err := ostreerepo.Open(path)
	ok(t, err)
	t.Cleanup(func() { r.Close() })
	ok(t, r.AddRemote(ostreerepo.Remote{Name: "R", URL: "http://r"}, ostreerepo.RefuseExisting))
	return r
}

func keyring(t *testing.T, k *pgpkeys.Key) *openpgp.Keyring {
	t.Helper()
	keys, err := openpgp.ReadKeyring(k.Public())
	ok(t, err)
	return keys
}

func TestVerify(t *testing.T) {
	r := newRepo(t)
	mine, other := newKey(t, "Mine"), newKey(t, "Other")
	if n, err := gpg.Import(r, "R", keyring(t, mine)); n != 1 || err != nil {
		t.Fatalf("Import: %d, %v", n, err)
	}
	data := []byte("a commit or a summary")
	signed := func(by *pgpkeys.Key, data []byte) gvariant.Value {
		return sign.Append(gvariant.Value{}, sign.KeyGPG, by.Sign(data))
	}
	for name, c := range map[string]struct {
		remote, text string
		metadata     gvariant.Value
		invalid      bool
	}{
		"good":              {"R", "", signed(mine, data), false},
		"none":              {"R", "GPG verification enabled, but no ", gvariant.Value{}, false},
		"none, no remote":   {"nope", "GPG verification enabled, but no ", gvariant.NewVardict(), false},
		"other key":         {"R", "Can't check signature: public key not found", signed(other, data), true},
		"other data":        {"R", `BAD signature from "Mine <>"`, signed(mine, []byte("x")), true},
		"no remote":         {"nope", `Remote "nope" not found`, signed(mine, data), false},
		"not a signature":   {"R", "GPGME: No data", sign.Append(gvariant.Value{}, sign.KeyGPG, []byte("x")), false},
		"of another type":   {"R", "GPG verification enabled, but no ", gvariant.NewVardict(gvariant.Entry{Key: sign.KeyGPG, Value: gvariant.NewString("x")}), false},
		"after one of them": {"R", "", sign.Append(signed(other, data), sign.KeyGPG, mine.Sign(data)), false},
	} {
		commit := gpg.VerifyCommit(r, c.remote, object.Checksum{}, data, c.metadata)
		summary := gpg.VerifySummary(r, c.remote, data, c.metadata)
		for _, err := range []error{commit, summary} {
			var invalid *openpgp.InvalidError
			if (err == nil) != (c.text == "") || err != nil && !strings.Contains(err.Error(), c.text) || errors.As(err, &invalid) != c.invalid {
				t.Errorf("%s: %v", name, err)
			}
		}
		if commit != nil && !strings.HasPrefix(commit.Error(), "Commit 0000") {
			t.Errorf("%s: %v", name, commit)
		}
	}
}

// A remote's own keys are instead of the system's, those of a path beside them.
func TestKeyring(t *testing.T) {
	r := newRepo(t)
	system, path, own := newKey(t, "System"), newKey(t, "Path"), newKey(t, "Own")
	ok(t, os.WriteFile(filepath.Join(os.Getenv("OSTREE_GPG_HOME"), "a.gpg"), system.Public(), 0o644))
	file := filepath.Join(t.TempDir(), "path.asc")
	ok(t, os.WriteFile(file, path.Armored(), 0o644))
	ok(t, r.AddRemote(ostreerepo.Remote{Name: "P", URL: "http://p", Options: []ostreerepo.Option{{Key: "gpgkeypath", Value: file}}}, ostreerepo.RefuseExisting))
	check := func(remote, want string) {
		t.Helper()
		k, err := gpg.Keyring(r, remote)
		ok(t, err)
		var got []string
		for _, key := range k.Keys(time.Now()) {
			got = append(got, key.UserIDs[0].Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, not %s", remote, got, want)
		}
	}
	check("R", "System")
	check("P", "Path System")
	for _, remote := range []string{"R", "P"} {
		_, err := gpg.Import(r, remote, keyring(t, own))
		ok(t, err)
	}
	check("R", "Own")
	check("P", "Own Path")
	ok(t, os.WriteFile(filepath.Join(r.Path(), "R.trustedkeys.gpg"), append(own.Public(), "damage"...), 0o644))
	check("R", "Own")
	if _, err := gpg.Import(r, "R", keyring(t, path)); err == nil {
		t.Error("Import overwrites a damaged keyring")
	}
}

// A huge file is refused before it is read.
func TestKeyFileLimit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "huge.gpg")
	ok(t, os.WriteFile(path, nil, 0o644))
	ok(t, os.Truncate(path, 1<<40))
	if _, err := gpg.ReadKeyFile(path); err == nil || !strings.Contains(err.Error(), "more than the limit") {
		t.Error(err)
	}
}

func TestSigner(t *testing.T) {
	key := newKey(t, "Some Body")
	s := gpg.Signer{Home: pgpkeys.Home(t, key), Keys: []string{key.ID(), "Some Body"}}
	data := []byte("data")
	signatures, err := s.Append(t.Context(), gvariant.Value{}, data)
	ok(t, err)
	result, err := gpg.Verify(func() (*openpgp.Keyring, error) { return keyring(t, key), nil }, data, signatures)
	ok(t, err)
	if result.Valid() != 2 {
		t.Errorf("%+v", result)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("why")
	cancel(why)
	if _, err := s.Append(ctx, gvariant.Value{}, data); !errors.Is(err, why) {
		t.Errorf("cancelled: %v", err)
	}
}
