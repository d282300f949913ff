package encapsulate

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/ostreetar"
	"github.com/treenail/treenail/oci"
	"golang.org/x/sync/errgroup"
)

// ReplaceDetached writes the encapsulated image in src to sink with other detached
// metadata, the bytes of an a{sv}, of its commit; nil for none. Only the first layer,
// config and manifest become others.
func ReplaceDetached(ctx context.Context, src oci.Source, p oci.Platform, sink oci.Sink, metadata []byte) (oci.Digest, error) {
	if metadata != nil && gvariant.FromBytes("a{sv}", metadata).CheckNormal() != nil {
		return "", errors.New("detached metadata: not an a{sv} in normal form")
	}
	img, err := oci.ReadImage(ctx, src, p)
	if err != nil {
		return "", err
	}
	digest, err := replaceDetached(ctx, src, img, sink, metadata)
	if err != nil {
		return "", fmt.Errorf("image %s: %w", img.Digest, err)
	}
	return digest, nil
}

func replaceDetached(ctx context.Context, src oci.Source, img *oci.Image, sink oci.Sink, metadata []byte) (oci.Digest, error) {
	layers := img.Manifest.Layers
	if img.Config.Config.Labels[ostreetar.LabelFinalDiffID] == "" || len(layers) == 0 {
		return "", fmt.Errorf("no label %s: no commit is in the image", ostreetar.LabelFinalDiffID)
	}
	g, copying := errgroup.WithContext(ctx)
	g.SetLimit(3)
	for _, l := range layers[1:] {
		g.Go(func() error { return copyBlob(copying, src, sink, l) })
	}
	diffIDs := slices.Clone(img.Config.RootFS.DiffIDs)
	g.Go(func() (err error) {
		layers[0], diffIDs[0], err = putReplaced(copying, src, img, sink, metadata)
		return err
	})
	if err := g.Wait(); err != nil {
		return "", err
	}
	return putEdited(ctx, sink, img, diffIDs)
}

// copyBlob copies a blob as it is.
func copyBlob(ctx context.Context, src oci.Source, sink oci.Sink, d oci.Descriptor) error {
	body, err := src.Blob(ctx, d)
	if err != nil {
		return err
	}
	defer body.Close()
	got, err := sink.PutBlob(ctx, d.MediaType, body)
	if err == nil && got.Digest != d.Digest {
		err = &oci.DigestError{Blob: d.Digest, What: "digest", Want: string(d.Digest), Got: string(got.Digest)}
	}
	return err
}

// putReplaced writes the first layer with other metadata, compressed with gzip.
func putReplaced(ctx context.Context, src oci.Source, img *oci.Image, sink oci.Sink, metadata []byte) (d oci.Descriptor, diffID oci.DiffID, err error) {
	old := img.Manifest.Layers[0]
	in, err := oci.OpenLayer(ctx, src, old, img.Config.RootFS.DiffIDs[0])
	if err != nil {
		return d, "", err
	}
	defer in.Close()
	d, diffID, err = putTar(ctx, sink, gzipOf(img), 0, func(w io.Writer) error { return ostreetar.ReplaceDetached(w, in, metadata) })
	if err != nil {
		return d, "", fmt.Errorf("layer 0 (%s): %w", old.Digest, err)
	}
	d.Annotations = old.Annotations
	return d, diffID, nil
}

// gzipOf is the type of a layer in an image when it is compressed with gzip.
func gzipOf(img *oci.Image) string {
	if img.Manifest.MediaType == oci.MediaTypeDockerManifest {
		return oci.MediaTypeDockerLayerGzip
	}
	return oci.MediaTypeLayerGzip
}

// gzipLevel is gzip of a level, 0 for the default.
func gzipLevel(level int) oci.Compression { return oci.Compression{Format: oci.Gzip, Level: level} }

// putTar streams the tar that write makes into sink, compressed.
func putTar(ctx context.Context, sink oci.Sink, mediaType string, level int, write func(io.Writer) error) (oci.Descriptor, oci.DiffID, error) {
	blob, w := io.Pipe()
	zip := oci.NewLayerWriter(w, gzipLevel(level))
	written := make(chan error, 1)
	go func() {
		err := write(zip)
		if err != nil {
			w.CloseWithError(err) // before the stream could look complete
		}
		err = cmp.Or(err, zip.Close())
		w.CloseWithError(err)
		written <- err
	}()
	d, err := sink.PutBlob(ctx, mediaType, blob)
	blob.CloseWithError(cmp.Or(err, errStopped))
	if err := cmp.Or(<-written, err); err != nil {
		return d, "", err
	}
	return d, zip.DiffID(), nil
}

// putEdited writes config and manifest of an image whose layers have the given diffIDs
// now. The manifest has their descriptors already.
func putEdited(ctx context.Context, sink oci.Sink, img *oci.Image, diffIDs []oci.DiffID) (oci.Digest, error) {
	old := img.Config.RootFS.DiffIDs
	img.Config.RootFS.DiffIDs = diffIDs
	for _, labels := range []map[string]string{img.Config.Config.Labels, img.Manifest.Annotations} {
		if i := slices.Index(old, oci.DiffID(labels[ostreetar.LabelFinalDiffID])); i >= 0 {
			labels[ostreetar.LabelFinalDiffID] = string(diffIDs[i])
		}
	}
	raw, err := oci.CanonicalJSON(img.Config)
	if err != nil {
		return "", fmt.Errorf("config: %w", err)
	}
	m := img.Manifest
	if m.Config, err = sink.PutBlob(ctx, m.Config.MediaType, bytes.NewReader(raw)); err != nil {
		return "", fmt.Errorf("config: %w", err)
	}
	members := map[string]any{}
	var kept map[string]json.RawMessage
	if err := json.Unmarshal(img.RawManifest, &kept); err != nil {
		return "", fmt.Errorf("manifest: %w", err)
	}
	for key, value := range kept {
		members[key] = value
	}
	members["config"], members["layers"] = m.Config, m.Layers
	if m.Annotations != nil {
		members["annotations"] = m.Annotations
	}
	if raw, err = oci.CanonicalJSON(members); err != nil {
		return "", fmt.Errorf("manifest: %w", err)
	}
	return sink.PutManifest(ctx, raw, cmp.Or(m.MediaType, oci.MediaTypeManifest))
}
