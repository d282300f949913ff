// Package ostreetar is the layout of an OSTree commit inside container layers:
// the tar stream of one layer, and the names of the labels and annotations that
// an encapsulated image carries. It is the format of ostree-ext ("format version
// 1"), written byte for byte as ostree-ext writes it, so that equal content has
// equal diffIDs.
//
// A layer holds objects of a repository in mode bare-split-xattrs below
// sysroot/ostree/repo/objects, and hard links to the content objects at the
// paths where a container runtime expects the files:
//
//	sysroot/ostree/repo/…                       directories and config, the same in all layers
//	…/objects/00/1122….commit                   first layer: the commit, then its detached
//	…/objects/00/1122….commitmeta               metadata, then dirmetas and dirtrees,
//	…/objects/00/1122….dirtree                  as plain GVariants
//	…/objects/00/1122….file-xattrs-link         xattrs of the next object, a(ayay)
//	…/objects/00/1122….file                     regular file or symlink with owner and mode
//	usr/bin/bash                                hard link to the object
//
// Such a layer is both an ordinary filesystem layer and, taken together with the
// others of its image, a lossless copy of the commit. In the filesystem the
// commit's usr/etc is etc.
//
// # Bytes
//
// All times are zero, user and group names are empty, the padding at the end is
// two blocks. Headers are in GNU form with 7 octal digits in the checksum field;
// names that don't fit their 100 bytes get GNU "L" and "K" entries. The name
// field of a hard link still has bytes of the object's path behind its NUL: no
// reader sees them, but they count for the diffID. Xattrs other than
// security.selinux are repeated as SCHILY.xattr PAX records for the container
// runtime.
//
// There is one deliberate difference: ostree-ext stores symlink targets in a
// normalised form, which changes the object ("a/./b" becomes "a/b", and import
// fails its checksum). [Writer] adds a "K" entry with the exact target then.
//
// [Reader] takes what Writer and all versions of ostree-ext have written, and
// nothing that tries to be something else.
package ostreetar

// Labels of the image config, which are also annotations of the manifest.
const (
	// LabelCommit is the checksum of the commit, 64 hexadecimal digits.
	LabelCommit = "ostree.commit"
	// LabelFinalDiffID is the diffID of the last layer that belongs to the
	// commit; the layers after it are derived from it.
	LabelFinalDiffID = "ostree.final-diffid"
	// LabelBootable is "true" or "false", from the commit's metadata.
	LabelBootable = "ostree.bootable"
	// LabelBootc is "1" in an image that bootc can boot.
	LabelBootc = "containers.bootc"
	// LabelLinux is the kernel version, from the commit's metadata.
	LabelLinux = "ostree.linux"
	// LabelVersion is the version of the operating system.
	LabelVersion = "org.opencontainers.image.version"
	// LabelLegacyVersion is where older images have the version.
	LabelLegacyVersion = "version"
)

// AnnotationComponents, on the descriptor of a component layer, lists the names
// of its packages, sorted and joined with commas.
const AnnotationComponents = "ostree.components"

// Keys of commit metadata that encapsulation looks at.
const (
	MetadataVersion      = "version"              // s
	MetadataBootable     = "ostree.bootable"      // b
	MetadataLinux        = "ostree.linux"         // s
	MetadataContainerCmd = "ostree.container-cmd" // as
)

// Limits of importers, ostree-ext's and ours, in bytes.
const (
	// MaxMetadata bounds a commit, commitmeta, dirtree or dirmeta object.
	MaxMetadata = 10 << 20
	// MaxXattrs bounds the serialised xattrs of one object.
	MaxXattrs = 1 << 20
)
