package ostreerepo

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"

	"github.com/treenail/treenail/format/object"
)

// Objects lists the loose objects of this repository, not those of its parents,
// directory by directory. Other files there are passed over.
func (r *Repo) Objects() iter.Seq2[object.Name, error] {
	return looseInDirs(r.path+"/objects", looseDirs(), r.mode == ModeArchive)
}

// looseDirs are the directories that objects lie in: 00 to ff.
func looseDirs() []string {
	dirs := make([]string, 256)
	for i := range dirs {
		dirs[i] = fmt.Sprintf("%02x", i)
	}
	return dirs
}

// looseIn lists the objects whose checksums may begin with prefix: one of the
// 256 directories, or sixteen of them for a prefix of a single digit.
func (r *Repo) looseIn(prefix string) iter.Seq2[object.Name, error] {
	if prefix == "" {
		return r.Objects()
	}
	dirs := []string{prefix[:min(2, len(prefix))]}
	if len(prefix) == 1 {
		dirs = dirs[:0]
		for i := range 16 {
			dirs = append(dirs, fmt.Sprintf("%s%x", prefix, i))
		}
	}
	return looseInDirs(r.path+"/objects", dirs, r.mode == ModeArchive)
}

func looseInDirs(top string, dirs []string, archive bool) iter.Seq2[object.Name, error] {
	return func(yield func(object.Name, error) bool) {
		for _, dir := range dirs {
			entries, err := os.ReadDir(top + "/" + dir)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				yield(object.Name{}, err)
				return
			}
			for _, e := range entries {
				n, err := object.ParseLoosePath(dir, e.Name(), archive)
				if err != nil {
					continue
				}
				if !yield(n, nil) {
					return
				}
			}
		}
	}
}
