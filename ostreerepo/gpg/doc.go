// Package gpg signs and verifies the commits and the summary of a repository with
// OpenPGP, as libostree does through GPG.
//
// Verifying takes no program: the keys are in files that this package reads, one
// keyring for each remote. Signing calls gpg, since it is gpg-agent that has the
// secret keys, and asks for passphrases and smart cards.
package gpg
