package signing_test

import (
	"context"
	"encoding/base64"
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

func TestKeysOfRemote(t *testing.T) {
	r, _ := repo(t)
	public := base64.StdEncoding.EncodeToString(make([]byte, 32))
	file := filepath.Join(t.TempDir(), "keys")
	ok(t, os.WriteFile(file, []byte(strings.Replace(public, "AA", "AB", 1)+"\n"), 0o644))
	ok(t, r.AddRemote(ostreerepo.Remote{Name: "origin", URL: "http://example.com", Options: []ostreerepo.Option{
		{Key: "verification-ed25519-key", Value: public}, {Key: "verification-ed25519-file", Value: file},
		{Key: "verification-spki-key", Value: "junk"},
	}}, ostreerepo.RefuseExisting))
	k, err := signing.OfRemote(r, "origin", sign.Ed25519)
	if err != nil || len(k.Trusted) != 2 {
		t.Errorf("%v, %v", k, err)
	}
	if _, err := signing.OfRemote(r, "origin", sign.SPKI); err == nil || !strings.Contains(err.Error(), `remote "origin": verification-spki-key`) {
		t.Errorf("a bad key: %v", err)
	}
}

func TestSystemKeys(t *testing.T) {
	dir := t.TempDir()
	key := func(b byte) string { return base64.StdEncoding.EncodeToString(append(make([]byte, 31), b)) + "\n" }
	ok(t, os.MkdirAll(dir+"/trusted.ed25519.d", 0o755))
	ok(t, os.WriteFile(dir+"/trusted.ed25519", []byte(key(1)+key(2)), 0o644))
	ok(t, os.WriteFile(dir+"/trusted.ed25519.d/more", []byte(key(3)), 0o644))
	ok(t, os.WriteFile(dir+"/revoked.ed25519", []byte(key(1)), 0o644))
	k := keys(t, sign.Ed25519)
	ok(t, k.AddSystem(dir))
	if len(k.Trusted) != 3 || len(k.Revoked) != 1 {
		t.Errorf("%d trusted and %d revoked", len(k.Trusted), len(k.Revoked))
	}
	if err := keys(t, sign.SPKI).AddSystem(dir); err == nil {
		t.Error("no keys are no error")
	}
}
