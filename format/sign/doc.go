// Package sign has the signatures of commits and summaries: where they lie, and
// how libostree's engines ed25519, spki and dummy make and verify them.
//
// A signature is over the bytes of the commit object or of the summary file. All
// signatures of one engine are an array of byte strings under the engine's key, in
// the detached metadata of the commit or in the dictionary of summary.sig; those of
// GPG lie there in the same way, and package openpgp verifies them.
//
//	signer, err := sign.Ed25519.ParseSecretKey(secret)
//	signature, err := signer.Sign(commit)
//	metadata = sign.Append(metadata, sign.Ed25519.Key(), signature)
//
//	key, err := sign.Ed25519.ParsePublicKey(public)
//	signatures, ok := sign.Signatures(metadata, sign.Ed25519.Key())
//	message, err := sign.Ed25519.Verify(commit, signatures, []*sign.PublicKey{key}, nil)
//
// Errors in this package that begin with a capital have libostree's words.
package sign
