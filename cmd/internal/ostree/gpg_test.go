package ostree_test

import (
	"bytes"
	"crypto"
	"os"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/sign"
	"github.com/treenail/treenail/internal/pgpkeys"
	"github.com/treenail/treenail/ostreerepo"
)

const (
	eddsa = packet.PubKeyAlgoEdDSA
	rsa   = packet.PubKeyAlgoRSA
	ecdsa = packet.PubKeyAlgoECDSA
	year  = 365 * 24 * time.Hour
)

// old is when the tests' keys were made: a day of the month with one digit.
var old = time.Date(2021, 3, 4, 5, 6, 7, 0, time.UTC)

// signedRepo makes a repository with one commit and returns the commit's bytes.
func signedRepo(t *testing.T) []byte {
	t.Helper()
	newRepo(t, "archive")
	t.Setenv("OSTREE_GPG_HOME", "keys")
	if err := os.Mkdir("keys", 0o755); err != nil {
		t.Fatal(err)
	}
	must(t, "commit", "--repo=repo", "-b", "main", "--timestamp=@1700000000", makeTree(t, map[string]string{"a": "b"}))
	var data []byte
	withCommit(t, func(r *ostreerepo.Repo, c object.Checksum) (err error) {
		data, err = r.Metadata(object.Name{Checksum: c, Type: object.TypeCommit})
		return err
	})
	return data
}

