package oci

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
)

// Merge writes an index of the images of sources to sink, with all that they need,
// and returns its digest and entries. A source may be an index itself. Of two
// images for one platform the later takes the place of the earlier.
//
// All blobs are verified on their way, and those that the sink has are not read.
func Merge(ctx context.Context, sink Sink, sources []Source) (Digest, []Descriptor, error) {
	var entries []Descriptor
	for _, src := range sources {
		list, err := instances(ctx, src)
		if err != nil {
			return "", nil, named(src, err)
		}
		for _, i := range list {
			if err := i.copy(ctx, src, sink); err != nil {
				return "", nil, named(src, err)
			}
			entries = enter(entries, i.entry)
		}
	}
	if len(entries) == 0 {
		return "", nil, errors.New("index: of no image")
	}
	raw, err := CanonicalJSON(struct {
		SchemaVersion int          `json:"schemaVersion"`
		MediaType     string       `json:"mediaType"`
		Manifests     []Descriptor `json:"manifests"`
	}{2, MediaTypeIndex, entries})
	if err != nil {
		return "", nil, err
	}
	digest, err := sink.PutManifest(ctx, raw, MediaTypeIndex)
	return digest, entries, err
}

// instance is one image of a source.
type instance struct {
	raw      []byte
	manifest *Manifest
	entry    Descriptor // in the index
}

func instances(ctx context.Context, src Source) ([]instance, error) {
	raw, mediaType, err := src.Manifest(ctx)
	if err != nil {
		return nil, err
	}
	manifests, isIndex, err := Parts(raw)
	if err != nil {
		return nil, err
	}
	if !isIndex {
		i, err := newInstance(ctx, src, raw, Descriptor{MediaType: mediaType})
		return []instance{i}, err
	}
	var list []instance
	for _, d := range manifests {
		if raw, err = readBlob(ctx, src, d); err != nil {
			return nil, err
		}
		i, err := newInstance(ctx, src, raw, d)
		if err != nil {
			return nil, err
		}
		list = append(list, i)
	}
	return list, nil
}

// newInstance describes an image, as its source does but for what that leaves out.
func newInstance(ctx context.Context, src Source, raw []byte, d Descriptor) (i instance, err error) {
	if i.manifest, err = ParseManifest(raw); err != nil {
		return i, err
	}
	if d.MediaType == "" {
		d.MediaType = MediaTypeManifest
	}
	if i.manifest.MediaType != "" {
		d.MediaType = i.manifest.MediaType
	}
	i.raw, i.entry = raw, d
	if d.Platform == nil {
		config, err := readBlob(ctx, src, i.manifest.Config)
		if err != nil {
			return i, err
		}
		i.entry = DescribeManifest(raw, d.MediaType, config)
	}
	i.entry.Annotations = nil // a tag of the layout it comes from, for instance
	return i, nil
}

// copy brings blobs and manifest to sink.
func (i *instance) copy(ctx context.Context, src Source, sink Sink) error {
	group, blobs := errgroup.WithContext(ctx)
	group.SetLimit(min(4, runtime.GOMAXPROCS(0)+1))
	copied := make(map[Digest]bool)
	for _, d := range i.manifest.Blobs() {
		if copied[d.Digest] {
			continue
		}
		copied[d.Digest] = true
		group.Go(func() error { return copyBlob(blobs, src, sink, d) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	_, err := sink.PutBlob(ctx, i.entry.MediaType, bytes.NewReader(i.raw))
	return err
}

func copyBlob(ctx context.Context, src Source, sink Sink, d Descriptor) error {
	// Who cannot say what is there can still take it.
	if has, err := HasBlob(ctx, sink, d); has && err == nil {
		return nil
	}
	body, err := src.Blob(ctx, d)
	if err != nil {
		return err
	}
	defer body.Close()
	put, err := sink.PutBlob(ctx, d.MediaType, VerifyReader(body, d))
	if err == nil && put.Digest != d.Digest {
		err = fmt.Errorf("blob %s: became %s", d.Digest, put.Digest)
	}
	return err
}

// enter adds an entry, in the place of one for the same platform. Entries for
// "unknown", which say something about other ones, are all kept.
func enter(entries []Descriptor, d Descriptor) []Descriptor {
	i := slices.IndexFunc(entries, func(e Descriptor) bool {
		return e.Digest == d.Digest || e.Platform != nil && d.Platform != nil && *e.Platform == *d.Platform && d.Platform.OS != "unknown"
	})
	if i < 0 {
		return append(entries, d)
	}
	entries[i] = d
	return entries
}
