// Package layercache remembers layers under keys that say how they were made, so
// that they need not be made again.
//
// A cache is a directory of two folders:
//
//	layers/SHA256-OF-KEY   descriptor, diffID and size, as JSON with a checksum
//	blobs/HEX              the layer, by the digest of its compressed bytes
//
// Several programs can use it at the same time. What is in it appears whole, is
// verified when it is read, and when all is larger than a limit goes in the order
// in which it was used last. It holds nothing that cannot be made again.
package layercache

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/treenail/treenail/oci"
)

// DefaultLimit is how large a cache gets by default, in bytes.
const DefaultLimit = 8 << 30

// A Layer is what a cache knows of one.
type Layer struct {
	Descriptor   oci.Descriptor `json:"descriptor"`
	DiffID       oci.DiffID     `json:"diffID"`
	Uncompressed int64          `json:"uncompressed"` // size of the tar, in bytes
}

// A Cache is a directory of layers. Its methods may be called from several
// goroutines at once.
type Cache struct {
	dir   string
	limit int64
}

const (
	layersDir  = "layers"
	blobsDir   = "blobs"
	tempPrefix = "tmp-"
)

// Open opens the cache in dir, which is made if need be. Close shrinks it to limit
// bytes; 0 stands for DefaultLimit.
func Open(dir string, limit int64) (*Cache, error) {
	for _, sub := range []string{layersDir, blobsDir} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("layer cache: %w", err)
		}
	}
	return &Cache{dir, cmp.Or(limit, DefaultLimit)}, nil
}

// record is a file in layers.
type record struct {
	Layer Layer  `json:"layer"`
	Sum   string `json:"sum"` // of key and layer
}

func newRecord(key string, l Layer) record {
	data, _ := json.Marshal(l)
	return record{l, fmt.Sprintf("%x", sha256.Sum256(append([]byte(key+"\n"), data...)))}
}

func (c *Cache) layer(key string) string {
	return filepath.Join(c.dir, layersDir, fmt.Sprintf("%x", sha256.Sum256([]byte(key))))
}

func (c *Cache) blob(d oci.Digest) string { return filepath.Join(c.dir, blobsDir, d.Hex()) }

// Layer returns the layer with a key, whether its blob is still there or not.
func (c *Cache) Layer(key string) (l Layer, ok bool) {
	data, err := os.ReadFile(c.layer(key))
	var r record
	if err != nil || json.Unmarshal(data, &r) != nil || r.Sum != newRecord(key, r.Layer).Sum {
		return Layer{}, false
	}
	now := time.Now()
	os.Chtimes(c.layer(key), now, now)
	os.Chtimes(c.blob(r.Layer.Descriptor.Digest), now, now)
	return r.Layer, true
}

// Open opens the blob of a layer. Its reader ends with an [oci.DigestError] instead
// of io.EOF if the bytes are not the layer's; they are then removed.
func (c *Cache) Open(l Layer) (io.ReadCloser, error) {
	f, err := os.Open(c.blob(l.Descriptor.Digest))
	if err != nil {
		return nil, err
	}
	return &blob{oci.VerifyReader(f, l.Descriptor), f}, nil
}

type blob struct {
	io.Reader
	file *os.File
}

func (b *blob) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && err != io.EOF {
		os.Remove(b.file.Name())
	}
	return n, err
}

func (b *blob) Close() error { return b.file.Close() }

// A Writer takes the bytes of a layer that is being made. It never fails: what
// cannot be kept is not.
type Writer struct {
	cache *Cache
	file  *os.File // nil after an error
}

// Create begins to keep a layer. The caller must call Commit or Discard.
func (c *Cache) Create() *Writer {
	f, err := os.CreateTemp(filepath.Join(c.dir, blobsDir), tempPrefix)
	if err != nil {
		f = nil
	}
	return &Writer{c, f}
}

// Write keeps p.
func (w *Writer) Write(p []byte) (int, error) {
	if w.file != nil {
		if _, err := w.file.Write(p); err != nil {
			w.Discard()
		}
	}
	return len(p), nil
}

// Discard forgets what was written.
func (w *Writer) Discard() {
	if w.file != nil {
		w.file.Close()
		os.Remove(w.file.Name())
		w.file = nil
	}
}

// Commit keeps the layer under a key. The blob gets its name first, so that nobody
// who finds the key misses it. There is no sync: a crash may leave a blob that is
// not the layer's, which its reader notices.
func (w *Writer) Commit(key string, l Layer) {
	if w.file == nil {
		return
	}
	temp := w.file.Name()
	if w.file.Close() != nil || os.Rename(temp, w.cache.blob(l.Descriptor.Digest)) != nil {
		os.Remove(temp)
		return
	}
	w.file = nil
	data, _ := json.Marshal(newRecord(key, l))
	f, err := os.CreateTemp(filepath.Join(w.cache.dir, layersDir), tempPrefix)
	if err != nil {
		return
	}
	_, err = f.Write(data)
	if errors.Join(err, f.Close()) != nil || os.Rename(f.Name(), w.cache.layer(key)) != nil {
		os.Remove(f.Name())
	}
}

// staleTemp is the age at which nobody writes a temporary file any more.
const staleTemp = 24 * time.Hour

// Close removes what has not been used for longest until the rest is within the
// limit.
func (c *Cache) Close() error {
	files, err := c.files()
	if err != nil {
		return fmt.Errorf("layer cache: %w", err)
	}
	var total int64
	for _, f := range files {
		total += f.size
	}
	slices.SortFunc(files, func(a, b file) int { return a.used.Compare(b.used) })
	for _, f := range files {
		if total <= c.limit && !f.stale() {
			continue
		}
		if err := os.Remove(f.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("layer cache: %w", err)
		}
		total -= f.size
	}
	return nil
}

type file struct {
	path string
	size int64 // what it takes on disk, about
	used time.Time
}

func (f file) temp() bool { return strings.HasPrefix(filepath.Base(f.path), tempPrefix) }

func (f file) stale() bool { return f.temp() && time.Since(f.used) > staleTemp }

// files lists what is in the cache, but for what is being written.
func (c *Cache) files() (list []file, err error) {
	for _, sub := range []string{layersDir, blobsDir} {
		entries, err := os.ReadDir(filepath.Join(c.dir, sub))
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			info, err := e.Info()
			if err != nil {
				continue // somebody else has removed it
			}
			f := file{filepath.Join(c.dir, sub, e.Name()), max(info.Size(), 4096), info.ModTime()}
			if !f.temp() || f.stale() {
				list = append(list, f)
			}
		}
	}
	return list, nil
}
