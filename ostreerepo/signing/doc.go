// Package signing signs and verifies the commits and the summary of a repository
// with libostree's engines ed25519, spki and dummy (package sign), and knows which
// keys are trusted: those in the configuration of a remote, in key files, and in
// the directories of the system.
package signing
