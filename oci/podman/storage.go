// Package podman keeps container images where podman, buildah and Docker keep them on
// a machine: in podman's own storage, and in archives that "docker load" reads.
//
// A storage unpacks the layers. What is read of one again is their tars, with the
// diffIDs they had; the manifest is still the one that was stored.
package podman

import (
	"context"
	"errors"
	"fmt"
	"os"

	"go.podman.io/image/v5/storage"
	"go.podman.io/image/v5/types"
	"go.podman.io/storage/pkg/reexec"

	"github.com/treenail/treenail/oci/internal/containers"
)

// Helper does the work for which a storage starts the program again: it unpacks layers
// with another root directory. A program that writes to storages calls it before
// anything else, and ends when it returns true.
func Helper() bool { return reexec.Init() }

// OpenStorageSource opens an image in a storage. Its name has the form
//
//	[[[DRIVER@]ROOT[+RUNROOT][:OPTIONS]]][NAME[:TAG]][@DIGEST|@ID]
//
// where the first pair of brackets is written and the storage of podman is meant when
// it is not there.
func OpenStorageSource(ctx context.Context, name string) (*containers.Source, error) {
	ref, err := storageReference(name)
	if err != nil {
		return nil, err
	}
	return containers.OpenSource(ctx, ref, nil)
}

// OpenStorageSink prepares to write an image into a storage, under a name of the form
// that OpenStorageSource has.
func OpenStorageSink(ctx context.Context, name string) (*containers.Sink, error) {
	ref, err := storageReference(name)
	if err != nil {
		return nil, err
	}
	return containers.OpenSink(ctx, ref, nil)
}

func storageReference(name string) (types.ImageReference, error) {
	containers.SilenceLogger()
	ref, err := storage.Transport.ParseReference(name)
	if err != nil && os.Geteuid() != 0 && errors.Is(err, os.ErrPermission) {
		err = fmt.Errorf("%w (a user's storage is open to its user namespace only: run this by \"podman unshare\")", err)
	}
	return ref, err
}
