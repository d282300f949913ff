package importer

import (
	"slices"

	"github.com/treenail/treenail/ostreerepo/tree"
)

// What becomes of the directories at the top of a derived layer. An ostree commit
// has its configuration in usr/etc, from which a deployment makes /etc; what is
// below others is lost on a host unless its root is writable or a composefs.
var (
	keptDirs    = []string{"usr", "var"}
	emptiedDirs = []string{"run", "tmp", "proc", "sys", "dev"}
)

// renameEtc moves what a layer has in etc to usr/etc. A whiteout of etc goes there
// too.
func renameEtc(path []string) []string {
	if len(path) > 0 && (path[0] == "etc" || len(path) == 1 && path[0] == ".wh.etc") {
		return append([]string{"usr"}, path...)
	}
	return path
}

// filterLayer removes from the tree of a derived layer what a commit does not
// have. all says that directories of any name at the top are kept. It returns how
// many files and directories went, by the name that ostree-ext counts them under.
func filterLayer(t *tree.Tree, all bool) (dropped map[string]int, err error) {
	dropped = map[string]int{}
	drop := func(name, path string) error {
		n, err := t.Remove(path)
		if n > 0 {
			dropped[name] += n
		}
		return err
	}
	names, err := t.Names("/")
	if err != nil {
		return nil, err
	}
	for _, top := range names {
		switch {
		case slices.Contains(emptiedDirs, top):
			err = emptyDir(t, top, drop)
		case top == "sysroot":
			_, err = t.Remove("sysroot/ostree/repo/objects") // seen through hard links
			if err == nil && !all {
				err = drop(top, top)
			}
		case !all && !slices.Contains(keptDirs, top) && !isWhiteoutOf(top, keptDirs):
			err = drop(top, top)
		}
		if err != nil {
			return nil, err
		}
	}
	return dropped, nil
}

func emptyDir(t *tree.Tree, top string, drop func(name, path string) error) error {
	names, err := t.Names(top)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := drop(name, top+"/"+name); err != nil {
			return err
		}
	}
	return nil
}

func isWhiteoutOf(name string, dirs []string) bool {
	return len(name) > 4 && name[:4] == ".wh." && slices.Contains(dirs, name[4:])
}
