// Package openpgp reads the keys that GPG keeps, and verifies signatures with them
// as libostree does through GPG: the same verdicts, in the same words.
//
// Keys come as a [Keyring]: packets one after the other, in binary or in ASCII
// armour, or a keybox (the file pubring.kbx of GnuPG 2.1 and later). [ReadKeyring]
// tells them apart. [Keyring.Verify] gives a [Result], which has a [Signature] with a
// [Status] for each signature; [Result.Require] asks for one that is good.
//
//	keys, err := openpgp.ReadKeyring(data)
//	…
//	result, err := keys.Verify(commit, signatures, time.Now())
//	…
//	if err := result.Require(); err != nil {
//		return err // says what is wrong with each signature
//	}
//
// What a key says of itself, when it expires and whether it may sign, is by the rules
// of GnuPG 2.2: of a user ID the latest signature counts, and of a key that of its
// newest user ID, unless it has one of its own; a revocation of a key is for good,
// that of a user ID until it is signed again; a subkey that signs has to be signed by
// itself too. SHA-1 is good enough, MD5 is not.
//
// The mathematics is that of github.com/ProtonMail/go-crypto.
package openpgp
