package ostreetar

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/treenail/treenail/format/object"
)

const (
	ostreeDir  = "sysroot/ostree/"
	repoDir    = ostreeDir + "repo/"
	objectsDir = repoDir + "objects/"
)

// repoConfig is the file sysroot/ostree/repo/config.
const repoConfig = "[core]\nrepo_version=1\nmode=bare-split-xattrs\n"

// structureDirs lists the directories with which every layer begins.
func structureDirs() []string {
	dirs := []string{"sysroot", "sysroot/ostree", "sysroot/ostree/repo", "sysroot/ostree/repo/objects"}
	for i := range 256 {
		dirs = append(dirs, fmt.Sprintf("%s%02x", objectsDir, i))
	}
	for _, d := range []string{"extensions", "refs", "refs/heads", "refs/mirrors", "refs/remotes", "state", "tmp", "tmp/cache"} {
		dirs = append(dirs, repoDir+d)
	}
	return dirs
}

// ObjectPath is the path of an object in a layer.
func ObjectPath(name object.Name) string { return objectsDir + name.LoosePath(false) }

// ParseObjectPath is the reverse of ObjectPath; ok is false for any other path.
func ParseObjectPath(path string) (name object.Name, ok bool) {
	place, ok := strings.CutPrefix(path, objectsDir)
	if !ok {
		return name, false
	}
	dir, file, _ := strings.Cut(place, "/")
	name, err := object.ParseLoosePath(dir, file, false)
	return name, err == nil
}

// MapPath turns a path in the commit, without a leading slash, into the path in
// the layer: usr/etc is etc there, everything else keeps its name.
func MapPath(path string) string {
	if path == "usr/etc" || strings.HasPrefix(path, "usr/etc/") {
		return path[len("usr/"):]
	}
	return path
}

// checkPath reports why a path can't be one of a layer: it is empty or absolute,
// has a ".." component or a NUL, or isn't UTF-8.
func checkPath(path string) error {
	switch {
	case path == "":
		return fmt.Errorf("empty path")
	case path[0] == '/':
		return fmt.Errorf("absolute path")
	case strings.IndexByte(path, 0) >= 0:
		return fmt.Errorf("path contains a NUL")
	case !utf8.ValidString(path):
		return fmt.Errorf("path is not UTF-8")
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == ".." {
			return fmt.Errorf(`path has a ".." component`)
		}
	}
	return nil
}
