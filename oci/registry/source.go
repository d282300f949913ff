package registry

import (
	"context"

	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/oci/internal/containers"
)

// A Source reads one image of a registry.
type Source struct {
	*containers.Source
	pinned oci.Digest
}

// OpenSource opens the image called name, which is HOST[:PORT]/NAME with a :TAG
// (if missing, "latest") or an @DIGEST. The manifest is fetched, so a missing
// image or a refused login is an error here.
func OpenSource(ctx context.Context, name string, o Options) (*Source, error) {
	ref, pinned, err := parse(name)
	if err != nil {
		return nil, err
	}
	sys, err := o.system()
	if err != nil {
		return nil, err
	}
	src, err := containers.OpenSource(ctx, ref, sys)
	if err != nil {
		return nil, err
	}
	return &Source{src, pinned}, nil
}

// Manifest returns the manifest or index of the tag, and the type the registry
// says it has. If the name has a digest, it has been verified.
func (s *Source) Manifest(ctx context.Context) ([]byte, string, error) {
	raw, mediaType, err := s.Source.Manifest(ctx)
	if err != nil {
		return nil, "", err
	}
	return raw, mediaType, checkPinned(raw, s.pinned)
}
