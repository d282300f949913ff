// Demo shows treenail's main way on real files, in seconds, without root and
// without a network: a directory becomes an OSTree commit, the commit a
// container image in a registry, and the image a commit in another repository,
// with the same checksum.
//
//	make demo
//	make demo TREE=/path/to/rootfs
//
// It runs the program as a user does and prints each command line before what
// the command says. The registry is part of the demo and listens on loopback.
// All of it happens in a temporary directory that goes away at the end.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := demo(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func demo(ctx context.Context) error {
	treenail := flag.String("treenail", "treenail", "the program to show")
	tree := flag.String("tree", "", "the tree to commit, instead of one made of this machine's files")
	flag.Parse()
	program, err := filepath.Abs(*treenail)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "treenail-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	s := &show{ctx: ctx, program: program, dir: dir}
	if err := s.tree(*tree); err != nil {
		return err
	}
	registry, err := serveRegistry(filepath.Join(dir, "registry"))
	if err != nil {
		return err
	}
	defer registry.Close()
	return s.tour(registry.image)
}
