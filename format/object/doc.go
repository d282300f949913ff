// Package object is the data model of an OSTree repository: the values that
// the content-addressed objects hold, and their bytes.
//
// There are two families of objects. Metadata objects (commit, dirtree,
// dirmeta) are GVariants; the checksum that names one is the SHA-256 of its
// bytes as stored. Content objects (regular files and symbolic links) are
// named by the SHA-256 of a framed header followed by the file's body:
//
//	u32 BE  length of the header
//	u32     zero
//	        header (uuuusa(ayay)): uid, gid, mode, rdev, symlink target, xattrs
//	        body of a regular file; nothing for a symlink
//
// The name does not depend on how a repository stores the object: an archive
// repository keeps a header with the size and a raw deflate stream, a bare one
// keeps a file. Integers in all formats here are big-endian although GVariant's
// own framing is little-endian.
//
// Everything in this package is pure: bytes in, values out, and back. The facts
// are those of libostree's ostree-core.h and of what the program writes.
package object
