// Package rofiles shows a checkout through FUSE so that programs may work in it as
// in any directory, but cannot change the files that it shares with a repository:
// those that are hard links. It does what ostree's rofiles-fuse does.
//
// New files, directories and whatever has one name only are written as usual.
// Changing the content, mode, owner or xattrs of a file with several names is the
// error "read-only file system", or with copy-up gives the file a body of its own
// first. Removing, renaming and replacing a name never touches the object behind
// it, and is allowed; so are changes of times, which a repository does not keep.
//
// Every call resolves its path below an open directory without following symlinks,
// so nothing outside of the directory is reached, whatever is in it.
package rofiles
