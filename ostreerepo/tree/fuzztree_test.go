package tree_test

import (
	"archive/tar"
	"testing"

	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/tree"
)

// FuzzAddTar makes an archive of three bytes an entry: its type, its name, and
// the name it links to. Whatever is accepted has to be a sound tree.
func FuzzAddTar(f *testing.F) {
	names := []string{".", "a", "b", "a/b", "a/c", "a/b/c", "b/a", "./a/../b", "/a", "a/"}
	f.Add([]byte{0, 0, 0, 0, 1, 0, 1, 3, 0, 2, 2, 3})
	f.Add([]byte{0, 0, 0, 2, 2, 1, 2, 1, 2})
	f.Add([]byte{0, 0, 0, 3, 1, 1, 1, 4, 0})
	f.Add([]byte{0, 0, 0, 2, 3, 5, 2, 5, 1, 1, 1, 0})
	r := repotest.New(f, ostreerepo.ModeArchive)
	f.Fuzz(func(t *testing.T, program []byte) {
		var entries []any
		for ; len(program) >= 3 && len(entries) < 20; program = program[3:] {
			name, target := names[int(program[1])%len(names)], names[int(program[2])%len(names)]
			switch program[0] % 4 {
			case 0:
				entries = append(entries, folder(name, 0o755))
			case 1:
				if name[len(name)-1] != '/' { // archive/tar would not write it
					entries = append(entries, member(name, target))
				}
			case 2:
				entries = append(entries, link(name, target))
			case 3:
				entries = append(entries, &tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target})
			}
		}
		got, err := build(r, tree.Options{TarAutocreateParents: len(program)%2 == 1}, tars(archive(t, entries...)))
		if err != nil {
			return
		}
		for e, err := range r.Walk(checksum(t, got.contents), checksum(t, got.meta)) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Dir {
				continue
			}
			if _, _, err := r.Stat(e.Checksum); err != nil {
				t.Fatal(err)
			}
		}
	})
}
