package ostreerepo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/keyfile"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/summary"
	"github.com/treenail/treenail/internal/durable"
	"golang.org/x/sys/unix"
)

// MetadataRef is the local ref of a repository with a collection ID whose commit
// carries, as its metadata, what the summary says about the repository.
const MetadataRef = "ostree-metadata"

// Summary returns the bytes of the repository's summary as it is on disk. A
// missing one is fs.ErrNotExist.
func (r *Repo) Summary() ([]byte, error) {
	data, err := readFileAt(r.fd(), "summary", object.MaxMetadataSize)
	if err != nil {
		return nil, fmt.Errorf("openat(summary): %w", err)
	}
	return data, nil
}

// signaturesType is that of summary.sig.
const signaturesType = "a{sv}"

// SummarySignatures returns the dictionary of the summary's signatures; it is empty
// and ok is false when there is none.
func (r *Repo) SummarySignatures() (signatures gvariant.Value, ok bool, err error) {
	data, err := readFileAt(r.fd(), "summary.sig", object.MaxMetadataSize)
	if errors.Is(err, fs.ErrNotExist) {
		return gvariant.NewVardict(), false, nil
	}
	if err != nil {
		return gvariant.Value{}, false, fmt.Errorf("openat(summary.sig): %w", err)
	}
	return gvariant.FromBytes(signaturesType, data), true, nil
}

// SummaryOptions are the choices of UpdateSummary.
type SummaryOptions struct {
	// Sign returns the dictionary of signatures of data: the new summary, before that
	// is written, and the commit of the metadata. Nil leaves them without signatures.
	Sign func(data []byte) (signatures gvariant.Value, err error)

	Metadata []gvariant.Entry // more of it; these come before those that are computed
	Time     time.Time        // of the update; zero means now
}

// UpdateSummary makes the summary and the delta indexes say what is in the
// repository, and deletes the signatures of the old summary. Where there is a
// collection ID it also commits the metadata to MetadataRef.
func (r *Repo) UpdateSummary(ctx context.Context, o SummaryOptions) error {
	if o.Time.IsZero() {
		o.Time = time.Now()
	}
	unlock, err := r.Lock(ctx, false)
	if err != nil {
		return err
	}
	defer unlock()
	if r.collectionID != "" {
		if err := r.commitMetadata(ctx, o); err != nil {
			return err
		}
	}
	if err := r.writeSummary(o, r.fsync); err != nil {
		return fmt.Errorf("repo %s: summary: %w", r.path, err)
	}
	return nil
}

// commitMetadata makes the next commit of MetadataRef: an empty directory.
func (r *Repo) commitMetadata(ctx context.Context, o SummaryOptions) error {
	commit := object.Commit{
		Timestamp: uint64(o.Time.Unix()),
		Metadata: vardict(o.Metadata,
			gvariant.Entry{Key: CollectionBindingKey, Value: gvariant.NewString(r.collectionID)},
			gvariant.Entry{Key: RefBindingKey, Value: gvariant.NewStrings([]string{MetadataRef})}),
	}
	var err error
	commit.Parent, err = r.readRef(refPath("", MetadataRef))
	if err != nil && !isNoRef(err) {
		return err
	}
	return r.Update(ctx, UpdateOptions{}, func(tx *Tx) error {
		tx.summarized = true // by the caller, afterwards
		if commit.Tree, err = tx.PutMetadata(object.TypeDirTree, new(object.DirTree).Encode()); err != nil {
			return err
		}
		root := object.DirMeta{Mode: object.ModeDir | 0o755}
		if commit.Meta, err = tx.PutMetadata(object.TypeDirMeta, root.Encode()); err != nil {
			return err
		}
		c, err := tx.PutCommit(&commit)
		if err != nil {
			return err
		}
		if o.Sign != nil {
			signatures, err := o.Sign(commit.Encode())
			if err != nil {
				return err
			}
			if err := tx.PutDetached(c, signatures); err != nil {
				return err
			}
		}
		return tx.SetRef(MetadataRef, c)
	})
}

// vardict is the given entries, and those of more for the keys that are not among
// them. Of given entries with the same key the last one counts.
func vardict(given []gvariant.Entry, more ...gvariant.Entry) gvariant.Value {
	var entries []gvariant.Entry
	for _, e := range slices.Concat(given, more) {
		at := slices.IndexFunc(entries, func(had gvariant.Entry) bool { return had.Key == e.Key })
		if at < 0 {
			entries = append(entries, e)
		} else {
			entries[at] = e
		}
	}
	return gvariant.NewVardict(entries...)
}

