package importer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/treenail/treenail/oci"
)

// Prefixes of the refs that hold what was pulled, as ostree-ext names them.
const (
	blobPrefix  = "ostree/container/blob/"
	imagePrefix = "ostree/container/image/"
	basePrefix  = "ostree/container/baseimage/"
)

// BlobRef is the ref of the commit that holds a layer.
func BlobRef(d oci.Digest) string { return blobPrefix + escape(string(d)) }

// ImageRef is the ref of the commit of a pulled image. How the reference wants the
// image to be verified is no part of it.
func ImageRef(r oci.Reference) string { return imagePrefix + escape(r.Image()) }

// imageOf is the reference that an image's ref was made of.
func imageOf(ref string) (oci.Reference, error) {
	name, err := unescape(strings.TrimPrefix(ref, imagePrefix))
	if err != nil {
		return oci.Reference{}, fmt.Errorf("ref %s: %w", ref, err)
	}
	return oci.ParseReference(name)
}

// escape turns any text into a ref: letters, digits and '-' stay, and a '/' after
// a letter or digit; "_" becomes "__", and anything else its code point in
// hexadecimal between underscores. It is ostree-ext's way.
func escape(s string) string {
	var b strings.Builder
	plain := false // the character before is a letter or digit
	for i, r := range s {
		switch {
		case isAlphanumeric(r):
			b.WriteRune(r)
		case r == '-', r == '/' && plain && i+1 < len(s):
			b.WriteRune(r)
		case r == '_':
			b.WriteString("__")
		default:
			fmt.Fprintf(&b, "_%02X_", r)
		}
		plain = isAlphanumeric(r)
	}
	return b.String()
}

func isAlphanumeric(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

// unescape is the reverse of escape.
func unescape(s string) (string, error) {
	var b strings.Builder
	for s != "" {
		plain, rest, found := strings.Cut(s, "_")
		for _, r := range plain {
			if !isAlphanumeric(r) && r != '-' && r != '/' {
				return "", fmt.Errorf("invalid character %q in an escaped name", r)
			}
		}
		b.WriteString(plain)
		if !found {
			break
		}
		code, after, closed := strings.Cut(rest, "_")
		if !closed {
			return "", errors.New("escape without an end")
		}
		if code == "" {
			b.WriteByte('_')
		} else if n, err := strconv.ParseUint(code, 16, 32); err != nil || n == 0 || n > 0x10ffff {
			return "", fmt.Errorf("invalid escape _%s_", code)
		} else {
			b.WriteRune(rune(n))
		}
		s = after
	}
	return b.String(), nil
}
