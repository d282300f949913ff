// Package openpgp reads the keys that GPG keeps, and verifies signatures with them
// as libostree does through GPG: the same verdicts, in the same words.
//
// Keys come as a [Keyring]: packets one after the other, in binary or in ASCII
// armour, or a keybox (the file pubring.kbx of GnuPG 2.1 and later). The mathematics
// is that of github.com/ProtonMail/go-crypto.
package openpgp