// writeSummary replaces the summary. Two transactions may come here at a time:
// the lock on the refs directory keeps the one that read the refs earlier from
// writing later.
func (r *Repo) writeSummary(o SummaryOptions, sync bool) error {
	refs, err := openDir(r.fd(), "refs")
	if err != nil {
		return err
	}
	defer refs.Close()
	if err := unix.Flock(int(refs.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("refs: flock: %w", err)
	}
	s, err := r.makeSummary(o, sync)
	if err != nil {
		return err
	}
	if err := r.noteIndexedDeltas(); err != nil {
		return err
	}
	data, signatures := s.Encode(), []byte(nil)
	if o.Sign != nil {
		dict, err := o.Sign(data)
		if err != nil {
			return err
		}
		signatures = dict.Bytes()
	}
	return r.replaceSummary(data, signatures, o.Time, sync)
}

// replaceSummary writes the summary and its signatures. Between the two the old
// signatures are gone, since nobody may take them for those of the new summary. Both
// get the time of the update, by which mirrors know that they belong together.
func (r *Repo) replaceSummary(data, signatures []byte, t time.Time, sync bool) error {
	if err := unix.Unlinkat(r.fd(), "summary.sig", 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("summary.sig: %w", err)
	}
	if err := durable.WriteFileAt(r.dir, "summary", data, 0o644, sync); err != nil {
		return err
	}
	if signatures == nil {
		return nil
	}
	if err := durable.WriteFileAt(r.dir, "summary.sig", signatures, 0o644, sync); err != nil {
		return err
	}
	times := []unix.Timespec{unix.NsecToTimespec(t.UnixNano()), unix.NsecToTimespec(t.UnixNano())}
	for _, name := range []string{"summary", "summary.sig"} {
		if err := unix.UtimesNanoAt(r.fd(), name, times, 0); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// noteIndexedDeltas tells other programs to keep the delta indexes up to date.
func (r *Repo) noteIndexedDeltas() error {
	if r.config.Has("core", "indexed-deltas") {
		return nil
	}
	return r.editConfig(func(c *keyfile.File) error { return c.SetString("core", "indexed-deltas", "true") })
}

func (r *Repo) makeSummary(o SummaryOptions, sync bool) (*summary.Summary, error) {
	own, others, err := r.summaryRefs()
	if err != nil {
		return nil, err
	}
	deltas, err := r.indexDeltas(sync)
	if err != nil {
		return nil, err
	}
	computed := []gvariant.Entry{
		{Key: summary.IndexedDeltasKey, Value: gvariant.NewBool(true)},
		{Key: summary.LastModifiedKey, Value: summary.NewTime(uint64(o.Time.Unix()))},
		{Key: summary.ModeKey, Value: gvariant.NewString(r.mode.String())},
		{Key: summary.TombstonesKey, Value: gvariant.NewBool(r.tombstones)},
	}
	if r.collectionID != "" {
		computed = append(computed, gvariant.Entry{Key: summary.CollectionIDKey, Value: gvariant.NewString(r.collectionID)})
	}
	if len(others) > 0 {
		computed = append(computed, gvariant.Entry{Key: summary.CollectionMapKey, Value: summary.EncodeCollections(others)})
	}
	if len(deltas) > 0 && !r.noDeltasInSummary {
		computed = append(computed, gvariant.Entry{Key: summary.DeltasKey, Value: gvariant.NewVardict(deltas...)})
	}
	slices.SortFunc(computed, func(a, b gvariant.Entry) int { return cmp.Compare(a.Key, b.Key) })
	return &summary.Summary{Refs: own, Metadata: vardict(o.Metadata, computed...)}, nil
}

// summaryRefs are the refs that the summary lists: those of the repository's own
// collection, or the local ones when it has none, and those of other collections.
func (r *Repo) summaryRefs() (own []summary.Ref, others []summary.Collection, err error) {
	if r.collectionID == "" {
		refs, err := r.refsBelow("refs/heads", "", "")
		if err != nil {
			return nil, nil, err
		}
		slices.SortFunc(refs, func(a, b Ref) int { return strings.Compare(a.Name, b.Name) })
		for _, ref := range refs {
			if own, err = r.appendRef(own, ref.Name, ref.Commit); err != nil {
				return nil, nil, err
			}
		}
	}
	refs, err := r.CollectionRefs()
	if err != nil {
		return nil, nil, err
	}
	for _, ref := range refs { // sorted by collection, then by name
		list := &own
		if ref.Collection != r.collectionID {
			if len(others) == 0 || others[len(others)-1].ID != ref.Collection {
				others = append(others, summary.Collection{ID: ref.Collection})
			}
			list = &others[len(others)-1].Refs
		}
		if *list, err = r.appendRef(*list, ref.Name, ref.Commit); err != nil {
			return nil, nil, err
		}
	}
	return own, others, nil
}

func (r *Repo) appendRef(refs []summary.Ref, name string, c object.Checksum) ([]summary.Ref, error) {
	data, err := r.Metadata(object.Name{Checksum: c, Type: object.TypeCommit})
	if err != nil {
		return nil, fmt.Errorf("ref %s: %w", name, err)
	}
	commit, err := object.DecodeCommit(data)
	if err != nil {
		return nil, fmt.Errorf("ref %s: commit %s: %w", name, c, err)
	}
	metadata := []gvariant.Entry{{Key: summary.TimestampKey, Value: summary.NewTime(commit.Timestamp)}}
	if v, ok := commit.Metadata.Lookup("version"); ok && v.Type() == "s" {
		metadata = append(metadata, gvariant.Entry{Key: summary.VersionKey, Value: v})
	}
	return append(refs, summary.Ref{Name: name, Size: uint64(len(data)), Commit: c, Metadata: gvariant.NewVardict(metadata...)}), nil
}
