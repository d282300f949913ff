package ostree_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// TestPruneRandom prunes repositories with random histories by random policies: both
// programs leave the same objects. Histories share trees, but no commits: where they
// meet libostree goes by the order of a hash table, see TestPruneMeeting.
func TestPruneRandom(t *testing.T) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 4))
		refs := randomHistories(t, r)
		for range 6 {
			args := randomPolicy(r, refs)
			t.Logf("seed %d: %s", seed, args)
			comparePrune(t, args...)
		}
	}
}

// randomHistories makes a repository and returns its refs.
func randomHistories(t *testing.T, r *rand.Rand) (refs []string) {
	t.Helper()
	newRepo(t, []string{"archive", "bare-user-only"}[r.IntN(2)])
	if r.IntN(3) == 0 {
		must(t, "config", "--repo=repo", "set", "core.tombstone-commits", "true")
	}
	var trees []string
	for range 4 {
		files := map[string]string{}
		for range 6 {
			files[fmt.Sprintf("d%d/f%d", r.IntN(3), r.IntN(3))] = fmt.Sprint(r.IntN(6))
		}
		trees = append(trees, makeTree(t, files))
	}
	for b := range 2 + r.IntN(3) {
		now, c := 1000+r.IntN(5), ""
		for i := range 1 + r.IntN(6) {
			now += r.IntN(40) - 5 // clocks of builders are not all right
			c = must(t, "commit", "--repo=repo", "-b", "tmp", fmt.Sprintf("--timestamp=@%d", now),
				fmt.Sprintf("--subject=%d %d", b, i), trees[r.IntN(len(trees))])
			if r.IntN(8) == 0 {
				writePartial(t, c)
			}
		}
		must(t, "refs", "--repo=repo", "--delete", "tmp")
		name := fmt.Sprintf("branch/%d", b)
		switch r.IntN(5) {
		case 0:
			continue // an orphan
		case 1:
			name = "origin:" + name
		}
		must(t, "refs", "--repo=repo", "--create="+name, c)
		refs = append(refs, name)
	}
	return refs
}

func writePartial(t *testing.T, commit string) {
	t.Helper()
	if err := os.WriteFile("repo/state/"+commit+".commitpartial", nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

func randomPolicy(r *rand.Rand, refs []string) (args []string) {
	add := func(chance int, format string, values ...any) {
		if r.IntN(chance) == 0 {
			args = append(args, strings.Fields(fmt.Sprintf(format, values...))...)
		}
	}
	add(2, "--refs-only")
	add(2, "--depth=%d", r.IntN(5)-1)
	add(3, "--keep-younger-than=@%d", 980+r.IntN(120))
	for _, ref := range refs {
		add(4, "--retain-branch-depth=%s=%d", ref, r.IntN(5)-1)
		add(4, "--only-branch=%s", ref)
	}
	add(4, "--commit-only")
	add(4, "--no-prune")
	return args
}
