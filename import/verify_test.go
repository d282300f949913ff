package importer_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/ostreetar"
	importer "github.com/treenail/treenail/import"
	"github.com/treenail/treenail/oci"
)

// turncoat shows another layer to who looks first.
type turncoat struct {
	*memory
	first []byte
}

func (s *turncoat) Blob(ctx context.Context, d oci.Descriptor) (io.ReadCloser, error) {
	if d.MediaType == oci.MediaTypeLayerGzip && s.first != nil {
		defer func() { s.first = nil }()
		return io.NopCloser(bytes.NewReader(s.first)), nil
	}
	return s.memory.Blob(ctx, d)
}

// The commit that was verified is the one that is imported, or none is.
func TestVerifiedCommitIsImported(t *testing.T) {
	good, bad := small(), source(t, false).tree
	goodLayer, badLayer := good.layers(t, 0)[0], bad.layers(t, 0)[0]
	image := func() *memory { // without a label that would give it away
		img := &image{plain: true, layers: []layer{badLayer}, labels: map[string]string{ostreetar.LabelFinalDiffID: sum(badLayer.tar)}}
		return img.source(t)
	}
	verify := func(c object.Checksum, commit []byte, _ gvariant.Value) error {
		if c != good.commit || object.Sum(commit) != c {
			return errors.New("not trusted")
		}
		return nil
	}
	r := newRepo(t, "archive")
	for _, c := range []struct {
		src  func() oci.Source
		want string
	}{
		{func() oci.Source { return image() }, "not trusted"},
		{func() oci.Source { return &turncoat{image(), compress(t, goodLayer.tar)} }, "but label ostree.commit promises " + good.commit.String()},
	} {
		_, err := importer.Import(context.Background(), c.src(), r, importer.Options{Ref: "main", Verify: verify})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("import: want %q, got %v", c.want, err)
		}
		_, err = importer.Pull(context.Background(), c.src(), r, somewhere, importer.PullOptions{Verify: verify})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("pull: want %q, got %v", c.want, err)
		}
	}
	refs, err := r.Refs()
	ok(t, err)
	if len(refs) != 0 {
		t.Errorf("refs are %v", refs)
	}
}
