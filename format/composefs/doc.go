// Package composefs makes composefs images: file systems of metadata alone, whose
// files name the place and the digest of their contents elsewhere, among the
// objects of a repository for example. [Write] makes of a tree the image that
// libcomposefs 1.0 makes of it (format version 0 or 1), byte for byte, because it
// is the fs-verity digest of the image by which a system knows it.
//
// # The image
//
// It is an EROFS file system that serves as the upper of two layers of overlayfs;
// the lower one is a directory with contents ("data only"):
//
//	0       header: magic, flags, version of composefs
//	1024    superblock of EROFS
//	1152    inodes, breadth first, each on a slot of 32 bytes
//	        xattrs that several inodes have
//	        blocks of 4096 bytes: what of directories and contents lies in no inode
//
// A regular file with contents elsewhere is a file of holes with two xattrs of
// overlayfs: trusted.overlay.redirect says where the contents are,
// trusted.overlay.metacopy what their fs-verity digest is. The root is opaque and
// has whiteouts called 00 to ff, so that the objects themselves can't be seen.
//
// What the tree itself has that means something to overlayfs is escaped: xattrs
// trusted.overlay.NAME become trusted.overlay.overlay.NAME, and a device 0:0, a
// whiteout, becomes an empty file with xattrs that say so. An image with such a
// whiteout is of version 1, any other of version 0.
//
// The order of everything follows from the tree: entries are sorted by name, xattrs
// of an inode by key, shared ones by key and value, backwards.
//
// # The dump
//
// [ParseDump] and [WriteDump] read and write trees as text, a line for each file:
// the format composefs-dump(5) of mkcomposefs --from-file.
//
// The facts are those of the format's documentation in the kernel (EROFS) and of
// what libcomposefs 1.0.8 writes.
package composefs
