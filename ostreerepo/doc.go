// Package ostreerepo is an OSTree repository on disk: a content-addressed store
// of commits, in libostree's layout and safe to share with it.
//
// A repository is a directory:
//
//	config                     key file; [core] mode says how objects are stored
//	objects/xx/rest.TYPE       loose objects, xx being the first two digits
//	refs/heads/NAME            a checksum and a newline; also refs/remotes/REMOTE/NAME
//	                           and refs/mirrors/COLLECTION/NAME
//	tmp/treenail-RANDOM        objects of a transaction that is not committed yet
//	tmp/staging-BOOTID-RANDOM  such objects that the next transaction may begin with
//	state/CHECKSUM.commitpartial  marks a commit some of whose objects are missing
//	summary                    all refs in one file, for clients; summary.sig signs it
//	deltas/, delta-indexes/    static deltas between commits
//	.lock                      shared by readers and writers, exclusive for deletion
//
// # Reading
//
// Open gives a [Repo]. Every read of an object verifies it: [Repo.Metadata] and
// its typed siblings compare checksums before they return, and the reader of
// [Repo.OpenFile] returns an error in place of io.EOF when the bytes were not
// those that the name promises. [Repo.Stat] alone reads only a header.
//
// # Writing
//
// All writing happens in [Repo.Update]. Objects are written to a staging
// directory under tmp that belongs to the transaction. When the callback returns
// nil, the order of effects is: the file system is synced, the objects are
// renamed into objects/, where that lacks it with the directory that they are in,
// the directories are synced, the staging directory goes, and the refs are replaced
// last, each by a rename. A process that is killed at
// any instant leaves a staging directory, which the next transaction removes, and
// each ref old or new. One that fails gives its space back, or with
// [UpdateOptions].KeepStaged leaves complete objects to the next; libostree does the
// same, and each goes on with what the other left.
//
// [Tx.View] reads what a transaction has put. [Tx.AfterCommit] is for what must not
// happen before everything is safe, such as deleting what was committed.
//
// Where core.auto-update-summary is set the summary follows the refs. Without
// that it is as old as the last [Repo.UpdateSummary].
//
// # Deleting
//
// [Repo.Prune] finds what commits consist of, each directory once however many
// commits share it, while others may read and write. It takes the exclusive lock to
// look at what came since, and to delete the rest: commits first, then directories,
// then files, so that an interrupted one leaves nothing that lacks anything. Memory
// grows by eight bytes for each file, and by the checksum for other objects.
//
// [Repo.Fsck] verifies what the commits consist of, and can delete what is damaged. A
// commit that lacks something is marked partial before that.
//
// # Modes
//
// The five modes differ in where the parts of a content object lie: archive
// keeps a header and a deflate stream; bare the file as it is; bare-user the file
// with its metadata in the xattr user.ostreemeta; bare-user-only the file without
// owner and xattrs; bare-split-xattrs the file, and the xattrs as objects of
// their own. Metadata objects are the same in all of them.
package ostreerepo
