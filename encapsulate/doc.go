// Package encapsulate writes a commit of an OSTree repository as an OCI image:
// the arrow from ostreerepo to oci. The image runs as a container like any
// other, and importing it gives back the commit, object by object.
//
// # The image
//
// The first layer has the commit, its detached metadata, all dirtrees and
// dirmetas, and all directories. The content is spread over the other layers
// by what changes together; what belongs to nothing stays in the first. Package
// [github.com/treenail/treenail/format/ostreetar] describes the layers. Labels,
// annotations, history and config are those of ostree-ext, so that its
// importers, bootc and rpm-ostree, take the image; config and manifest are
// canonical JSON (RFC 8785).
//
// # Components
//
// A component is a set of objects that changes as a whole: an installed package,
// what a user.component xattr groups, the initramfs of a kernel. [Options] take
// a function that reads the package databases inside the tree; it is handed in
// because the readers (package packages) bring a whole SQL database along.
//
// # The plan
//
// A client that has one version of an image downloads of the next one the layers
// that changed. So a good plan puts together what changes together, and, as
// important, puts everything where it was last time. Other tools get the second
// by reading the previous image, and then live with its order for ever; [Plan]
// gets most of it without any memory, and all of it with [Previous]:
//
//   - Components built from one source package move as a group: they are rebuilt
//     together, so keeping them apart gains nothing.
//   - Components that ask for it (xattr, initramfs) get a layer each, in order
//     of their names.
//   - Of the layers then left, 60 % go to the largest groups, one each. These
//     hold most of the bytes, and in a layer of its own a package costs a
//     download only when it changes itself.
//   - The other groups go to the remaining layers by a rendezvous hash of the
//     source package's name. A group's place depends on its name and the number
//     of layers alone, so packages that come, go or grow move no other; what is
//     left is too small for the uneven sum of sizes to matter.
//
// Adding or removing a package thus changes its own layer, and moves at most one
// more group: that which enters or leaves the largest ones.
//
// Which of several owners an object belongs to (the same license text is in
// many packages) is decided by name, so each object is in one layer only.
package encapsulate
