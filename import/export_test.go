package importer_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"os/exec"
	"slices"
	"testing"

	kgzip "github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"
	importer "github.com/treenail/treenail/import"
	"github.com/treenail/treenail/oci"
	"github.com/treenail/treenail/ostreerepo"
)

// recompressed is a layer as another program compresses it.
func recompressed(t testing.TB, l layer, mediaType string, open func(io.Writer) (io.WriteCloser, error)) layer {
	t.Helper()
	var out bytes.Buffer
	w, err := open(&out)
	ok(t, err)
	_, err = w.Write(l.tar)
	ok(t, err)
	ok(t, w.Close())
	l.mediaType, l.blob = mediaType, func([]byte) []byte { return out.Bytes() }
	return l
}

// by is a program that compresses its input. What it writes to is given all at Close.
func by(name string, args ...string) func(io.Writer) (io.WriteCloser, error) {
	return func(w io.Writer) (io.WriteCloser, error) {
		cmd := exec.Command(name, args...)
		cmd.Stdout = w
		in, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		return program{in, cmd}, err
	}
}

type program struct {
	io.WriteCloser
	cmd *exec.Cmd
}

func (p program) Close() error { return errors.Join(p.WriteCloser.Close(), p.cmd.Wait()) }

// Images come out as they went in, whoever compressed their layers.
func TestExport(t *testing.T) {
	src := source(t, false)
	base := src.tree.signed("x").layers(t, 3)
	derived := fsLayer(t, "usr/", "usr/a=one", "usr/a=another", "run/", "run/lost=gone", "etc/", "etc/x=y", "usr/empty=", "usr/b=>usr/a", "opt/", "opt/dropped=1")
	derived.tar = append(derived.tar, make([]byte, 7000)...)
	for name, open := range map[string]func(io.Writer) (io.WriteCloser, error){
		"Go":          func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriter(w), nil },
		"Go 9":        func(w io.Writer) (io.WriteCloser, error) { return gzip.NewWriterLevel(w, 9) },
		"klauspost 1": func(w io.Writer) (io.WriteCloser, error) { return kgzip.NewWriterLevel(w, 1) },
		"pgzip":       func(w io.Writer) (io.WriteCloser, error) { return pgzip.NewWriterLevel(w, -1) },
		"ours":        func(w io.Writer) (io.WriteCloser, error) { return oci.NewLayerWriter(w, oci.Compression{}), nil },
		"zstd":        func(w io.Writer) (io.WriteCloser, error) { return zstd.NewWriter(w) },
		"gzip":        by("gzip", "-n"),
		"gzip -1":     by("gzip", "-1"), // with a time in the header
		"pigz":        by("pigz", "-p2"),
		"zlib 6":      by("python3", "-c", "import sys,zlib; c=zlib.compressobj(6,8,31); d=sys.stdin.buffer.read(); sys.stdout.buffer.write(c.compress(d)+c.flush())"),
		"zlib 9":      by("python3", "-c", "import sys,gzip; sys.stdout.buffer.write(gzip.compress(sys.stdin.buffer.read()))"),
		"none":        nil,
	} {
		t.Run(name, func(t *testing.T) {
			img := &image{commit: src.commit, final: 1}
			for _, l := range append(slices.Clone(base), derived) {
				switch name {
				case "none":
					l.mediaType = oci.MediaTypeLayer
				case "zstd":
					l = recompressed(t, l, oci.MediaTypeLayerZstd, open)
				default:
					l = recompressed(t, l, oci.MediaTypeLayerGzip, open)
				}
				img.layers = append(img.layers, l)
			}
			for _, mode := range []string{"archive", "bare-user"} {
				comesBack(t, mode, img, importer.PullOptions{})
			}
		})
	}
}

func export(t testing.TB, r *ostreerepo.Repo, to *memory) error {
	t.Helper()
	s, err := importer.Find(r, somewhere)
	ok(t, err)
	byDigest, err := importer.FindDigest(r, s.Digest)
	ok(t, err)
	_, err = importer.Export(context.Background(), r, byDigest, to, nil)
	return err
}

// comesBack pulls an image, exports it, and compares every byte.
func comesBack(t *testing.T, mode string, img *image, o importer.PullOptions) {
	t.Helper()
	r, from, to := newRepo(t, mode), img.source(t), newMemory()
	_, err := importer.Pull(context.Background(), from, r, somewhere, o)
	ok(t, err)
	ostree(t, r.Path(), "prune", "--refs-only")
	ok(t, export(t, r, to))
	if !bytes.Equal(to.manifest, from.manifest) {
		t.Errorf("manifest %s, want %s", to.manifest, from.manifest)
	}
	for d, blob := range from.blobs {
		if !bytes.Equal(to.blobs[d], blob) {
			t.Errorf("blob %s is not there, or another", d)
		}
	}
}

// flushing ends a block with each Write, as no program does.
type flushing struct{ *gzip.Writer }

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.Writer.Write(p[:len(p)/2])
	if err == nil {
		err = f.Flush()
	}
	if err != nil {
		return n, err
	}
	m, err := f.Writer.Write(p[n:])
	return n + m, err
}

func TestExportUnknownCompressor(t *testing.T) {
	l := recompressed(t, fsLayer(t, "usr/", "usr/a=1"), oci.MediaTypeLayerGzip, func(w io.Writer) (io.WriteCloser, error) {
		return flushing{gzip.NewWriter(w)}, nil
	})
	img := &image{plain: true, layers: []layer{l}}
	r := newRepo(t, "archive")
	result, err := importer.Pull(context.Background(), img.source(t), r, somewhere, importer.PullOptions{})
	ok(t, err)
	if len(result.Unrecognized) != 1 {
		t.Errorf("unrecognized %v", result.Unrecognized)
	}
	sink := newMemory()
	err = export(t, r, sink)
	if unknown := (*importer.UnknownCompressorError)(nil); !errors.As(err, &unknown) || sink.manifest != nil {
		t.Errorf("error %v", err)
	}
	comesBack(t, "archive", img, importer.PullOptions{KeepBlobs: true})
}

// Without what is recorded, because another program pulled the image, there is no
// exact image.
func TestExportNotRecorded(t *testing.T) {
	img := &image{plain: true, layers: []layer{fsLayer(t, "usr/", "usr/a=1")}}
	r := newRepo(t, "archive")
	_, err := importer.Pull(context.Background(), img.source(t), r, somewhere, importer.PullOptions{})
	ok(t, err)
	ostree(t, r.Path(), "refs", "--delete", "treenail")
	if err := export(t, r, newMemory()); !errors.Is(err, importer.ErrNotExact) {
		t.Errorf("error %v", err)
	}
}
