// Package oci is the model of a container image: references, descriptors,
// manifests, configs and layers, as the OCI image-spec and Docker's schema 2
// write them.
//
// An image is read from a [Source] and written to a [Sink]; both are small
// interfaces without knowledge of a medium. The media are children of this
// package (a directory, an archive, a registry), and package transport opens
// the right one for a [Reference].
//
// # Reading
//
// [ReadImage] fetches manifest and config, resolves an image index to one
// platform and verifies every digest on the way. [OpenLayer] streams one layer
// as a tar; its reader hashes both the compressed and the uncompressed side and
// returns a [*DigestError] in place of [io.EOF] when something differs, so a
// layer counts as read only after io.EOF. The raw bytes of manifest and config
// are kept beside the parsed form, because their digest is the image's identity
// and a parser may not know every key.
//
// # Writing
//
// Blobs go to a Sink first, in any order and in parallel; the manifest goes
// last and makes the image visible. Documents are written with [CanonicalJSON],
// layers with a [LayerWriter], and both are pure functions of their input: the
// same content has the same digest on every host.
//
// A [Digest] names a blob by its stored, usually compressed, bytes; a [DiffID]
// names a layer by its uncompressed tar. They are two types, so that one cannot
// stand where the other is meant.
package oci
