package layout

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/treenail/treenail/internal/durable"
	"github.com/treenail/treenail/oci"
)

// Files of a flat directory beside the blobs, which have the hex digits of their
// digests as names.
const (
	flatDir        = "."
	manifestFile   = "manifest.json"
	instanceSuffix = ".manifest.json" // behind the digest of a manifest in an index
	versionFile    = "version"
	signature      = "signature-" // and a number; of an index's manifests behind the digest

	version       = "Directory Transport Version: 1.1\n"
	versionPrefix = "Directory Transport Version: "
)

// OpenFlatSource opens the image in a flat directory.
func OpenFlatSource(path string) (*Source, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &Source{root, flatDir, func(root *os.Root) ([]byte, string, error) {
		raw, err := readFile(root, manifestFile)
		return raw, "", err
	}}, nil
}

// OpenFlatSink prepares to write an image into a flat directory, which is made if its
// parent exists. A directory that is there must be empty or a flat one; what it holds
// of another image goes, signatures first.
func OpenFlatSink(path string) (*Sink, error) {
	if err := checkFlat(path); err != nil {
		return nil, err
	}
	return openSink(path, flatDir, (*Sink).setManifest)
}

// checkFlat refuses a directory that is in use for something else.
func checkFlat(path string) error {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || !slices.ContainsFunc(entries, isForeign) {
		return err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return err
	}
	defer root.Close()
	if text, err := readFile(root, versionFile); err != nil || !strings.HasPrefix(string(text), versionPrefix) {
		return fmt.Errorf("%s: is neither empty nor a directory of an image", path)
	}
	return nil
}

// isForeign reports whether a file is anything else than what a write leaves that was
// interrupted.
func isForeign(e fs.DirEntry) bool {
	return !strings.HasPrefix(e.Name(), stagePrefix) && !isBlob(e.Name())
}

// isBlob reports whether a name is that of a blob, or of a manifest in an index.
func isBlob(name string) bool {
	_, err := oci.ParseDigest("sha256:" + strings.TrimSuffix(name, instanceSuffix))
	return err == nil
}

// setManifest replaces the manifest of a flat directory, and removes what only the old
// image has.
func (s *Sink) setManifest(dir *os.File, raw []byte, _ oci.Descriptor) error {
	err := s.removeFiles(func(name string) bool {
		return strings.HasPrefix(name, signature) || strings.Contains(name, "."+signature)
	})
	if err != nil {
		return err
	}
	if err := durable.WriteFileAt(dir, versionFile, []byte(version), 0o644, true); err != nil {
		return err
	}
	if err := durable.WriteFileAt(dir, manifestFile, raw, 0o644, true); err != nil {
		return err
	}
	manifest, err := oci.ParseManifest(raw)
	if err != nil {
		return err
	}
	used := map[string]bool{}
	for _, d := range manifest.Blobs() {
		used[d.Digest.Hex()] = true
	}
	return s.removeFiles(func(name string) bool { return isBlob(name) && !used[name] })
}

func (s *Sink) removeFiles(which func(name string) bool) error {
	entries, err := fs.ReadDir(s.root.FS(), ".")
	for _, e := range entries {
		if which(e.Name()) {
			err = errors.Join(err, s.root.Remove(e.Name()))
		}
	}
	return err
}
