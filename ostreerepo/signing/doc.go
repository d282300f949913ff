// Package signing signs the commits of a repository with libostree's engines, and
// verifies them against the keys that somebody trusts: those of the command line, of
// a remote's configuration, or of the system.
//
// Keys are what is trusted of one engine. A Verifier is what a remote demands: the
// engines that its configuration names, with their keys.
//
//	v, err := signing.ForRemote(repo, "origin", signing.Commits, signing.Options{})
//	if err == nil && v != nil { // nil: the remote demands nothing
//		message, err = v.Verify(commit, detachedMetadata)
//	}
//
// The same with signing.Summary is for a summary and the dictionary in summary.sig.
package signing
