package oci

import (
	"context"
	"fmt"
	"io"
)

// A Source gives access to one image, or to one index of images, wherever it is
// kept. Its methods may be called from several goroutines at once.
//
// What it returns is raw: only a digest in the reference the source was opened
// with has been checked. [ReadImage] and [OpenLayer] verify everything else, and
// if the source is a [fmt.Stringer] they put its name before their errors.
type Source interface {
	// Manifest returns the bytes of the image's manifest or index, and the media
	// type under which they were found ("" when the medium does not say).
	Manifest(ctx context.Context) (raw []byte, mediaType string, err error)

	// Blob opens a blob the image refers to. A manifest listed by an index is
	// asked for in the same way; its descriptor's media type tells. Cancelling
	// ctx also ends reads of the returned reader, which the caller must close.
	Blob(ctx context.Context, d Descriptor) (io.ReadCloser, error)

	// Layer returns what to ask Blob for in order to read layer d, the tar of which
	// has the digest diffID: d itself or, in a medium that unpacks layers, the tar.
	// Its size is -1 where the medium does not know it.
	Layer(ctx context.Context, d Descriptor, diffID DiffID) (Descriptor, error)

	// Close releases what the source holds. Readers of blobs must be closed
	// before.
	Close() error
}

// A Sink receives one image. Blobs are invisible to others as part of an image
// until PutManifest returns nil; a Sink closed before that leaves no image.
type Sink interface {
	// PutBlob stores everything r yields and returns its digest and size in a
	// descriptor of the given media type. It may be called from several
	// goroutines at once. It streams: memory does not depend on the size. If r
	// returns an error, so does PutBlob, and nothing of that blob stays. After an
	// error r may not have been read to its end, so whoever feeds it through a
	// pipe must close the pipe's reading side.
	//
	// A manifest that an index will list is put in the same way, after its blobs.
	PutBlob(ctx context.Context, mediaType string, r io.Reader) (Descriptor, error)

	// PutManifest stores the manifest or index, after all that it names, and makes
	// the image visible under the sink's reference. A nil error promises that
	// the medium has the whole image; on disk, that it is synced. The digest is
	// the manifest's, which is not that of raw in a medium that has a form of its
	// own for manifests.
	PutManifest(ctx context.Context, raw []byte, mediaType string) (Digest, error)

	// Close releases what the sink holds, and removes what a missing PutManifest
	// left over where the medium allows it.
	Close() error
}

// A Keeper is a [Sink] that can say which blobs it has. All sinks of this module
// are.
type Keeper interface {
	// HasBlob reports whether a manifest may name the blob without PutBlob. The
	// answer holds until the sink is closed.
	HasBlob(ctx context.Context, d Descriptor) (bool, error)
}

// HasBlob asks a sink that is a [Keeper] for a blob. Others have none.
func HasBlob(ctx context.Context, sink Sink, d Descriptor) (bool, error) {
	if k, ok := sink.(Keeper); ok {
		return k.HasBlob(ctx, d)
	}
	return false, nil
}

// named puts the name of a source that has one before an error.
func named(src Source, err error) error {
	if s, ok := src.(fmt.Stringer); ok && err != nil && err != io.EOF {
		return fmt.Errorf("%s: %w", s, err)
	}
	return err
}
