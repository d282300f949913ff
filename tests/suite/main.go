// Suite runs libostree's own test scripts with treenail in the place of ostree.
//
//	go run ./tests/suite [-treenail FILE] [-suite DIR] [-only REGEXP] [-jobs N] [-logs DIR]
//
// DIR holds libtest.sh, test-*.sh and test-*.py; Debian's package ostree-tests has them
// where -suite points by default. They are not part of this project, and nothing
// of them is kept here but the names of those that have to pass, in must-pass.txt,
// which `go test` runs.
//
// A script runs in an empty directory and, so that its servers reach nobody, in
// a network namespace with loopback alone, which needs root. It passes when it
// exits with 0, says "ok" at least once and "not ok" never; exit code 77 or the
// plan 1..0 is a skip.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/treenail/treenail/tests/internal/program"
)

const debianSuite = "/usr/libexec/installed-tests/libostree"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "suite:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	binary := flag.String("treenail", "", "the program to test; empty: built from this source")
	dir := flag.String("suite", debianSuite, "where the scripts are")
	only := flag.String("only", "", "only the scripts whose names match")
	jobs := flag.Int("jobs", runtime.NumCPU(), "how many run at a time")
	logs := flag.String("logs", "", "where to keep what the scripts print; empty: nowhere")
	flag.Parse()
	work, err := os.MkdirTemp("/var/tmp", "treenail-suite-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if *binary == "" {
		if *binary, err = program.Build(work); err != nil {
			return err
		}
	}
	s, err := newSuite(*dir, *binary, work)
	if err != nil {
		return err
	}
	scripts, err := s.scripts(*only)
	if err != nil {
		return err
	}
	return report(ctx, s, scripts, *jobs, *logs)
}

func (s *suite) scripts(only string) ([]string, error) {
	pattern, err := regexp.Compile(only)
	if err != nil {
		return nil, err
	}
	shell, err := filepath.Glob(filepath.Join(s.dir, "test-*.sh"))
	if err != nil {
		return nil, err
	}
	python, err := filepath.Glob(filepath.Join(s.dir, "test-*.py"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, path := range append(shell, python...) {
		if name := filepath.Base(path); pattern.MatchString(name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s: no scripts match; Debian's package ostree-tests has them", s.dir)
	}
	return names, nil
}

// report runs the scripts and prints a line for each, in order, and the sums.
func report(ctx context.Context, s *suite, scripts []string, jobs int, logs string) error {
	results := make([]outcome, len(scripts))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(jobs)
	for i, name := range scripts {
		g.Go(func() (err error) {
			results[i], err = s.run(ctx, name)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	count := map[verdict]int{}
	for i, r := range results {
		count[r.verdict]++
		fmt.Printf("%s\t%s\t%d ok\t%s\n", r.verdict, scripts[i], r.ok, r.took.Round(100*time.Millisecond))
		if logs != "" {
			if err := os.WriteFile(filepath.Join(logs, scripts[i]+".log"), []byte(r.output), 0o644); err != nil {
				return err
			}
		}
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", count[pass], count[fail], count[skip])
	if count[fail] > 0 {
		return fmt.Errorf("%d scripts failed", count[fail])
	}
	return nil
}

// mustPass reads the list of scripts that have to pass: a name at the start of a
// line, comments after #.
func mustPass() ([]string, error) {
	data, err := os.ReadFile("must-pass.txt")
	if err != nil {
		return nil, err
	}
	var names []string
	for line := range strings.Lines(string(data)) {
		line, _, _ = strings.Cut(line, "#")
		if name := strings.TrimSpace(line); name != "" {
			names = append(names, name)
		}
	}
	return names, nil
}
