// Bench compares treenail with the programs that people use today, on one real
// system tree, in one run on one machine.
//
//	go run ./tests/bench [-treenail FILE] [-tree DIR] [-dir DIR] [-rounds N] [-only REGEXP] [-json]
//
// Every case has two commands that do the same job, ours and the peer's. They
// take turns, and who begins changes with every round, so that a machine whose
// speed drifts does not favour one. Before each command the file systems are
// synced; a command that writes does so as it does by default, with its own
// syncs. Figures are those of whole processes: wall time, user and system time
// with that of all children, and the resident memory of the largest process.
// The table gives medians, the range of wall times, and ratios of medians, ours
// to the peer's. Nothing is judged; the goal of a case is printed beside it.
//
// Results stay on disk until the end, since ext4 makes new files slowly for
// minutes after many were deleted: a full tree and three rounds take about 40 GB. A
// directory on a new file system (-dir) gives the steadiest figures.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"

	"github.com/treenail/treenail/tests/internal/debtree"
	"github.com/treenail/treenail/tests/internal/program"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	treenail := flag.String("treenail", "", "the program to measure; empty: built from this source")
	tree := flag.String("tree", os.Getenv(debtree.Env), "the system tree; empty: a full Debian one is made")
	dir := flag.String("dir", "", "where to work; empty: a temporary directory")
	rounds := flag.Int("rounds", 3, "how often each command is measured")
	only := flag.String("only", "", "only the cases whose names match")
	asJSON := flag.Bool("json", false, "print JSON")
	flag.Parse()
	pattern, err := regexp.Compile(*only)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp(*dir, "treenail-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	b := &bench{ctx: ctx, work: work, rounds: *rounds, treenail: *treenail, tree: *tree}
	if err := b.prepare(); err != nil {
		return err
	}
	var results []result
	for _, c := range b.cases() {
		if !pattern.MatchString(c.name) {
			continue
		}
		fmt.Fprintf(os.Stderr, "measuring %s\n", c.name)
		r, err := b.measure(c)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		fmt.Fprintf(os.Stderr, "  ours %s s, %s %s s\n", walls(r.Ours), r.Peer, walls(r.Other))
		results = append(results, r)
	}
	if *asJSON {
		return json.NewEncoder(os.Stdout).Encode(results)
	}
	printTable(os.Stdout, results)
	return nil
}

// prepare makes what the environment and the flags do not give: the program, the
// tree, and the repositories that are read, which are written by the peer.
func (b *bench) prepare() (err error) {
	if b.treenail == "" {
		if b.treenail, err = program.Build(b.work); err != nil {
			return err
		}
	}
	if b.treenail, err = filepath.Abs(b.treenail); err != nil {
		return err
	}
	if b.tree == "" {
		b.tree = filepath.Join(b.work, "tree")
		fmt.Fprintln(os.Stderr, "making a system tree, which takes minutes; -tree names one to use instead")
		if err := debtree.Make(b.ctx, b.tree, debtree.Options{Full: true}); err != nil {
			return err
		}
	}
	for _, mode := range modes {
		fmt.Fprintf(os.Stderr, "preparing a %s repository\n", mode)
		repo := b.path("source-" + mode)
		if err := b.plain("ostree", "init", "--repo="+repo, "--mode="+mode); err != nil {
			return err
		}
		if err := b.plain("ostree", "commit", "--repo="+repo, "--branch=os", "--timestamp=@1", "--tree=dir="+b.tree); err != nil {
			return err
		}
	}
	if err := b.prepareHistory(); err != nil {
		return err
	}
	return b.plain(b.treenail, "container", "encapsulate", "--no-layer-cache", "--repo="+b.path("source-bare-user"), "os", "oci:"+b.path("image")+":latest")
}

var modes = []string{"archive", "bare-user", "bare"}
