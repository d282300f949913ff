// Package rofiles shows a checkout through FUSE so that programs may work in it as
// in any directory, but cannot change the files that it shares with a repository:
// those that are hard links, or sealed by fs-verity. It does what ostree's
// rofiles-fuse does.
//
// New files, directories and whatever has one name only are written as usual.
// Changing the content, size, mode, owner or xattrs of a shared file is the error
// "read-only file system", or with copy-up gives the name a file of its own first.
// Removing, renaming and replacing a name never touches the object behind it, and is
// allowed; so are changes of times, which a repository does not keep. Devices and
// fifos cannot be made: no repository holds them.
//
// Three things that ostree's program lets through are refused here: truncating a
// shared file by opening it for reading, removing xattrs from one, and getting at a
// file outside by a symlink that is put in the place of a directory or file.
//
// Every call resolves its path below an open directory without following symlinks,
// and then works on the file found, not on its name; so nothing outside of the
// directory is reached, whatever is in it and whoever changes it meanwhile.
package rofiles
