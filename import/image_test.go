package importer_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/ostreetar"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
)

// memory is one image in memory, as source and as sink.
type memory struct {
	mu       sync.Mutex
	manifest []byte
	blobs    map[oci.Digest][]byte
	opened   map[oci.Digest]int // how often
}

func newMemory() *memory {
	return &memory{blobs: map[oci.Digest][]byte{}, opened: map[oci.Digest]int{}}
}

func (m *memory) Manifest(context.Context) ([]byte, string, error) {
	return m.manifest, oci.MediaTypeManifest, nil
}

func (m *memory) Blob(_ context.Context, d oci.Descriptor) (io.ReadCloser, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.opened[d.Digest]++
	blob, ok := m.blobs[d.Digest]
	if !ok {
		return nil, fmt.Errorf("no blob %s", d.Digest)
	}
	return io.NopCloser(bytes.NewReader(blob)), nil
}

func (m *memory) Layer(_ context.Context, d oci.Descriptor, _ oci.DiffID) (oci.Descriptor, error) {
	return d, nil
}

func (m *memory) PutBlob(_ context.Context, mediaType string, r io.Reader) (oci.Descriptor, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return oci.Descriptor{}, err
	}
	return m.put(mediaType, data), nil
}

func (m *memory) put(mediaType string, data []byte) oci.Descriptor {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := oci.Descriptor{MediaType: mediaType, Digest: digest(data), Size: int64(len(data))}
	m.blobs[d.Digest] = data
	return d
}

func (m *memory) PutManifest(_ context.Context, raw []byte, _ string) (oci.Digest, error) {
	m.manifest = raw
	return digest(raw), nil
}

func (m *memory) Close() error { return nil }

func digest(data []byte) oci.Digest { return oci.Digest(sum(data)) }

func sum(data []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(data)) }

// image describes an image that a test makes.
type image struct {
	layers []layer
	labels map[string]string // over those that an encapsulated image has
	plain  bool              // without these
	commit object.Checksum
	final  int // index of the commit's last layer, counted from the end
}

// layer is a tar, and what a test does to it.
type layer struct {
	tar        []byte
	mediaType  string // "": tar+gzip
	components string
	blob       func([]byte) []byte         // changes the blob before it is stored
	descriptor func(*oci.Descriptor)       // changes what the manifest says of it
	diffID     func(oci.DiffID) oci.DiffID // changes what the config says of it
}

func (i *image) source(t testing.TB) *memory {
	t.Helper()
	m := newMemory()
	manifest := oci.Manifest{SchemaVersion: 2, Annotations: map[string]string{"an": "notation"}}
	config := oci.Config{
		Created: "2024-02-03T04:05:06Z", Architecture: "amd64", OS: "linux",
		RootFS: oci.RootFS{Type: "layers", DiffIDs: []oci.DiffID{}},
	}
	for _, l := range i.layers {
		d, diffID := l.store(t, m)
		manifest.Layers = append(manifest.Layers, d)
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, diffID)
	}
	config.Config.Labels = map[string]string{}
	if !i.plain {
		config.Config.Labels[ostreetar.LabelCommit] = i.commit.String()
		config.Config.Labels[ostreetar.LabelFinalDiffID] = string(config.RootFS.DiffIDs[len(i.layers)-1-i.final])
	}
	maps.Copy(config.Config.Labels, i.labels)
	manifest.Config = m.put(oci.MediaTypeConfig, marshal(t, config))
	m.manifest = marshal(t, manifest)
	return m
}

func (l *layer) store(t testing.TB, m *memory) (oci.Descriptor, oci.DiffID) {
	mediaType, blob := l.mediaType, l.tar
	if mediaType == "" {
		mediaType, blob = oci.MediaTypeLayerGzip, compress(t, l.tar)
	}
	if l.blob != nil {
		blob = l.blob(blob)
	}
	d := m.put(mediaType, blob)
	if l.components != "" {
		d.Annotations = map[string]string{ostreetar.AnnotationComponents: l.components}
	}
	if l.descriptor != nil {
		l.descriptor(&d)
		m.blobs[d.Digest] = blob
	}
	diffID := oci.DiffID(sum(l.tar))
	if l.diffID != nil {
		diffID = l.diffID(diffID)
	}
	return d, diffID
}

