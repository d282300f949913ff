package importer

import (
	"context"
	"fmt"
	"io"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/ostreetar"
	"github.com/treenail/treenail/oci"
)

// Verify decides about a commit by its bytes and its detached metadata, which has the
// signatures and is the zero Value if there is none.
type Verify func(c object.Checksum, commit []byte, detached gvariant.Value) error

// verify has the commit of an image verified, and holds the plan to it: layers that
// have another commit are an error from then on. It reads no more than the beginning
// of the first layer, and writes nothing.
//
// A signature covers the commit. So an image that has layers beyond that is refused.
func (p *Plan) verify(ctx context.Context, src oci.Source, verify Verify) error {
	if verify == nil {
		return nil
	}
	if _, err := p.encapsulated(); err != nil {
		return fmt.Errorf("cannot verify the image by its commit: %w", err)
	}
	err := withLayer(ctx, src, p.CommitLayer, func(r *ostreetar.Reader) error {
		commit, err := firstCommit(r, p.Commit)
		if err != nil {
			return err
		}
		if err := object.VerifyMetadata(commit.Name, commit.Data); err != nil {
			return err
		}
		detached, err := detachedOf(r, commit.Name.Checksum)
		if err != nil {
			return err
		}
		p.Commit = commit.Name.Checksum
		return verify(p.Commit, commit.Data, detached)
	})
	if err != nil {
		return fmt.Errorf("%s: %w", p.CommitLayer, err)
	}
	return nil
}

// detachedOf reads the detached metadata that follows a commit, if there is some.
func detachedOf(r *ostreetar.Reader, c object.Checksum) (gvariant.Value, error) {
	item, err := r.Next()
	switch {
	case err == io.EOF:
		return gvariant.Value{}, nil
	case err != nil || item.Name.Type != object.TypeCommitMeta:
		return gvariant.Value{}, err
	case item.Name.Checksum != c:
		return gvariant.Value{}, fmt.Errorf("%s is not of commit %s", item.Name, c)
	}
	if err := object.VerifyMetadata(item.Name, item.Data); err != nil {
		return gvariant.Value{}, err
	}
	return gvariant.FromBytes("a{sv}", item.Data), nil
}
