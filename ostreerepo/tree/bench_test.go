package tree_test

import (
	"fmt"
	"testing"

	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/tree"
)

// BenchmarkAddDir commits a tree whose objects are all in the repository already,
// so what is measured is the walk, the reading and the hashing.
func BenchmarkAddDir(b *testing.B) {
	top := b.TempDir()
	const files, size = 1000, 20 << 10
	for i := range files {
		writeFile(b, fmt.Sprintf("%s/%d/%d", top, i%20, i), random(uint64(i), size), 0o644)
	}
	r := repotest.New(b, ostreerepo.ModeBareUser)
	mustBuild(b, r, tree.Options{}, dirs(top))
	b.SetBytes(files * size)
	b.ReportAllocs()
	for b.Loop() {
		mustBuild(b, r, tree.Options{}, dirs(top))
	}
}
