package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// upkeep is what is done with the commits of a repository once they are there.
func (b *bench) upkeep() []benchCase {
	return []benchCase{
		b.pullLocal("bare", "bare", 1),
		b.pullLocal("bare", "archive", 0.3),
		b.pullLocal("archive", "bare-user", 1), // inflates and writes, which both do alike
		b.pullLocal("archive", "archive", 1),
		b.recommit(),
		b.both("diff", 0.4, 1, "diff", "--repo="+b.path("source-archive"), "os", b.tree),
		b.both("prune --no-prune, 1000 commits", 0.4, 1, "prune", "--no-prune", "--refs-only", "--repo="+b.path("history")),
		b.prune(),
		b.both("summary -u, 10 000 refs", 1, 1, "summary", "-u", "--repo="+b.path("refs")),
		b.both("refs, 10 000 refs", 1, 5, "refs", "--repo="+b.path("refs")),
		b.both("rev-parse, 10 000 refs", 1, 50, "rev-parse", "os/0/77", "--repo="+b.path("refs")),
	}
}

// both is a case in which two programs get the same arguments.
func (b *bench) both(name string, goal float64, times int, args ...string) benchCase {
	with := func(program string) job { return command(append([]string{program}, args...)...) }
	return benchCase{name: name, peer: "ostree", goal: goal, times: times, ours: with(b.treenail), other: with("ostree")}
}

func (b *bench) pullLocal(from, to string, goal float64) benchCase {
	with := func(program string) job {
		return job{
			before: func(out string) error { return b.plain("ostree", "init", "--repo="+out, "--mode="+to) },
			argv: func(out string) []string {
				return []string{program, "pull-local", "--repo=" + out, b.path("source-" + from)}
			},
		}
	}
	return benchCase{name: "pull-local " + from + " to " + to, peer: "ostree", goal: goal, ours: with(b.treenail), other: with("ostree")}
}

// recommit commits a checkout of hard links in which one file of a hundred changed.
func (b *bench) recommit() benchCase {
	with := func(program string) job {
		return job{
			before: b.changedCheckout,
			argv: func(out string) []string {
				return []string{program, "commit", "--repo=" + b.path("source-bare"), "--orphan", "--timestamp=@1",
					"--link-checkout-speedup", "--tree=dir=" + out}
			},
		}
	}
	return benchCase{name: "commit --link-checkout-speedup, 1 % changed", peer: "ostree", goal: 0.4, ours: with(b.treenail), other: with("ostree")}
}

func (b *bench) changedCheckout(out string) error {
	if err := b.plain("ostree", "checkout", "-H", "--repo="+b.path("source-bare"), "os", out); err != nil {
		return err
	}
	n := 0
	return filepath.WalkDir(out, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if n++; n%100 != 0 {
			return nil
		}
		if err := os.Remove(path); err != nil {
			return err
		}
		return os.WriteFile(path, []byte(out+path), 0o644)
	})
}

// prune deletes all but the last commits of a long history, which is unlink's time.
func (b *bench) prune() benchCase {
	with := func(program string) job {
		return job{
			before: func(out string) error { return b.plain("cp", "-a", b.path("history"), out) },
			argv: func(out string) []string {
				return []string{program, "prune", "--refs-only", "--depth=10", "--repo=" + out}
			},
		}
	}
	return benchCase{name: "prune to 10 of 1000 commits", peer: "ostree", goal: 1, ours: with(b.treenail), other: with("ostree")}
}

// prepareHistory makes a repository with a thousand commits of a tree of two
// thousand files, of which each commit changes one, and one with 10 000 refs.
func (b *bench) prepareHistory() error {
	fmt.Fprintln(os.Stderr, "preparing a long history and many refs")
	dir, history, refs := b.path("work"), "--repo="+b.path("history"), "--repo="+b.path("refs")
	for i := range 2000 {
		name := fmt.Sprintf("%s/%d/%d", dir, i%40, i)
		if err := writeFile(name, name); err != nil {
			return err
		}
	}
	if err := b.plain(b.treenail, "init", "--mode=archive", history); err != nil {
		return err
	}
	var last string
	for i := range 1000 {
		if err := writeFile(fmt.Sprintf("%s/%d/%d", dir, i%40, i), fmt.Sprint(i)); err != nil {
			return err
		}
		last = fmt.Sprintf("--timestamp=@%d", i)
		if err := b.plain(b.treenail, "commit", history, "--branch=os", "--disable-fsync", last, "--tree=dir="+dir); err != nil {
			return err
		}
	}
	if err := b.plain("cp", "-a", b.path("history"), b.path("refs")); err != nil {
		return err
	}
	if err := b.plain(b.treenail, "prune", "--refs-only", "--depth=0", refs); err != nil {
		return err
	}
	return b.manyRefs()
}

// manyRefs copies the one ref of a repository ten thousand times.
func (b *bench) manyRefs() error {
	heads := b.path("refs/refs/heads")
	commit, err := os.ReadFile(heads + "/os")
	if err != nil {
		return err
	}
	if err := os.Remove(heads + "/os"); err != nil {
		return err
	}
	for i := range 10000 {
		if err := writeFile(fmt.Sprintf("%s/os/%d/%d", heads, i/100, i%100), string(commit)); err != nil {
			return err
		}
	}
	return nil
}

func writeFile(name, body string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, []byte(body), 0o644)
}
