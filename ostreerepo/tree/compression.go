package tree

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/mikelolasagasti/xz"
)

// maxWindow bounds the memory that the header of a zstd or xz stream can ask
// for, in bytes. xz -9 asks for 64 MiB, zstd --long for 128.
const maxWindow = 128 << 20

// decompress recognises a compressed stream by its first bytes, as libarchive
// does, and returns what is in it; any other stream as it is.
func decompress(r io.Reader) (io.ReadCloser, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	head, err := in.Peek(tarMagicEnd)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("archive: %w", err)
	}
	for _, c := range compressions {
		if isTar(head) || !bytes.HasPrefix(head, []byte(c.magic)) { // a tar may begin with a file "BZh"
			continue
		}
		out, err := c.open(in)
		if err != nil {
			return nil, fmt.Errorf("archive: %s: %w", c.name, err)
		}
		return out, nil
	}
	return io.NopCloser(in), nil
}

var compressions = []struct {
	name, magic string
	open        func(io.Reader) (io.ReadCloser, error)
}{
	{"gzip", "\x1f\x8b", func(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }},
	{"zstd", "\x28\xb5\x2f\xfd", openZstd},
	{"bzip2", "BZh", func(r io.Reader) (io.ReadCloser, error) { return io.NopCloser(bzip2.NewReader(r)), nil }},
	{"xz", "\xfd7zXZ\x00", openXZ},
	{"lzip", "LZIP", unsupported},
	{"lz4", "\x04\x22\x4d\x18", unsupported},
	{"lzma", "\x5d\x00\x00", unsupported},
	{"compress", "\x1f\x9d", unsupported},
}

func openZstd(r io.Reader) (io.ReadCloser, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true), zstd.WithDecoderConcurrency(2))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}

func openXZ(r io.Reader) (io.ReadCloser, error) {
	z, err := xz.NewReader(r, maxWindow)
	if err != nil {
		return nil, err
	}
	return io.NopCloser(z), nil
}

func unsupported(io.Reader) (io.ReadCloser, error) {
	return nil, errors.New("unsupported compression")
}

// drain reads what follows an archive, so that checksums at the end of the
// compressed stream are seen. What a tape's padding looks like after the end of
// a gzip stream is no error.
func drain(r io.Reader) error {
	if _, err := io.Copy(io.Discard, r); err != nil && !errors.Is(err, gzip.ErrHeader) {
		return fmt.Errorf("archive: %w", err)
	}
	return nil
}

// openArchive tells cpio from tar by the first bytes.
func openArchive(r io.Reader) (archiveReader, error) {
	in := bufio.NewReaderSize(r, 64<<10)
	head, err := in.Peek(tarMagicEnd)
	if err != nil && err != io.EOF {
		return nil, fmt.Errorf("archive: %w", err)
	}
	if !isTar(head) && isCpio(head) {
		return newCpioReader(in), nil
	}
	return newTarReader(in), nil
}
