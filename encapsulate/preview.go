package encapsulate

import (
	"context"
	"fmt"
	"io"
	"math"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
)

// Forecast describes the image that Encapsulate would write.
type Forecast struct {
	Layers         []LayerForecast
	PreviousUnused string // as in Result
}

// LayerForecast describes one layer of it.
type LayerForecast struct {
	Name         string
	Components   []string
	Objects      int   // files in it, each once
	Content      int64 // their size, in bytes
	Uncompressed int64 // size of the tar, in bytes
	DiffID       oci.DiffID

	// Size is that of the compressed layer, in bytes. Exact tells that it is
	// known: from the previous image or the cache, or because the layer is small
	// enough to compress all of it. Otherwise it is a guess made of a sample.
	Size  int64
	Exact bool

	// Known: who has the previous image has this layer.
	Known bool
}

// Preview makes the plan of Encapsulate and finds out what each layer costs,
// without writing anything. The layers are made, but only a part of each is
// compressed. Which of them a client of Options.Previous has is exact, as layers
// are compared by their diffIDs.
func Preview(ctx context.Context, r *ostreerepo.Repo, commit object.Checksum, o Options) (*Forecast, error) {
	f, err := preview(ctx, r, commit, o)
	if err != nil {
		return nil, fmt.Errorf("plan commit %s: %w", commit, err)
	}
	return f, nil
}

func preview(ctx context.Context, r *ostreerepo.Repo, sum object.Checksum, o Options) (*Forecast, error) {
	e, layers, err := prepare(ctx, r, sum, o)
	if err != nil {
		return nil, err
	}
	forecasts := make(map[*layer]*LayerForecast)
	for _, l := range layers {
		forecasts[l] = &LayerForecast{Name: l.Name, Components: l.Components, Objects: len(l.objects), Content: l.size}
	}
	err = e.each(layers, func(ctx context.Context, l *layer) error { return e.forecast(ctx, l, forecasts[l]) })
	if err != nil {
		return nil, err
	}
	f := &Forecast{PreviousUnused: e.unused}
	for _, l := range layers {
		f.Layers = append(f.Layers, *forecasts[l])
	}
	return f, nil
}

func (e *encapsulation) forecast(ctx context.Context, l *layer, f *LayerForecast) error {
	if e.options.Cache != nil {
		if made, ok := e.options.Cache.Layer(e.key(l)); ok {
			e.progress.add(l.size)
			f.DiffID, f.Uncompressed, f.Size, f.Exact = made.DiffID, made.Uncompressed, made.Descriptor.Size, true
		}
	}
	if f.DiffID == "" {
		s, err := newSample(e.options.Compression)
		if err != nil {
			return err
		}
		if err := e.writeTar(ctx, l, s); err != nil {
			s.Close()
			return err
		}
		if err := s.Close(); err != nil {
			return err
		}
		f.DiffID, f.Uncompressed, f.Size, f.Exact = s.all.DiffID(), s.all.Uncompressed(), s.size(), s.exact()
	}
	if p := e.options.Previous; p != nil {
		if size, ok := p.layers[f.DiffID]; ok {
			f.Size, f.Exact, f.Known = size, true, true
		}
	}
	return nil
}

// A sample compresses the beginning of a tar and pieces out of the rest.
type sample struct {
	all  *oci.LayerWriter // not compressed: diffID and size
	some *oci.LayerWriter
	at   int64

	format oci.Format // of the layer to come
}

const (
	samplePiece = 128 << 10
	sampleStep  = 8       // one piece of so many is taken
	sampleWhole = 2 << 20 // as long a tar is taken whole
)

func newSample(c oci.Compression) (*sample, error) {
	c, err := c.Complete()
	if err != nil {
		return nil, err
	}
	format := c.Format
	if format == oci.ZstdChunked {
		c.Format = oci.Zstd // pieces are no tar
	}
	return &sample{
		format: format,
		all:    oci.NewLayerWriter(io.Discard, oci.Compression{Format: oci.Uncompressed}),
		some:   oci.NewLayerWriter(io.Discard, c),
	}, nil
}

func (s *sample) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		part := rest[:min(int64(len(rest)), samplePiece-s.at%samplePiece)]
		if s.at < sampleWhole || s.at/samplePiece%sampleStep == 0 {
			if _, err := s.some.Write(part); err != nil {
				return 0, err
			}
		}
		s.at += int64(len(part))
		rest = rest[len(part):]
	}
	return s.all.Write(p)
}

func (s *sample) Close() error {
	err := s.some.Close()
	if all := s.all.Close(); err == nil {
		err = all
	}
	return err
}

// exact tells whether size is not a guess.
func (s *sample) exact() bool {
	return s.some.Uncompressed() == s.all.Uncompressed() && s.format != oci.ZstdChunked
}

// size is the expected size of the compressed tar.
func (s *sample) size() int64 {
	ratio := float64(s.some.Compressed()) / float64(max(1, s.some.Uncompressed()))
	return int64(math.Round(ratio * float64(s.all.Uncompressed())))
}
