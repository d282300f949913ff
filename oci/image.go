package oci

import (
	"context"
	"fmt"
	"io"
)

// An Image is a manifest and a config as they were found, raw and parsed. Its
// digest is that of the raw manifest.
type Image struct {
	Digest      Digest
	RawManifest []byte
	RawConfig   []byte
	Manifest    *Manifest
	Config      *Config
}

// ReadImage reads manifest and config of the image in src. If src has an index,
// the image for p is taken from it; a single image is not compared with p. The
// digests of the chosen manifest and of the config are verified, and that the
// config has one diffID for each layer.
func ReadImage(ctx context.Context, src Source, p Platform) (*Image, error) {
	image, err := readImage(ctx, src, p)
	return image, named(src, err)
}

func readImage(ctx context.Context, src Source, p Platform) (*Image, error) {
	raw, err := readManifest(ctx, src, p.orHost())
	if err != nil {
		return nil, err
	}
	image := &Image{Digest: Sum(raw), RawManifest: raw}
	if image.Manifest, err = ParseManifest(raw); err != nil {
		return nil, err
	}
	config := image.Manifest.Config
	if t := config.MediaType; t != MediaTypeConfig && t != MediaTypeDockerConfig {
		return nil, fmt.Errorf("manifest %s: not a container image: config has type %s", image.Digest, t)
	}
	if image.RawConfig, err = readBlob(ctx, src, config); err != nil {
		return nil, err
	}
	if image.Config, err = ParseConfig(image.RawConfig); err != nil {
		return nil, err
	}
	if n, m := len(image.Manifest.Layers), len(image.Config.RootFS.DiffIDs); n != m {
		return nil, fmt.Errorf("manifest %s: %d layers, but the config has %d diffIDs", image.Digest, n, m)
	}
	return image, nil
}

// readManifest returns the source's manifest, or the one its index has for p.
func readManifest(ctx context.Context, src Source, p Platform) ([]byte, error) {
	raw, mediaType, err := src.Manifest(ctx)
	if err != nil {
		return nil, err
	}
	isIndex, err := documentKind(raw)
	if err != nil {
		return nil, fmt.Errorf("manifest: %w", err)
	}
	if d := (Descriptor{MediaType: mediaType}); d.IsManifest() {
		if err := checkMediaType(mediaType, isIndex); err != nil {
			return nil, fmt.Errorf("manifest: %w", err)
		}
	}
	if !isIndex {
		return raw, nil
	}
	manifests, err := parseIndex(raw)
	if err != nil {
		return nil, err
	}
	d, err := choosePlatform(manifests, p)
	if err != nil {
		return nil, err
	}
	return readBlob(ctx, src, d)
}

// readBlob reads a whole document and verifies it.
func readBlob(ctx context.Context, src Source, d Descriptor) ([]byte, error) {
	if d.Size > MaxDocumentSize {
		return nil, fmt.Errorf("blob %s: %d bytes are more than the limit of %d for a document", d.Digest, d.Size, MaxDocumentSize)
	}
	body, err := src.Blob(ctx, d)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(newBlobReader(body, d))
}
