package oci

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
)

// A Digest names a blob by its content: "sha256:" and 64 lower-case hex digits
// (OCI image-spec, descriptor.md). Other algorithms are not supported.
type Digest string

// A DiffID names a layer by its uncompressed tar, in the form of a [Digest]
// (OCI image-spec, config.md).
type DiffID string

const algorithm = "sha256:"

// ParseDigest returns s as a Digest if it has that form.
func ParseDigest(s string) (Digest, error) {
	return Digest(s), checkDigest("digest", s)
}

// ParseDiffID returns s as a DiffID if it has that form.
func ParseDiffID(s string) (DiffID, error) {
	return DiffID(s), checkDigest("diffID", s)
}

func checkDigest(kind, s string) error {
	digits, ok := strings.CutPrefix(s, algorithm)
	if !ok {
		return fmt.Errorf("%s %q: not a sha256 digest", kind, s)
	}
	if len(digits) != 2*sha256.Size || strings.Trim(digits, "0123456789abcdef") != "" {
		return fmt.Errorf("%s %q: not 64 lower-case hex digits", kind, s)
	}
	return nil
}

// Sum returns the digest of data.
func Sum(data []byte) Digest {
	sum := sha256.Sum256(data)
	return Digest(algorithm + hex.EncodeToString(sum[:]))
}

// Hex returns the hex digits of d, which are the blob's file name in a layout.
func (d Digest) Hex() string { return strings.TrimPrefix(string(d), algorithm) }

// Verify returns a *[DigestError] unless d is the digest of data.
func (d Digest) Verify(data []byte) error {
	if got := Sum(data); got != d {
		return &DigestError{Blob: d, What: "digest", Want: string(d), Got: string(got)}
	}
	return nil
}

// UnmarshalText parses a digest where a document is decoded, so that a Digest
// in a decoded document always has its form.
func (d *Digest) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDigest(string(text))
	return err
}

// UnmarshalText parses a diffID where a document is decoded.
func (d *DiffID) UnmarshalText(text []byte) (err error) {
	*d, err = ParseDiffID(string(text))
	return err
}

func sumOf(h hash.Hash) string { return algorithm + hex.EncodeToString(h.Sum(nil)) }

// A DigestError says that bytes are not the ones a descriptor or a config
// promised.
type DigestError struct {
	Blob Digest // the blob that was read
	What string // what differs: "digest", "size" or "diffID"
	Want string
	Got  string
}

func (e *DigestError) Error() string {
	return fmt.Sprintf("blob %s: wrong content: %s is %s, expected %s", e.Blob, e.What, e.Got, e.Want)
}
