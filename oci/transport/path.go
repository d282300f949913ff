package transport

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// atPath calls open with the two parts of PATH[:TAG].
func atPath[Place any](name string, open func(path, tag string) (Place, error)) (place Place, err error) {
	path, tag := splitPath(name)
	if path == "" {
		return place, errors.New("empty path")
	}
	return open(path, tag)
}

// splitPath splits PATH[:TAG] at the first colon, as skopeo does, for a tag may
// have colons too. Only where what stands before the next separator exists on
// disk, the colon is part of the path.
func splitPath(name string) (path, tag string) {
	end := 0
	for {
		colon := strings.IndexByte(name[end:], ':')
		if colon < 0 {
			return name, ""
		}
		colon += end
		if end = strings.IndexAny(name[colon+1:], ":/"); end < 0 {
			end = len(name)
		} else {
			end += colon + 1
		}
		if _, err := os.Lstat(name[:end]); err != nil {
			return name[:colon], name[colon+1:]
		}
	}
}

// taggable refuses tags that other programs would not read back.
func taggable[Place any](open func(path, tag string) (Place, error)) func(path, tag string) (Place, error) {
	return func(path, tag string) (place Place, err error) {
		if tag != "" && !validTag(tag) {
			return place, fmt.Errorf("invalid tag %q", tag)
		}
		return open(path, tag)
	}
}

// validTag checks the grammar of org.opencontainers.image.ref.name (OCI
// image-spec, annotations.md): components between slashes, each of letters and
// digits with one of the separators - . _ : @ + or -- between.
func validTag(tag string) bool {
	needWord := true
	for i := 0; i < len(tag); i++ {
		switch c := tag[i]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z':
			needWord = false
		case needWord || !strings.ContainsRune("-._:@+/", rune(c)):
			return false
		default:
			needWord = true
			if strings.HasPrefix(tag[i:], "--") {
				i++
			}
		}
	}
	return !needWord
}
