// Package sign has the signatures of commits and summaries: where they lie, and
// how libostree's engines ed25519, spki and dummy make and verify them.
//
// A signature is over the bytes of the commit object or of the summary file. All
// signatures of one engine are an array of byte strings under the engine's key, in
// the detached metadata of the commit or in the dictionary of summary.sig.
package sign
