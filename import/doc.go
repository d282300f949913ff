// Package importer brings container images into an OSTree repository.
//
// An encapsulated image is a commit in the form of layers (package ostreetar has
// the layout): the first layer holds the commit with all its dirtrees and
// dirmetas, the chunks after it content objects, and a label of the config says
// which layer is the last of them. [Import] restores that commit, with the same
// checksum and detached metadata, in a repository of any mode.
//
// # Flow
//
// Manifest and config give a [Plan], a value that says which layer is what.
// [Inspect] stops there and describes the image. Import goes on:
//
//	source ── layer ── decompress, hash ── tar ──┬── buffer ── worker ── Tx
//	   └───── layer ── decompress, hash ── tar ──┴── large body ──────── Tx
//
// A few layers are read at a time, each by two goroutines: one decompresses and
// hashes, the other takes the objects out of the tar. Objects up to 1 MiB go to
// workers that verify and write them; larger ones are written as they are read.
// Memory follows the number of layers and workers, and one small entry for each
// file of the commit. Nothing is unpacked in between.
//
// # What is verified
//
// The digest of manifest and config; digest, size and diffID of each layer, all
// of which are read to their end; the checksum of each object against the name
// it has in the tar; that the commit is the one that the label promises; and
// that every object the commit refers to is there. All of it happens inside one
// transaction of the repository, which comes to nothing when any of it fails.
// The ref is the last thing that is written.
//
// # What is left out
//
// Objects that the repository has are not written again. When it has the whole
// commit that the label promises, no layer is fetched. There is one exception:
// detached metadata (signatures) is not part of a commit's checksum, so if the
// repository has none for the commit, the start of the first layer is read, and
// the layer to its end if detached metadata is in it. Detached metadata that the
// repository already has is kept in that case; when the commit is incomplete and
// its layers are read, what the image has replaces it.
package importer
