package ostreerepo

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/summary"
	"github.com/treenail/treenail/internal/durable"
	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sys/unix"
)

// delta is a static delta: what it takes to make one commit out of another, or
// out of nothing when from is zero.
type delta struct{ from, to object.Checksum }

// name is TO, or FROM-TO.
func (d delta) name() string {
	if d.from.IsZero() {
		return d.to.String()
	}
	return d.from.String() + "-" + d.to.String()
}

// deltaEncoding writes checksums in the names of deltas: 43 characters, with _ for
// the slash of base64.
var deltaEncoding = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+_").WithPadding(base64.NoPadding)

// dir is where the delta lies below the repository: deltas/FF/FFF…, with -TO when
// it is from a commit.
func (d delta) dir() string {
	to := deltaEncoding.EncodeToString(d.to[:])
	if d.from.IsZero() {
		return "deltas/" + to[:2] + "/" + to[2:]
	}
	from := deltaEncoding.EncodeToString(d.from[:])
	return "deltas/" + from[:2] + "/" + from[2:] + "-" + to
}

func parseDelta(dir, name string) (d delta, ok bool) {
	first, second, two := strings.Cut(dir+name, "-")
	if !two {
		return delta{to: parseDeltaChecksum(first)}, !parseDeltaChecksum(first).IsZero()
	}
	d = delta{parseDeltaChecksum(first), parseDeltaChecksum(second)}
	return d, !d.from.IsZero() && !d.to.IsZero()
}

// parseDeltaChecksum returns zero for what is no checksum.
func parseDeltaChecksum(s string) (c object.Checksum) {
	if data, err := deltaEncoding.Strict().DecodeString(s); err == nil && len(data) == len(c) {
		return object.Checksum(data)
	}
	return object.Checksum{}
}

// deltas lists the static deltas, sorted by name.
func (r *Repo) deltas() ([]delta, error) {
	var found []delta
	dirs, err := readDirIfAny(r.path + "/deltas")
	if err != nil {
		return nil, err
	}
	for _, dir := range dirs {
		entries, err := readDirIfAny(r.path + "/deltas/" + dir.Name())
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			if d, ok := parseDelta(dir.Name(), e.Name()); ok && e.IsDir() {
				found = append(found, d)
			}
		}
	}
	slices.SortFunc(found, func(a, b delta) int { return strings.Compare(a.name(), b.name()) })
	return found, nil
}

// readDirIfAny lists a directory; what is none has no entries.
func readDirIfAny(path string) ([]os.DirEntry, error) {
	entries, err := os.ReadDir(path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return nil, nil
	}
	return entries, err
}

// indexDeltas writes an index for each commit that there are deltas to, deletes
// the indexes of others, and returns the entries of all of them: the checksum of
// the superblock under the name of the delta.
func (r *Repo) indexDeltas(sync bool) ([]gvariant.Entry, error) {
	deltas, err := r.deltas()
	if err != nil {
		return nil, err
	}
	var all []gvariant.Entry
	byCommit := map[object.Checksum][]gvariant.Entry{}
	for _, d := range deltas {
		sum, err := r.superblockSum(d)
		if errors.Is(err, fs.ErrNotExist) {
			continue // being written, or what is left of one
		}
		if err != nil {
			return nil, err
		}
		e := gvariant.Entry{Key: d.name(), Value: gvariant.NewBytes(sum)}
		all = append(all, e)
		byCommit[d.to] = append(byCommit[d.to], e)
	}
	for to, entries := range byCommit {
		if err := r.writeIndex(to, entries, sync); err != nil {
			return nil, err
		}
	}
	return all, r.removeIndexes(func(c object.Checksum) bool { return byCommit[c] == nil })
}

func (r *Repo) superblockSum(d delta) ([]byte, error) {
	f, err := linuxfs.Open(r.fd(), d.dir()+"/superblock", unix.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return nil, err
	}
	return sum.Sum(nil), nil
}

// indexPath is delta-indexes/TO[:2]/TO[2:].index.
func indexPath(to object.Checksum) string {
	name := deltaEncoding.EncodeToString(to[:])
	return "delta-indexes/" + name[:2] + "/" + name[2:] + ".index"
}

func (r *Repo) writeIndex(to object.Checksum, entries []gvariant.Entry, sync bool) error {
	data := gvariant.NewVardict(gvariant.Entry{Key: summary.DeltasKey, Value: gvariant.NewVardict(entries...)}).Bytes()
	p := indexPath(to)
	if old, err := readFileAt(r.fd(), p, object.MaxMetadataSize); err == nil && string(old) == string(data) {
		return nil
	}
	if err := os.MkdirAll(r.path+"/"+path.Dir(p), 0o777); err != nil {
		return err
	}
	dir, err := openDir(r.fd(), path.Dir(p))
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := durable.WriteFileAt(dir, path.Base(p), data, 0o644, sync); err != nil {
		return fmt.Errorf("%s: %w", p, err)
	}
	return nil
}

// removeIndexes deletes the indexes of the commits that which chooses.
func (r *Repo) removeIndexes(which func(object.Checksum) bool) error {
	dirs, err := readDirIfAny(r.path + "/delta-indexes")
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		entries, err := readDirIfAny(r.path + "/delta-indexes/" + dir.Name())
		if err != nil {
			return err
		}
		for _, e := range entries {
			name, _ := strings.CutSuffix(e.Name(), ".index")
			c := parseDeltaChecksum(dir.Name() + name)
			if c.IsZero() || !which(c) {
				continue
			}
			if err := unix.Unlinkat(r.fd(), indexPath(c), 0); err != nil {
				return fmt.Errorf("%s: %w", indexPath(c), err)
			}
		}
	}
	return nil
}

// removeDeltas deletes the static deltas to the commits that which chooses. Their
// indexes stay until the summary is updated, as with libostree.
func (r *Repo) removeDeltas(which func(to object.Checksum) (bool, error)) error {
	deltas, err := r.deltas()
	if err != nil {
		return err
	}
	for _, d := range deltas {
		ok, err := which(d.to)
		if err == nil && ok {
			err = os.RemoveAll(r.path + "/" + d.dir())
		}
		if err != nil {
			return fmt.Errorf("static delta %s: %w", d.name(), err)
		}
	}
	return nil
}
