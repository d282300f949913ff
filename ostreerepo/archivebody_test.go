package ostreerepo_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
)

// TestArchiveBodies reads bodies of many sizes, and what is left of them after
// damage.
func TestArchiveBodies(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	noise := rand.NewChaCha8([32]byte{4})
	for _, size := range []int{0, 1, 60_000, 70_000, 1 << 20, 4 << 20, 4<<20 + 1} {
		for _, compressible := range []bool{true, false} {
			body := bytes.Repeat([]byte("ostree "), size/7+1)[:size]
			if !compressible {
				noise.Read(body)
				if size == 0 {
					continue
				}
			}
			h := object.FileHeader{Mode: 0o100644}
			c := h.Checksum(body)
			update(t, r, func(tx *ostreerepo.Tx) error {
				_, err := tx.PutFile(h, int64(size), bytes.NewReader(body))
				return err
			})
			what := fmt.Sprintf("%d bytes, compressible %v", size, compressible)
			if got, err := readBody(r, c); err != nil || !bytes.Equal(got, body) {
				t.Errorf("%s: %d bytes, %v", what, len(got), err)
			}
			path := objectPath(r, object.Name{Checksum: c, Type: object.TypeFile})
			good, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for how, data := range map[string][]byte{
				"cut off":      good[:len(good)-1],
				"header alone": good[:8+binary.BigEndian.Uint32(good)],
				"said shorter": withSize(good, size-1),
				"said longer":  withSize(good, size+1),
			} {
				if err := os.WriteFile(path, data, 0o644); err != nil {
					t.Fatal(err)
				}
				if _, err := readBody(r, c); err == nil || errors.Is(err, ostreerepo.ErrNotFound) {
					t.Errorf("%s, %s: %v", what, how, err)
				}
			}
			if err := os.WriteFile(path, append(good, "more"...), 0o644); err != nil {
				t.Fatal(err)
			}
			if got, err := readBody(r, c); err != nil || !bytes.Equal(got, body) {
				t.Errorf("%s, with more behind it: %d bytes, %v", what, len(got), err)
			}
		}
	}
}

func readBody(r *ostreerepo.Repo, c object.Checksum) ([]byte, error) {
	f, err := r.OpenFile(c)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// withSize changes the size in the header of an archive object.
func withSize(data []byte, size int) []byte {
	data = bytes.Clone(data)
	binary.BigEndian.PutUint64(data[8:], uint64(size))
	return data
}
