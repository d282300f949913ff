// Treenail joins OSTree trees to OCI containers. Called by the name ostree it
// is the ostree command.
package main

import (
	"context"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/cmd/internal/rofiles"
	"github.com/treenail/treenail/oci/transport"
)

func main() { os.Exit(run()) }

func run() int {
	if transport.Helper() {
		return 0
	}
	name, args := filepath.Base(os.Args[0]), os.Args[1:]
	streams := cli.Streams{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	if name == rofiles.Name { // a program of its own in ostree
		ctx, stop := cancelOnSignal()
		defer stop()
		return rofiles.Main(ctx, os.Args, streams)
	}
	p := program(name)
	if x := p.Extension(args); x != nil {
		return x.Exec(args, os.Stderr)
	}
	ctx, stop := cancelOnSignal()
	defer stop()
	return p.Run(ctx, args, streams)
}

// cancelOnSignal cancels the context at the first SIGINT or SIGTERM, so that
// transactions end in order; the second one kills.
func cancelOnSignal() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		if s, ok := <-signals; ok {
			signal.Reset()
			cancel(&cli.Interrupted{Signal: s.(syscall.Signal)})
		}
	}()
	return ctx, func() { signal.Stop(signals); close(signals) }
}
