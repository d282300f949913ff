// Package tree assembles the tree of a commit from directories, archives and
// other commits, and writes it as dirtree and dirmeta objects.
//
// A [Tree] starts empty. Each Add call lays a source over what is there already:
// a file replaces a file, directories are merged and take the owner, mode and
// xattrs of the later one, and a file and a directory of one name are an error.
// [Tree.Write] then writes the directories bottom up and returns the two
// checksums that a commit object holds.
//
//	err := repo.Update(ctx, ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
//		t := tree.New(tx, tree.Options{CanonicalPermissions: true})
//		if err := t.AddDir(ctx, "rootfs"); err != nil {
//			return err
//		}
//		contents, meta, err := t.Write(ctx)
//		…
//	})
//
// Sources are walked in one goroutine, so that the tree is the same on every
// machine; the bodies of files go to GOMAXPROCS workers, which hash and store
// them. What stays in memory is one entry for each file, and for each worker one
// file's buffers.
//
// The results are those of libostree 2022.7 for the same input, down to the
// order in which options apply: owner, --mode-ro-executables, statoverride, skip
// list, canonical permissions.
package tree
