// Package lint looks for what will not work when a root file system becomes a
// commit, an image or a booted host.
//
//	root, err := os.OpenRoot("rootfs")
//	…
//	report, err := lint.Run(ctx, root, lint.Options{})
//
// The lints and their names are those of bootc, with some more for what OSTree and
// image layers cannot hold. They read; nothing is changed, no symlink leads out of the
// root, and what is mounted below it is not looked at.
package lint
