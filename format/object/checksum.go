package object

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
)

// Checksum is the SHA-256 that names an object. The zero value means "none".
type Checksum [sha256.Size]byte

// ParseChecksum reads the textual form, 64 lower-case hexadecimal digits.
func ParseChecksum(s string) (Checksum, error) {
	var c Checksum
	if len(s) != 2*len(c) {
		return Checksum{}, fmt.Errorf("checksum %.80q: length %d, want %d", s, len(s), 2*len(c))
	}
	for i := range len(s) {
		if !isLowerHex(s[i]) {
			return Checksum{}, fmt.Errorf("checksum %q: invalid character %q", s, s[i])
		}
	}
	if _, err := hex.Decode(c[:], []byte(s)); err != nil {
		return Checksum{}, fmt.Errorf("checksum %q: %w", s, err)
	}
	return c, nil
}

func isLowerHex(b byte) bool { return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' }

// checksumFromBytes reads the binary form that objects embed, 32 bytes.
func checksumFromBytes(b []byte) (Checksum, error) {
	if len(b) != sha256.Size {
		return Checksum{}, fmt.Errorf("checksum of %d bytes, want %d", len(b), sha256.Size)
	}
	return Checksum(b), nil
}

// Sum is the checksum of a metadata object's bytes.
func Sum(data []byte) Checksum { return sha256.Sum256(data) }

// SumOf returns the checksum that h has arrived at.
func SumOf(h hash.Hash) Checksum {
	var c Checksum
	h.Sum(c[:0])
	return c
}

// String is 64 lower-case hexadecimal digits.
func (c Checksum) String() string { return hex.EncodeToString(c[:]) }

// IsZero reports whether c means "none".
func (c Checksum) IsZero() bool { return c == Checksum{} }

// Compare orders checksums as their textual forms are ordered.
func (c Checksum) Compare(d Checksum) int { return bytes.Compare(c[:], d[:]) }

// MarshalText writes the textual form.
func (c Checksum) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads the textual form.
func (c *Checksum) UnmarshalText(text []byte) error {
	parsed, err := ParseChecksum(string(text))
	if err == nil {
		*c = parsed
	}
	return err
}

// ChecksumError says that an object's bytes are not those its name promises.
type ChecksumError struct {
	Name   Name
	Actual Checksum
}

func (e *ChecksumError) Error() string {
	return fmt.Sprintf("object %s: checksum mismatch: actual checksum is %s", e.Name, e.Actual)
}
