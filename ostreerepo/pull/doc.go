// Package pull brings commits from one repository into another.
//
// [Local] pulls from a repository on this machine, in whatever mode either of
// them is. It walks the commits, and for each the directories; metadata objects
// come in as the walk meets them, content objects are handed to one worker per
// core. An object that both repositories would hold as the same file is linked,
// not copied, where file system and owner allow that.
//
// # Which commits
//
// Refs are looked up in the summary of the source, where it has one, and else in
// its files; a checksum names a commit without a ref. A commit that comes under a
// ref has to be bound to that (ostree.ref-binding, and ostree.collection-binding
// where the source has a collection ID). Who wants signatures to be verified hands
// in functions that do it.
//
// # What is not walked
//
// That a dirtree is in the destination does not prove that what it names is
// there too: an interrupted or a partial pull may have left it. A commit in the
// destination that is not marked partial does prove it for all of its tree.
// Therefore a commit that is complete already is not walked at all, and a new one
// is compared, directory by directory, with a complete one that it is likely to
// resemble (its parent, or the commit that its ref had): what is equal is passed
// over. Everything else is looked at, whether its dirtree is there or not.
//
// # Effects
//
// A pull is one transaction: until all of it is there the destination shows
// nothing, refs come last, and the mark of a partial commit that has been
// completed goes when its objects are in place.
package pull
