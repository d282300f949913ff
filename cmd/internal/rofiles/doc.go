// Package rofiles is the program rofiles-fuse: as a command of treenail, with its
// manner of options and help, and under its own name, with the one that ostree's has.
//
// Either way the program goes on in the background, once the directory is shown,
// until somebody unmounts it: it starts itself again, since a Go program cannot fork,
// and ends when that process has said that all is well.
package rofiles
