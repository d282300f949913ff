package ostreerepo_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
	"golang.org/x/sys/unix"
)

// reflinks mounts a file system whose files can share blocks.
func reflinks(t *testing.T) string {
	t.Helper()
	image, mount := t.TempDir()+"/image", t.TempDir()
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, 300<<20); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"mkfs.xfs", "-q", "-m", "reflink=1", image}, // Debian's package xfsprogs
		{"mount", "-o", "loop", image, mount},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	t.Cleanup(func() { unix.Unmount(mount, unix.MNT_DETACH) })
	return mount
}

func payloadLinks(t *testing.T, r *ostreerepo.Repo) (links []string) {
	t.Helper()
	for n, err := range r.Objects() {
		if err != nil {
			t.Fatal(err)
		}
		if n.Type != object.TypePayloadLink {
			continue
		}
		target, err := os.Readlink(filepath.Join(r.Path(), "objects", n.LoosePath(false)))
		if err != nil {
			t.Fatal(err)
		}
		links = append(links, n.Checksum.String()+" "+target)
	}
	slices.Sort(links)
	return links
}

// used is how many bytes of the disk are in use.
func used(t *testing.T, path string) int64 {
	t.Helper()
	var st unix.Statfs_t
	unix.Sync()
	if err := unix.Statfs(path, &st); err != nil {
		t.Fatal(err)
	}
	return int64(st.Blocks-st.Bfree) * st.Bsize
}

func link(body []byte, to object.Checksum) string {
	return object.Sum(body).String() + " ../" + object.Name{Checksum: to, Type: object.TypeFile}.LoosePath(false)
}

func TestPayloadLinks(t *testing.T) {
	if os.Geteuid() != 0 {
		return // mounting needs root
	}
	disk := reflinks(t)
	threshold := [3]string{"core", "payload-link-threshold", "100000"}
	small := bytes.Repeat([]byte("0123456789"), 30_000)   // read into memory
	large := bytes.Repeat([]byte("abcdefghijk"), 300_000) // streamed
	below := bytes.Repeat([]byte("x"), 99_999)
	for _, mode := range []ostreerepo.Mode{ostreerepo.ModeBare, ostreerepo.ModeBareUser, ostreerepo.ModeBareUserOnly} {
		t.Run(mode.String(), func(t *testing.T) {
			r := repoAt(t, disk+"/"+mode.String(), mode, threshold)
			before := used(t, disk)
			a := putModes(t, r, small, 0o644, 0o755, 0o600)
			b := putModes(t, r, large, 0o644, 0o755, 0o600)
			putModes(t, r, below, 0o644, 0o755)
			want := []string{link(small, a[0]), link(large, b[0])}
			slices.Sort(want)
			if got := payloadLinks(t, r); !slices.Equal(got, want) {
				t.Errorf("links %q, want %q", got, want)
			}
			if grown := used(t, disk) - before; grown > int64(len(large)+len(small)+2*len(below)+600_000) {
				t.Errorf("%d bytes more in use", grown)
			}
			for _, c := range append(a, b...) {
				f, err := r.OpenFile(c)
				if err == nil {
					err = f.Verify()
				}
				if err != nil {
					t.Error(err)
				}
				f.Close()
			}
			if out, err := ostree(t, "fsck", "--repo="+r.Path()); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	t.Run("no links", func(t *testing.T) {
		off := repoAt(t, disk+"/off", ostreerepo.ModeBareUser)
		archive := repoAt(t, disk+"/archive", ostreerepo.ModeArchive, threshold)
		elsewhere := repoAt(t, t.TempDir()+"/repo", ostreerepo.ModeBareUser, threshold) // where blocks can't be shared
		for _, r := range []*ostreerepo.Repo{off, archive, elsewhere} {
			putModes(t, r, large, 0o644, 0o755)
			if links := payloadLinks(t, r); len(links) > 0 {
				t.Errorf("%s: %q", r.Path(), links)
			}
		}
	})
	t.Run("damage", func(t *testing.T) {
		damagedPayload(t, repoAt(t, disk+"/damaged", ostreerepo.ModeBareUser, threshold), large)
	})
	t.Run("import", func(t *testing.T) {
		from := repoAt(t, disk+"/from", ostreerepo.ModeBareUser)
		c := putModes(t, from, large, 0o644)[0]
		to := repoAt(t, disk+"/to", ostreerepo.ModeBareUser, threshold)
		update(t, to, func(tx *ostreerepo.Tx) error {
			im, err := tx.NewImporter(from, ostreerepo.ImportOptions{})
			if err != nil {
				return err
			}
			_, err = im.Content(c)
			return err
		})
		if got := payloadLinks(t, to); !slices.Equal(got, []string{link(large, c)}) {
			t.Errorf("links %q", got)
		}
	})
}

// damagedPayload shows that a damaged object is not shared, that a link whose object
// is gone is replaced, and that prune removes one.
func damagedPayload(t *testing.T, r *ostreerepo.Repo, body []byte) {
	first := putModes(t, r, body, 0o644)[0]
	path := filepath.Join(r.Path(), "objects", object.Name{Checksum: first, Type: object.TypeFile}.LoosePath(false))
	if err := os.WriteFile(path, bytes.Repeat([]byte("?"), len(body)), 0o644); err != nil {
		t.Fatal(err)
	}
	second := putModes(t, r, body, 0o755)[0]
	f, err := r.OpenFile(second)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Verify(); err != nil {
		t.Error(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	third := putModes(t, r, body, 0o600)[0]
	if got := payloadLinks(t, r); !slices.Equal(got, []string{link(body, third)}) {
		t.Errorf("links %q", got)
	}
	if _, err := r.Prune(context.Background(), ostreerepo.PruneOptions{}); err != nil {
		t.Fatal(err)
	}
	if got := payloadLinks(t, r); len(got) > 0 {
		t.Errorf("after prune: %q", got)
	}
}
