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
	return func(yield func(object.Name, error) bool) {
		for i := range 256 {
			for n, err := range r.looseIn(fmt.Sprintf("%02x", i)) {
				if !yield(n, err) {
					return
				}
			}
		}
	}
}

// looseIn lists the objects whose checksums may begin with prefix: one of the
// 256 directories, or sixteen of them for a prefix of a single digit.
func (r *Repo) looseIn(prefix string) iter.Seq2[object.Name, error] {
	if len(prefix) >= 2 {
		return r.looseInDir(prefix[:2])
	}
	return func(yield func(object.Name, error) bool) {
		for i := range 16 {
			for n, err := range r.looseInDir(fmt.Sprintf("%s%x", prefix, i)) {
				if !yield(n, err) {
					return
				}
			}
		}
	}
}

func (r *Repo) looseInDir(dir string) iter.Seq2[object.Name, error] {
	return func(yield func(object.Name, error) bool) {
		entries, err := os.ReadDir(r.path + "/objects/" + dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			yield(object.Name{}, err)
			return
		}
		for _, e := range entries {
			n, err := object.ParseLoosePath(dir, e.Name(), r.mode == ModeArchive)
			if err != nil {
				continue
			}
			if !yield(n, nil) {
				return
			}
		}
	}
}
