package oci_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"testing"

	"github.com/treenail/treenail/oci"
)

// fakeSource is an image in memory.
type fakeSource struct {
	manifest  []byte
	mediaType string
	blobs     map[oci.Digest][]byte
}

func (s *fakeSource) Manifest(context.Context) ([]byte, string, error) {
	return s.manifest, s.mediaType, nil
}

func (s *fakeSource) Blob(_ context.Context, d oci.Descriptor) (io.ReadCloser, error) {
	data, ok := s.blobs[d.Digest]
	if !ok {
		return nil, fmt.Errorf("no blob %s", d.Digest)
	}
	return io.NopCloser(bytes.NewReader(data)), nil
}

func (s *fakeSource) Layer(_ context.Context, d oci.Descriptor, _ oci.DiffID) (oci.Descriptor, error) {
	return d, nil
}

func (s *fakeSource) Close() error { return nil }

func (s *fakeSource) String() string { return "fake" }

// put adds a blob and returns its descriptor.
func (s *fakeSource) put(mediaType string, data []byte) oci.Descriptor {
	if s.blobs == nil {
		s.blobs = make(map[oci.Digest][]byte)
	}
	s.blobs[oci.Sum(data)] = data
	return oci.Descriptor{MediaType: mediaType, Digest: oci.Sum(data), Size: int64(len(data))}
}

// putImage adds an image of one layer and returns the manifest's descriptor.
func (s *fakeSource) putImage(t *testing.T, layer string, p oci.Platform) oci.Descriptor {
	t.Helper()
	config := oci.Config{Architecture: p.Architecture, OS: p.OS, RootFS: oci.RootFS{
		Type: "layers", DiffIDs: []oci.DiffID{oci.DiffID(oci.Sum([]byte(layer)))},
	}}
	manifest := oci.Manifest{
		SchemaVersion: 2,
		Config:        s.put(oci.MediaTypeConfig, canonical(t, config)),
		Layers:        []oci.Descriptor{s.put(oci.MediaTypeLayer, []byte(layer))},
	}
	d := s.put(oci.MediaTypeManifest, canonical(t, manifest))
	d.Platform = &p
	return d
}

func canonical(t *testing.T, v any) []byte {
	t.Helper()
	data, err := oci.CanonicalJSON(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// checkError compares an error's text, or demands none if want is empty.
func checkError(t *testing.T, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != want {
		t.Errorf("error is %q, want %q", got, want)
	}
}
