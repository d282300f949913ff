package oci

import (
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
)

// A blobReader passes on a blob and verifies it: where the blob ends it returns
// io.EOF only if digest and size are those of the descriptor, else a
// *DigestError. A negative size is not known. Its first error stays.
type blobReader struct {
	body io.Reader
	desc Descriptor
	hash hash.Hash
	n    int64
	err  error
}

// VerifyReader returns a reader of body that ends with a *[DigestError] instead of
// io.EOF if what it read is not what d describes.
func VerifyReader(body io.Reader, d Descriptor) io.Reader { return newBlobReader(body, d) }

func newBlobReader(body io.Reader, d Descriptor) *blobReader {
	return &blobReader{body: body, desc: d, hash: sha256.New()}
}

func (b *blobReader) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.body.Read(p)
	b.n += int64(n)
	b.hash.Write(p[:n])
	switch {
	case b.desc.Size >= 0 && b.n > b.desc.Size:
		b.err = b.mismatch("size", fmt.Sprint(b.desc.Size), "more")
		n = 0
	case err == io.EOF:
		b.err = b.verify()
	case err != nil:
		b.err = err
	}
	return n, b.err
}

func (b *blobReader) verify() error {
	if b.desc.Size >= 0 && b.n != b.desc.Size {
		return b.mismatch("size", fmt.Sprint(b.desc.Size), fmt.Sprint(b.n))
	}
	if got := sumOf(b.hash); got != string(b.desc.Digest) {
		return b.mismatch("digest", string(b.desc.Digest), got)
	}
	return io.EOF
}

func (b *blobReader) mismatch(what, want, got string) error {
	return &DigestError{Blob: b.desc.Digest, What: what, Want: want, Got: got}
}
