package main

import (
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"
)

// server is a container registry on loopback.
type server struct {
	http  http.Server
	image string // name of the image that the demo writes
}

// serveRegistry starts a registry that keeps its blobs in dir.
func serveRegistry(dir string) (*server, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{image: "docker://" + l.Addr().String() + "/demo/os:1"}
	s.http.Handler = registry.New(
		registry.WithBlobHandler(registry.NewDiskBlobHandler(dir)),
		registry.Logger(log.New(io.Discard, "", 0)))
	go s.http.Serve(l)
	return s, nil
}

// Close stops the registry at once.
func (s *server) Close() error { return s.http.Close() }
