package signing_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/sign"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/signing"
	"golang.org/x/sys/unix"
)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// repo is a repository with one commit that has a note attached.
func repo(t testing.TB) (*ostreerepo.Repo, object.Checksum) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "repo")
	ok(t, ostreerepo.Create(path, ostreerepo.ModeArchive, ostreerepo.CreateOptions{}))
	r, err := ostreerepo.Open(path)
	ok(t, err)
	t.Cleanup(func() { r.Close() })
	var c object.Checksum
	ok(t, r.Update(context.Background(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		tree, err := tx.PutMetadata(object.TypeDirTree, (&object.DirTree{}).Encode())
		ok(t, err)
		meta, err := tx.PutMetadata(object.TypeDirMeta, object.DirMeta{Mode: object.ModeDir | 0o755}.Encode())
		ok(t, err)
		c, err = tx.PutCommit(&object.Commit{Metadata: gvariant.NewVardict(), Tree: tree, Meta: meta})
		ok(t, err)
		ok(t, tx.PutDetached(c, gvariant.NewVardict(gvariant.Entry{Key: "note", Value: gvariant.NewString("x")})))
		return tx.SetRef("main", c)
	}))
	return r, c
}

func signer(t testing.TB, typ sign.Type, key string) *sign.Signer {
	t.Helper()
	s, err := typ.ParseSecretKey(key)
	ok(t, err)
	return s
}

func keys(t testing.TB, typ sign.Type, texts ...string) *signing.Keys {
	t.Helper()
	k := &signing.Keys{Type: typ}
	for _, text := range texts {
		ok(t, k.Add(text))
	}
	return k
}

// ostree runs the real program.
func ostree(t testing.TB, r *ostreerepo.Repo, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command("ostree", append(args, "--repo="+r.Path())...)
	cmd.Env = append(os.Environ(), "OSTREE_DUMMY_SIGN_ENABLED=1")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Signatures of the dummy are those of the real program, byte for byte, and each
// verifies the other's.
func TestLikeOstree(t *testing.T) {
	ours, c := repo(t)
	theirs, _ := repo(t)
	var notes []gvariant.Entry
	for i := range 40 { // enough for GLib's table to grow
		notes = append(notes, gvariant.Entry{Key: fmt.Sprint("note", i*i), Value: gvariant.NewInt32(int32(i))})
	}
	for _, r := range []*ostreerepo.Repo{ours, theirs} {
		ok(t, r.Update(context.Background(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
			return tx.PutDetached(c, gvariant.NewVardict(notes...))
		}))
	}
	for _, key := range []string{"one", "two"} {
		ok(t, signing.Sign(context.Background(), ours, c, []*sign.Signer{signer(t, sign.Dummy, key)}))
		if out, err := ostree(t, theirs, "sign", "--sign-type=dummy", "main", key); err != nil {
			t.Fatal(out)
		}
	}
	a, _, err := ours.DetachedMetadata(c)
	ok(t, err)
	b, _, err := theirs.DetachedMetadata(c)
	ok(t, err)
	if string(a.Bytes()) != string(b.Bytes()) {
		t.Errorf("detached metadata: want %s, got %s", b.Print(true), a.Print(true))
	}
	for _, key := range []string{"one", "two", "three"} {
		_, oursErr := keys(t, sign.Dummy, key).Verify(theirs, c)
		_, theirsErr := ostree(t, ours, "sign", "--verify", "--sign-type=dummy", "main", key)
		if (oursErr == nil) != (theirsErr == nil) {
			t.Errorf("key %q: we say %v, ostree says %v", key, oursErr, theirsErr)
		}
	}
}

func TestDelete(t *testing.T) {
	r, c := repo(t)
	ok(t, signing.Sign(context.Background(), r, c, []*sign.Signer{
		signer(t, sign.Dummy, "one"), signer(t, sign.Dummy, "two"), signer(t, sign.Dummy, "one"),
	}))
	n, err := signing.Delete(context.Background(), r, c, sign.Dummy, keys(t, sign.Dummy, "one").Trusted)
	if n != 2 || err != nil {
		t.Errorf("deleted %d, %v", n, err)
	}
	if _, err := keys(t, sign.Dummy, "two").Verify(r, c); err != nil {
		t.Error(err)
	}
	v, _, err := r.DetachedMetadata(c)
	ok(t, err)
	if _, found := v.Lookup("note"); !found {
		t.Error("the note went too")
	}
}

func TestSystemKeys(t *testing.T) {
	dir := t.TempDir()
	key := func(b byte) string { return base64.StdEncoding.EncodeToString(append(make([]byte, 31), b)) + "\n" }
	ok(t, os.MkdirAll(dir+"/trusted.ed25519.d/folder", 0o755))
	ok(t, os.WriteFile(dir+"/trusted.ed25519", []byte(key(1)+key(2)), 0o644))
	ok(t, os.WriteFile(dir+"/trusted.ed25519.d/more", []byte(key(3)), 0o644))
	ok(t, os.WriteFile(dir+"/trusted.ed25519.d/empty", nil, 0o644))
	ok(t, os.Symlink("nowhere", dir+"/trusted.ed25519.d/link"))
	ok(t, unix.Mkfifo(dir+"/trusted.ed25519.d/pipe", 0o644))
	ok(t, os.WriteFile(dir+"/revoked.ed25519", []byte(key(1)), 0o644))
	k := keys(t, sign.Ed25519)
	ok(t, k.AddSystem(dir))
	if len(k.Trusted) != 3 || len(k.Revoked) != 1 {
		t.Errorf("%d trusted and %d revoked", len(k.Trusted), len(k.Revoked))
	}
	if err := keys(t, sign.SPKI).AddSystem(dir); err == nil || err.Error() != "signature: spki: no keys loaded" {
		t.Error(err)
	}
}

// A key that is revoked does not verify what it signed.
func TestRevoked(t *testing.T) {
	secret, public := pair("a")
	r, c := repo(t)
	ok(t, signing.Sign(context.Background(), r, c, []*sign.Signer{signer(t, sign.Ed25519, secret)}))
	dir := t.TempDir()
	ok(t, os.WriteFile(dir+"/trusted.ed25519", []byte(public), 0o644))
	k := keys(t, sign.Ed25519)
	ok(t, k.AddSystem(dir))
	if message, err := k.Verify(r, c); err != nil || !strings.HasPrefix(message, "ed25519: Signature verified") {
		t.Errorf("%q, %v", message, err)
	}
	ok(t, os.Mkdir(dir+"/revoked.ed25519.d", 0o755))
	ok(t, os.WriteFile(dir+"/revoked.ed25519.d/a", []byte("junk\n"+public), 0o644))
	k = keys(t, sign.Ed25519)
	ok(t, k.AddSystem(dir))
	if _, err := k.Verify(r, c); err == nil || err.Error() != "ed25519: no signatures found" {
		t.Error(err)
	}
}

func TestKeyFiles(t *testing.T) {
	dir := t.TempDir()
	big := filepath.Join(dir, "big")
	ok(t, os.WriteFile(big, nil, 0o644))
	ok(t, os.Truncate(big, 1<<40))
	for path, want := range map[string]string{
		dir:           "File object '" + dir + "' is not a regular file",
		dir + "/none": "File object '" + dir + "/none' is not a regular file",
		big:           "is larger than the limit of 16777216 bytes",
	} {
		if err := keys(t, sign.Ed25519).AddFile(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
		if _, err := signing.ReadSigners(sign.Ed25519, path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s, secret: %v", path, err)
		}
	}
}