func withCommit(t *testing.T, do func(*ostreerepo.Repo, object.Checksum) error) {
	t.Helper()
	r, err := ostreerepo.Open("repo")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c, err := r.Resolve("main")
	if err == nil {
		err = do(r, c)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// putSignatures makes these the only signatures of the commit.
func putSignatures(t *testing.T, signatures ...[]byte) {
	t.Helper()
	withCommit(t, func(r *ostreerepo.Repo, c object.Checksum) error {
		return r.Update(t.Context(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
			return tx.PutDetached(c, sign.Replace(gvariant.NewVardict(), sign.KeyGPG, signatures))
		})
	})
}

func key(t *testing.T, algorithm packet.PublicKeyAlgorithm) *pgpkeys.Key {
	t.Helper()
	return pgpkeys.New(t, algorithm, old)
}

// Each case is a keyring and the signatures of a commit; show and gpg-list-keys
// have to say of them what the real program says.
func TestShowSignatures(t *testing.T) {
	data := signedRepo(t)
	other := []byte("other data")
	var all [][]byte
	for name, make := range map[string]func(t *testing.T) (keys, signatures [][]byte){
		"good": func(t *testing.T) (keys, signatures [][]byte) {
			for _, algorithm := range []packet.PublicKeyAlgorithm{eddsa, rsa, ecdsa} {
				k := key(t, algorithm).UID("Some Body (comment) <some.body@example.com>")
				keys, signatures = append(keys, k.Public()), append(signatures, k.Sign(data))
			}
			return keys, signatures
		},
		"tampered": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).UID("Some Body <some.body@example.com>", pgpkeys.KeyLifetime(20*year))
			return [][]byte{k.Public()}, [][]byte{k.Sign(other), k.Sign(data), k.Sign(other)}
		},
		"unknown": func(t *testing.T) (keys, signatures [][]byte) {
			return nil, [][]byte{key(t, eddsa).Sign(data)}
		},
		"expired key": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).UID("Some Body", pgpkeys.KeyLifetime(year))
			return [][]byte{k.Public()}, [][]byte{k.Sign(data), k.Sign(other)}
		},
		"expired signature": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).UID("<b@example.com>")
			return [][]byte{k.Public()}, [][]byte{k.Sign(data, pgpkeys.Lifetime(year)), k.Sign(data, pgpkeys.Lifetime(20*year)), k.Sign(other, pgpkeys.Lifetime(year))}
		},
		"both expired": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).UID("Some Body", pgpkeys.KeyLifetime(year))
			return [][]byte{k.Public()}, [][]byte{k.Sign(data, pgpkeys.Lifetime(year))}
		},
		"revoked": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa)
			k.Revoke(k).UID("Some Body", pgpkeys.KeyLifetime(year))
			return [][]byte{k.Public()}, [][]byte{k.Sign(data), k.Sign(data, pgpkeys.Lifetime(year))}
		},
		"revoked and expired": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa)
			k.Revoke(k).UID("Some Body", pgpkeys.KeyLifetime(20*year))
			return [][]byte{k.Public()}, [][]byte{k.Sign(data), k.Sign(other), k.Sign(data, pgpkeys.Lifetime(year))}
		},
		"superseded": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa)
			reason := packet.KeySuperseded
			k.Revoke(k, pgpkeys.At(old.Add(year)), func(s *packet.Signature) { s.RevocationReason = &reason }).UID("Some Body")
			return [][]byte{k.Public()}, [][]byte{k.Sign(data)}
		},
		"revoked by another": func(t *testing.T) (keys, signatures [][]byte) {
			k, by := key(t, eddsa), key(t, eddsa).UID("Enemy")
			k.Revoke(by).UID("Some Body")
			return [][]byte{k.Public(), by.Public()}, [][]byte{k.Sign(data)}
		},
		"subkeys": func(t *testing.T) (keys, signatures [][]byte) {
			k, sub, brief, gone := key(t, eddsa).UID("Some Body", pgpkeys.KeyLifetime(20*year)), key(t, eddsa), key(t, rsa), key(t, eddsa)
			k.Subkey(sub).Subkey(brief, pgpkeys.KeyLifetime(year)).Subkey(gone).RevokeSubkey(gone)
			return [][]byte{k.Public()}, [][]byte{sub.Sign(data), brief.Sign(data), gone.Sign(data), k.Sign(data), sub.Sign(other)}
		},
		"subkey bound again after revocation": func(t *testing.T) (keys, signatures [][]byte) {
			k, sub := key(t, eddsa).UID("Some Body"), key(t, eddsa)
			k.Subkey(sub, pgpkeys.At(old.Add(2*year))).RevokeSubkey(sub, pgpkeys.At(old.Add(year)))
			return [][]byte{k.Public()}, [][]byte{sub.Sign(data)}
		},
		"subkey of an expired key": func(t *testing.T) (keys, signatures [][]byte) {
			k, sub := key(t, eddsa).UID("Some Body", pgpkeys.KeyLifetime(year)), key(t, eddsa)
			k.Subkey(sub, pgpkeys.KeyLifetime(20*year))
			return [][]byte{k.Public()}, [][]byte{sub.Sign(data)}
		},
		"subkey of a revoked key": func(t *testing.T) (keys, signatures [][]byte) {
			k, sub := key(t, eddsa), key(t, eddsa)
			k.Revoke(k).UID("Some Body").Subkey(sub)
			return [][]byte{k.Public()}, [][]byte{sub.Sign(data)}
		},
		"no cross signature": func(t *testing.T) (keys, signatures [][]byte) {
			k, sub := key(t, eddsa).UID("Some Body"), key(t, eddsa)
			k.Subkey(sub, pgpkeys.NoCrossSignature)
			return [][]byte{k.Public()}, [][]byte{sub.Sign(data)}
		},
		"may not sign": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).UID("Some Body", pgpkeys.CertifyOnly)
			return [][]byte{k.Public()}, [][]byte{k.Sign(data)}
		},
		"user IDs": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).UID("One <one@example.com>").UID("Two <two@example.com>", pgpkeys.At(old.Add(year))).
				UID("Three <three@example.com>", pgpkeys.At(old.Add(2*year))).RevokeUID("Three <three@example.com>", pgpkeys.At(old.Add(3*year)))
			k.UID("Four <four@example.com>")
			return [][]byte{k.Public()}, [][]byte{k.Sign(data)}
		},
		"primary user ID": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).UID("One <one@example.com>").UID("Two <two@example.com>", pgpkeys.Primary).UID("Three <three@example.com>", pgpkeys.At(old.Add(year)))
			return [][]byte{k.Public()}, [][]byte{k.Sign(data)}
		},
		"all user IDs revoked": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).UID("One <one@example.com>").RevokeUID("One <one@example.com>", pgpkeys.At(old.Add(year)))
			return [][]byte{k.Public()}, [][]byte{k.Sign(data)}
		},
		"user ID certified again": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).UID("One <one@example.com>").RevokeUID("One <one@example.com>", pgpkeys.At(old.Add(year))).
				AgainUID("One <one@example.com>", pgpkeys.At(old.Add(2*year)), pgpkeys.KeyLifetime(15*year))
			return [][]byte{k.Public()}, [][]byte{k.Sign(data)}
		},
		"user ID expired": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).UID("One <one@example.com>", pgpkeys.Lifetime(year))
			return [][]byte{k.Public()}, [][]byte{k.Sign(data)}
		},
		"expiry by the newest user ID": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).UID("One <one@example.com>", pgpkeys.Primary, pgpkeys.KeyLifetime(30*year)).
				UID("Two <two@example.com>", pgpkeys.At(old.Add(year)), pgpkeys.KeyLifetime(20*year))
			return [][]byte{k.Public()}, [][]byte{k.Sign(data)}
		},
		"direct signature": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).Direct(pgpkeys.KeyLifetime(year)).UID("One <one@example.com>", pgpkeys.KeyLifetime(30*year))
			return [][]byte{k.Public()}, [][]byte{k.Sign(data)}
		},
		"no user ID": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).Direct()
			return [][]byte{k.Public()}, [][]byte{k.Sign(data)}
		},
		"nothing but a key": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa)
			return [][]byte{k.Public()}, [][]byte{k.Sign(data)}
		},
		"user ID of another key": func(t *testing.T) (keys, signatures [][]byte) {
			k, foe := key(t, eddsa).UID("One <one@example.com>"), key(t, eddsa).UID("Foe <foe@example.com>")
			_, ids, _ := bytes.Cut(foe.Public(), key(t, eddsa).Public()[:3])
			k.Raw(foe.Public()[len(foe.Public())-len(ids)+len(key(t, eddsa).Public())-3:])
			return [][]byte{k.Public()}, [][]byte{k.Sign(data)}
		},
		"SHA-1": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, rsa).UID("One <one@example.com>", pgpkeys.Hash(crypto.SHA1))
			return [][]byte{k.Public()}, [][]byte{k.Sign(data, pgpkeys.Hash(crypto.SHA1)), k.Sign(data, pgpkeys.Hash(crypto.SHA512))}
		},
		"future": func(t *testing.T) (keys, signatures [][]byte) {
			k, born := key(t, eddsa).UID("One <one@example.com>"), pgpkeys.New(t, eddsa, time.Now().Add(year)).UID("Unborn")
			return [][]byte{k.Public(), born.Public()}, [][]byte{k.Sign(data, pgpkeys.At(time.Now().Add(year))), born.Sign(data), k.Sign(data, pgpkeys.At(old.Add(-year)))}
		},
		"same key twice": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).UID("One <one@example.com>")
			before := k.Public()
			k.UID("Two <two@example.com>", pgpkeys.At(old.Add(year)), pgpkeys.KeyLifetime(2*year))
			return [][]byte{before, k.Public()}, [][]byte{k.Sign(data)}
		},
		"user IDs of the same second": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).UID("Bee <b@example.com>").UID("Ant <a@example.com>").UID("Longest of all <c@example.com>").UID("Cow <c@example.com>")
			l := key(t, eddsa).UID("Bee <b@example.com>").UID("Ant <a@example.com>").UID("Cow <c@example.com>")
			return [][]byte{k.Public(), l.Public()}, [][]byte{k.Sign(data), l.Sign(data)}
		},
		"names": func(t *testing.T) (keys, signatures [][]byte) {
			for _, name := range []string{
				"Plain", "plain@example.com", "Plain <", "Plain <a@b.c", "a@b.c <d@e.f>", "<a@b.c>", "(comment)", "(comment) Name", "N1 (c1) N2 (c2) <a@b.c> tail", "N <a@b.c> <d@e.f>",
				"N (a (b) c) <a@b.c>", "N <<a@b.c>>", "N < a@b.c >", "N <a@@b.c>", "N <a.@b.c>", "N <.a@b.c>", "N <a..b@c.d>", "N <a@b..c>", "N <a@b.>", "N <@b>", "N <a@>", "N <a b@c.d>",
				"N <A.B+C@EXAMPLE.Com>", "N <a!#$%&'*+-/=?^_`{|}~b@c-d.e_f>", "N <a@b,c>", "N <a\"b@c>", "Über Ålä <ü@exämple.com>", " lead <a@b.c>", "trail  <a@b.c> ", "tab\t<a@b.c>", "a:b\\x3a <c:d@e.f>",
				"N (unclosed <a@b.c>", "a@b.c (comment)", "<>", "N <>", "N (c <x@y.z>) <a@b.c>", "new\nline <a@b.c>",
				"N <a@[1.2.3.4]>", "A <a@b.c> B <d@e.f>", "N) <a@b.c>", "N> <a@b.c>", "a..b@c.d", "a@b,c", "a\"b@c", ".a@b.c", "a@b..c", "a@b.", "a@b@c.d", "<a@b@c.d>", "A.B@C.De", "N <a\tb@c.d>", "N <ü@ä.de>", "ü@ä.de", "a@b.c<", "<a@b.c", "a.@b.c",
			} {
				k := key(t, eddsa).UID(name)
				keys, signatures = append(keys, k.Public()), append(signatures, k.Sign(data))
			}
			return keys, signatures
		},
		"subkey bound by another": func(t *testing.T) (keys, signatures [][]byte) {
			k, sub, foe := key(t, eddsa).UID("One"), key(t, eddsa), key(t, eddsa)
			foe.Subkey(sub)
			k.Raw(foe.Public()[len(key(t, eddsa).Public()):])
			return [][]byte{k.Public()}, [][]byte{sub.Sign(data), k.Sign(data)}
		},
		"expired binding": func(t *testing.T) (keys, signatures [][]byte) {
			k, sub := key(t, eddsa).UID("One"), key(t, eddsa)
			k.Subkey(sub, pgpkeys.Lifetime(year))
			return [][]byte{k.Public()}, [][]byte{sub.Sign(data), k.Sign(data)}
		},
		"subkey of an invalid key": func(t *testing.T) (keys, signatures [][]byte) {
			k, sub := key(t, eddsa), key(t, eddsa)
			k.Subkey(sub)
			return [][]byte{k.Public()}, [][]byte{sub.Sign(data)}
		},
		"revoked subkey of an expired key": func(t *testing.T) (keys, signatures [][]byte) {
			k, sub := key(t, eddsa).UID("One", pgpkeys.KeyLifetime(year)), key(t, eddsa)
			k.Subkey(sub, pgpkeys.KeyLifetime(year)).RevokeSubkey(sub)
			return [][]byte{k.Public()}, [][]byte{sub.Sign(data), k.Sign(data)}
		},
		"subkey that may not sign": func(t *testing.T) (keys, signatures [][]byte) {
			k, sub := key(t, eddsa).UID("One", pgpkeys.KeyLifetime(year)), key(t, eddsa)
			k.Subkey(sub, pgpkeys.CertifyOnly)
			return [][]byte{k.Public()}, [][]byte{sub.Sign(data)}
		},
		"no flags": func(t *testing.T) (keys, signatures [][]byte) {
			none := func(s *packet.Signature) { s.FlagsValid = false }
			k, sub := key(t, eddsa).UID("One", none), key(t, eddsa)
			k.Subkey(sub, none)
			return [][]byte{k.Public()}, [][]byte{sub.Sign(data), k.Sign(data)}
		},
		"flags of the direct signature": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).Direct(pgpkeys.CertifyOnly).UID("One")
			l := key(t, eddsa).Direct().UID("One", pgpkeys.CertifyOnly)
			return [][]byte{k.Public(), l.Public()}, [][]byte{k.Sign(data), l.Sign(data)}
		},
		"text": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).UID("One")
			text := func(s *packet.Signature) { s.SigType = packet.SigTypeText }
			return [][]byte{k.Public()}, [][]byte{k.Sign(bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n")), text)}
		},
		"other kinds of signature": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).UID("One")
			kind := func(s *packet.Signature) { s.SigType = packet.SigTypePositiveCert }
			return [][]byte{k.Public()}, [][]byte{k.Sign(data, kind), k.Sign(data)}
		},
		"no issuer": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).UID("One")
			return [][]byte{k.Public()}, [][]byte{k.Sign(data, func(s *packet.Signature) { s.IssuerKeyId = nil })}
		},
		"unknown hash": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).UID("One", pgpkeys.KeyLifetime(20*year))
			sig := k.Sign(data, pgpkeys.Lifetime(20*year))
			sig[2+3] = 1 // MD5
			return [][]byte{k.Public()}, [][]byte{sig, k.Sign(data)}
		},
		"unknown algorithm": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).UID("One", pgpkeys.KeyLifetime(20*year))
			sig := k.Sign(data, pgpkeys.Lifetime(20*year))
			sig[2+2] = 99
			return [][]byte{k.Public()}, [][]byte{sig, k.Sign(data)}
		},
		"armoured signature": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).UID("One")
			var out bytes.Buffer
			w, _ := armor.Encode(&out, "PGP SIGNATURE", nil)
			w.Write(k.Sign(data))
			w.Close()
			return [][]byte{k.Public()}, [][]byte{out.Bytes()}
		},
		"damaged keyring": func(t *testing.T) (keys, signatures [][]byte) {
			k, l := key(t, eddsa).UID("One"), key(t, eddsa).UID("Two")
			damaged := append(k.Public(), l.Public()[:100]...)
			write(t, "keys/damaged.gpg", damaged)
			t.Cleanup(func() { os.Remove("keys/damaged.gpg") })
			return nil, [][]byte{k.Sign(data), l.Sign(data)}
		},
		"two in one": func(t *testing.T) (keys, signatures [][]byte) {
			k, l := key(t, eddsa).UID("One"), key(t, eddsa).UID("Two")
			return [][]byte{k.Public(), l.Public()}, [][]byte{append(k.Sign(data), l.Sign(data)...), k.Sign(data)}
		},
		"garbage": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).UID("One")
			return [][]byte{k.Public()}, [][]byte{[]byte("garbage"), k.Sign(data)}
		},
		"garbage after": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).UID("One")
			return [][]byte{k.Public()}, [][]byte{k.Sign(data), []byte("garbage")}
		},
		"empty": func(t *testing.T) (keys, signatures [][]byte) {
			return nil, [][]byte{{}}
		},
		"a key for a signature": func(t *testing.T) (keys, signatures [][]byte) {
			k := key(t, eddsa).UID("One")
			return [][]byte{k.Public()}, [][]byte{k.Public()}
		},
	} {
		t.Run(name, func(t *testing.T) {
			keys, signatures := make(t)
			write(t, "keys/test.gpg", bytes.Join(keys, nil))
			putSignatures(t, signatures...)
			same(t, "show", "--repo=repo", "main")
			all = append(all, keys...)
		})
	}
	write(t, "keys/test.gpg", bytes.Join(all, nil))
	same(t, "remote", "gpg-list-keys", "--repo=repo")
}
