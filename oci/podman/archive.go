package podman

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/opencontainers/go-digest"
	"go.podman.io/image/v5/docker/archive"
	"go.podman.io/image/v5/docker/reference"
	"go.podman.io/image/v5/manifest"
	"go.podman.io/image/v5/pkg/blobinfocache/none"
	"go.podman.io/image/v5/types"

	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/oci/internal/blobdir"
	"github.com/treenail/treenail/oci/internal/containers"
)

// OpenArchiveSource opens an image in the archive at path, as "docker save" writes it:
// the one called tag, NAME[:TAG], or @N for the N-th from 0; the only one if tag is
// empty. The archive has no manifest of its own; one that lists the tars of the layers
// stands for it.
func OpenArchiveSource(ctx context.Context, path, tag string) (*containers.Source, error) {
	name := path
	if tag != "" {
		name += ":" + tag
	}
	ref, err := archive.ParseReference(name)
	if err != nil {
		return nil, err
	}
	return containers.OpenSource(ctx, ref, nil)
}

// An ArchiveSink writes one image into a new archive.
//
// Blobs are staged, layers unpacked, in a hidden directory beside the archive.
// PutManifest writes the archive there too and then renames it over what was at its
// path. A process killed before leaves the hidden directory and the old archive.
type ArchiveSink struct {
	path  string
	name  reference.NamedTagged // nil: none
	stage *blobdir.Dir

	mu   sync.Mutex
	tars map[oci.Digest]layer // by the digest of the layer as it was put
}

// layer is a layer that was put, and its tar.
type layer struct {
	size int64
	tar  oci.Descriptor
}

// OpenArchiveSink prepares to write an image to an archive at path, under the name
// NAME[:TAG] if tag is not empty. An archive that is there already is replaced,
// whatever images it holds.
func OpenArchiveSink(path, tag string) (*ArchiveSink, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: is not a regular file", path)
	}
	s := &ArchiveSink{path: path, tars: make(map[oci.Digest]layer)}
	if tag != "" {
		named, err := reference.ParseNormalizedNamed(tag)
		if err != nil {
			return nil, fmt.Errorf("name %q: %w", tag, err)
		}
		var ok bool
		if s.name, ok = reference.TagNameOnly(named).(reference.NamedTagged); !ok {
			return nil, fmt.Errorf("name %q: has a digest", tag)
		}
	}
	var err error
	s.stage, err = blobdir.New(filepath.Dir(path), filepath.Base(path))
	return s, err
}

// PutBlob stages a blob; of a layer it stages the tar.
func (s *ArchiveSink) PutBlob(ctx context.Context, mediaType string, r io.Reader) (oci.Descriptor, error) {
	if mediaType == oci.MediaTypeConfig || mediaType == oci.MediaTypeDockerConfig {
		return s.stage.Put(ctx, mediaType, r)
	}
	sum := sha256.New()
	whole := &countingReader{r: io.TeeReader(r, sum)}
	tar, err := oci.Decompress(whole)
	if err != nil {
		return oci.Descriptor{}, fmt.Errorf("put blob: %w", err)
	}
	defer tar.Close()
	staged, err := s.stage.Put(ctx, oci.MediaTypeLayer, tar)
	if err != nil {
		return oci.Descriptor{}, err
	}
	if _, err := io.Copy(io.Discard, whole); err != nil {
		return oci.Descriptor{}, fmt.Errorf("put blob: %w", err)
	}
	d := oci.Descriptor{MediaType: mediaType, Digest: oci.Digest(fmt.Sprintf("sha256:%x", sum.Sum(nil))), Size: whole.n}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tars[d.Digest] = layer{d.Size, staged}
	return d, nil
}

type countingReader struct {
	r io.Reader
	n int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// PutManifest writes the archive; a sink can do so once. The digest is that of the
// manifest that stands for the image in the archive.
func (s *ArchiveSink) PutManifest(ctx context.Context, raw []byte, mediaType string) (oci.Digest, error) {
	m, err := oci.ParseManifest(raw)
	if err != nil {
		return "", err
	}
	size, ok := s.stage.Size(m.Config.Digest)
	if !ok || size != m.Config.Size {
		return "", missing(m.Config)
	}
	config := manifest.Schema2Descriptor{
		MediaType: manifest.DockerV2Schema2ConfigMediaType, Digest: digest.Digest(m.Config.Digest), Size: size,
	}
	var layers []manifest.Schema2Descriptor
	for _, d := range m.Layers {
		l, ok := s.tars[d.Digest]
		if !ok || l.size != d.Size {
			return "", missing(d)
		}
		layers = append(layers, manifest.Schema2Descriptor{
			// The type that readers of the archive give to all layers.
			MediaType: manifest.DockerV2Schema2LayerMediaType, Digest: digest.Digest(l.tar.Digest), Size: l.tar.Size,
		})
	}
	converted, err := manifest.Schema2FromComponents(config, layers).Serialize()
	if err != nil {
		return "", err
	}
	temp := filepath.Join(s.stage.Path(), "archive.tar")
	if err := s.write(ctx, temp, converted, config, layers); err != nil {
		return "", fmt.Errorf("write archive: %w", err)
	}
	if err := os.Rename(temp, s.path); err != nil {
		return "", err
	}
	return oci.Sum(converted), syncPath(filepath.Dir(s.path))
}

func missing(d oci.Descriptor) error {
	return fmt.Errorf("manifest names a blob that was not put: %s of %d bytes", d.Digest, d.Size)
}

// write writes the archive to path.
func (s *ArchiveSink) write(ctx context.Context, path string, raw []byte, config manifest.Schema2Descriptor, layers []manifest.Schema2Descriptor) (err error) {
	containers.SilenceLogger()
	ref, err := archive.NewReference(path, s.name)
	if err != nil {
		return err
	}
	to, err := ref.NewImageDestination(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	for _, d := range layers {
		if err := s.add(ctx, to, d, false); err != nil {
			return err
		}
	}
	if err := s.add(ctx, to, config, true); err != nil {
		return err
	}
	if err := to.PutManifest(ctx, raw, nil); err != nil {
		return err
	}
	if err := to.Commit(ctx, nil); err != nil {
		return err
	}
	return syncPath(path)
}

// add moves a staged blob into the archive, so that a whole image does not need space
// twice. The library passes over one that was added before.
func (s *ArchiveSink) add(ctx context.Context, to types.ImageDestination, d manifest.Schema2Descriptor, isConfig bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	path := s.stage.Blob(oci.Digest(d.Digest))
	var body io.Reader = bytes.NewReader(nil)
	f, err := os.Open(path)
	if err == nil {
		defer f.Close()
		body, err = f, os.Remove(path)
	} else if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	if err == nil {
		_, err = to.PutBlob(ctx, body, types.BlobInfo{Digest: d.Digest, Size: d.Size}, none.NoCache, isConfig)
	}
	return err
}

// syncPath syncs one file or directory.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// Close removes what was staged.
func (s *ArchiveSink) Close() error { return s.stage.Close() }
