// Package composefs makes composefs images of commits, as libostree does: an image
// holds the names and the metadata of a commit's files, and for each the place of
// its contents among the objects of a bare repository and their fs-verity digest.
// Mounted over such a repository's objects directory it is the commit, and who
// knows the digest of the image knows that nothing in it can be anything else:
//
//	mount -t erofs IMAGE META
//	mount -t overlay -o metacopy=on,redirect_dir=on,lowerdir=META::REPO/objects,verity=require none DIR
//
// What an image is in bytes is the matter of the package format/composefs. How a
// commit becomes one is libostree's: modes, owners and xattrs are those of the
// objects, times are zero, no file is a hard link. The contents of a regular file
// are called xx/rest.file, whatever the mode of the repository that the image is
// made from; empty files need none. A root directory gets the directories usr, etc,
// boot, var and sysroot where it has none, so that there is something to mount on.
//
// The digest of a file is the kernel's where its object has fs-verity; else the
// object is read, verified and hashed, all of them on all cores. So an image is the
// same from any repository that holds the commit, and a commit can carry the digest
// of its own ([DigestKey]).
package composefs