func compress(t testing.TB, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(data)
	ok(t, errors.Join(err, w.Close()))
	return out.Bytes()
}

func marshal(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	ok(t, err)
	return data
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// content is one content object in memory.
type content struct {
	sum    object.Checksum
	header object.FileHeader
	body   []byte
}

// tree is a commit taken apart.
type tree struct {
	commit   object.Checksum
	metadata []object.Name // in the order of a commit layer, the commit first
	data     map[object.Name][]byte
	contents []content
}

// takeApart reads a commit from a repository.
func takeApart(t testing.TB, r *ostreerepo.Repo, c object.Checksum) *tree {
	t.Helper()
	x := &tree{commit: c, data: map[object.Name][]byte{}}
	x.add(t, r, object.Name{Checksum: c, Type: object.TypeCommit})
	commit, err := r.Commit(c)
	ok(t, err)
	seen := map[object.Checksum]bool{}
	for e, err := range r.Walk(commit.Tree, commit.Meta) {
		ok(t, err)
		if e.Dir {
			x.add(t, r, object.Name{Checksum: e.Meta, Type: object.TypeDirMeta})
			x.add(t, r, object.Name{Checksum: e.Checksum, Type: object.TypeDirTree})
		} else if !seen[e.Checksum] {
			seen[e.Checksum] = true
			x.contents = append(x.contents, readContent(t, r, e.Checksum))
		}
	}
	return x
}

func (x *tree) add(t testing.TB, r *ostreerepo.Repo, n object.Name) {
	t.Helper()
	if _, dup := x.data[n]; dup {
		return
	}
	data, err := r.Metadata(n)
	ok(t, err)
	x.metadata = append(x.metadata, n)
	x.data[n] = data
}

// signed is the tree with detached metadata.
func (x *tree) signed(value string) *tree {
	y := *x
	n := object.Name{Checksum: x.commit, Type: object.TypeCommitMeta}
	y.metadata = slices.Insert(slices.Clone(x.metadata), 1, n)
	y.data = maps.Clone(x.data)
	y.data[n] = detached(value).Bytes()
	return &y
}

func readContent(t testing.TB, r *ostreerepo.Repo, c object.Checksum) content {
	t.Helper()
	f, err := r.OpenFile(c)
	ok(t, err)
	defer f.Close()
	body, err := io.ReadAll(f)
	ok(t, err)
	return content{c, f.Header, body}
}

// layers writes the tree as a commit layer and n chunks, among which the content
// is dealt out. Without chunks the commit layer has it all.
func (x *tree) layers(t testing.TB, n int) []layer {
	t.Helper()
	layers := []layer{{tar: x.layer(t, func(w *ostreetar.Writer) {
		x.writeMetadata(t, w)
		if n == 0 {
			writeContents(t, w, x.contents)
		}
	})}}
	for i := range n {
		var part []content
		for j := i; j < len(x.contents); j += n {
			part = append(part, x.contents[j])
		}
		layers = append(layers, layer{
			tar:        x.layer(t, func(w *ostreetar.Writer) { writeContents(t, w, part) }),
			components: fmt.Sprintf("a%d,b%d", i, i),
		})
	}
	return layers
}

func (x *tree) layer(t testing.TB, fill func(*ostreetar.Writer)) []byte {
	t.Helper()
	var out bytes.Buffer
	w := ostreetar.NewWriter(&out)
	ok(t, w.Structure())
	fill(w)
	ok(t, w.Close())
	return out.Bytes()
}

func (x *tree) writeMetadata(t testing.TB, w *ostreetar.Writer) {
	t.Helper()
	for _, n := range x.metadata {
		ok(t, w.Metadata(n, x.data[n]))
	}
}

func writeContents(t testing.TB, w *ostreetar.Writer, list []content) {
	t.Helper()
	for _, c := range list {
		ok(t, w.Content(c.sum, c.header, int64(len(c.body)), bytes.NewReader(c.body)))
		ok(t, w.Link("usr/"+c.sum.String()))
	}
}
