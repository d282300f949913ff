// Package checkout writes a commit, or a part of one, out as files.
//
// # Links and copies
//
// Where file and object can be one inode, the file is a hard link into the
// repository, and nothing of it is read. That is so, as in libostree,
//
//   - from a bare repository, symlinks included, unless in user mode;
//   - from a bare-user repository in user mode, but not for symlinks, which such
//     a repository keeps as regular files;
//   - from a bare-user-only repository, whose checkouts are always in user mode,
//     again not for symlinks;
//   - from an archive repository in user mode by way of its
//     uncompressed-objects-cache, see [Options].
//
// Empty files are always copied, and in user mode so are files that their owner
// may not read. Everything else is copied too, in the kernel where that is
// possible: by sharing blocks, else with copy_file_range. As in libostree such a
// copy, like a link, is not compared with its checksum (an fsck does that); what
// is inflated from an archive repository is.
//
// # Order of effects
//
// A directory is made with mode 0700. When all that is below it is there it gets
// its owner, extended attributes, mode and modification time, which is the epoch
// (1970). A file is written without a name, then follow owner, attributes, mode
// (a chown clears set-id bits and capabilities, so it goes first), then fsync
// where asked for, and last the name: no name ever stands for a part of a file.
// What replaces something is renamed over it. Copied files and symlinks keep the
// time at which they were written.
//
// # Safety
//
// Every name is used relative to the descriptor of a directory that this package
// made or opened itself. A symlink that already exists below the destination is
// never followed, so a union checkout into a directory that somebody else can
// write to stays inside; libostree follows one that stands in the place of a
// directory, here that is an error. The destination itself may be a symlink.
//
// Like libostree's, a checkout takes no lock: what a ref reaches is not pruned.
//
// # Parallel work
//
// Directories are shared out to as many workers as there are processors. The
// error is the one of the first entry that fails in the commit's order, whatever
// the number of workers.
package checkout
