// Mktree makes a real operating-system tree in OSTree layout from Debian
// packages, for tests, benchmarks and trials.
//
//	go run ./tests/mktree [--full] [--include PKG,PKG…] DEST
//
// It needs root and mmdebstrap, and uses the package sources that apt is set
// up with. Package debtree describes the layout.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"github.com/treenail/treenail/tests/internal/debtree"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := mktree(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "mktree:", err)
		os.Exit(1)
	}
}

func mktree(ctx context.Context) error {
	var o debtree.Options
	flag.BoolVar(&o.Full, "full", false, "a whole small system with kernel, systemd, Python …: about 1 GB instead of 160 MB")
	include := flag.String("include", "", "further packages, separated by commas")
	flag.Parse()
	if flag.NArg() != 1 {
		return fmt.Errorf("want one argument, the directory to make")
	}
	if *include != "" {
		o.Include = strings.Split(*include, ",")
	}
	start := time.Now()
	if err := debtree.Make(ctx, flag.Arg(0), o); err != nil {
		return err
	}
	files, bytes, err := debtree.Summary(flag.Arg(0))
	fmt.Printf("%s: %d files, %d MB, made in %s\n", flag.Arg(0), files, bytes/1e6, time.Since(start).Round(time.Second))
	return err
}
