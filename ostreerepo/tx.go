package ostreerepo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"golang.org/x/sys/unix"
)

// UpdateOptions are the choices of Update.
type UpdateOptions struct {
	DisableFsync   bool // never wait for the disk, whatever core.fsync says
	PerObjectFsync bool // wait for each object too, as core.per-object-fsync says
	// KeepStaged leaves what was put, when fn fails, for the next transaction to
	// begin with, libostree's too: for objects that it took long to get. A disk that
	// is full gets its space back in any case.
	KeepStaged bool
}

// Tx is a transaction. Objects may be put from several goroutines at a time; the
// methods that name refs and states belong to the goroutine of the callback.
type Tx struct {
	repo    *Repo
	staging *staging
	view    *Repo
	space   *space
	fsync   bool
	noClone atomic.Bool // objects can't share blocks with the files that are put
	sharing func() bool // whether objects can among themselves
	refs    []refChange
	partial map[object.Checksum]bool // true: mark, false: unmark
	after   []func() error

	summarized bool // core.auto-update-summary is seen to elsewhere

	mu      sync.Mutex
	stats   Stats
	adopted []object.Name
}

// Stats counts what a transaction was given and what was new. Bytes are those of
// the bodies of content objects that were written.
type Stats struct {
	MetadataTotal, MetadataWritten int
	ContentTotal, ContentWritten   int
	CacheHits                      int
	ContentBytes                   int64
}

// Update runs fn in a transaction. When fn returns nil everything it put becomes
// part of the repository, refs last; on any error nothing does. The package
// comment says what a kill in between leaves.
func (r *Repo) Update(ctx context.Context, o UpdateOptions, fn func(*Tx) error) (err error) {
	if r.isView {
		return errors.New("the view of a transaction can't be written to")
	}
	unlock, err := r.Lock(ctx, false)
	if err != nil {
		return err
	}
	defer unlock()
	tx, err := r.begin(o)
	if err != nil {
		return fmt.Errorf("repo %s: begin transaction: %w", r.path, err)
	}
	defer tx.staging.remove()
	err = fn(tx)
	if err == nil {
		err = ctx.Err()
	}
	if err == nil {
		err = tx.checkAliases()
	}
	if err == nil {
		err = testError("pre-commit", "OSTREE_REPO_TEST_ERROR_PRE_COMMIT")
	}
	if err != nil {
		if tx.keeps(o, err) && tx.disown() == nil {
			tx.staging.keep()
		}
		return err
	}
	if err := tx.commit(); err != nil {
		return err
	}
	err = tx.runAfter()
	tx.resetTimes()
	return err
}

// errTest is an error that a test asked for.
var errTest = errors.New("test error")

// testError fails where the environment variable OSTREE_REPO_TEST_ERROR names the
// step. libostree's own tests use it to look at what a failure leaves.
func testError(step, message string) error {
	if os.Getenv("OSTREE_REPO_TEST_ERROR") == step {
		return fmt.Errorf("%s: %w", message, errTest)
	}
	return nil
}

// keeps reports whether what a failed transaction staged stays for the next one:
// when that was asked for, or some of it was there before.
func (tx *Tx) keeps(o UpdateOptions, err error) bool {
	if isSpaceError(err) {
		return false
	}
	return o.KeepStaged || tx.staging.resumed || errors.Is(err, errTest)
}

// AfterCommit has fn called when all that the transaction put is part of the
// repository, in the order of these calls. An error of fn becomes that of Update,
// which then did its work nevertheless.
func (tx *Tx) AfterCommit(fn func() error) { tx.after = append(tx.after, fn) }

func (tx *Tx) runAfter() error {
	for _, fn := range tx.after {
		if err := fn(); err != nil {
			return err
		}
	}
	return nil
}

// View is the repository as the transaction leaves it, for reading: objects whose
// Put has returned are found first. Refs are the old ones. It is good until
// Update returns and must not be closed.
func (tx *Tx) View() *Repo { return tx.view }

// Metadata returns the bytes of a metadata object, of the transaction or the
// repository, as Repo.Metadata does.
func (tx *Tx) Metadata(n object.Name) ([]byte, error) { return tx.view.Metadata(n) }

func (r *Repo) begin(o UpdateOptions) (*Tx, error) {
	space, err := r.freeSpace()
	if err != nil {
		return nil, err
	}
	s, err := r.openStaging()
	if err != nil {
		return nil, err
	}
	s.perObjectFsync = !o.DisableFsync && (r.perObjectFsync || o.PerObjectFsync)
	tx := &Tx{
		repo:    r,
		staging: s,
		view:    s.view(),
		space:   space,
		fsync:   r.fsync && !o.DisableFsync,
		partial: map[object.Checksum]bool{},
	}
	tx.sharing = sync.OnceValue(tx.probeSharing)
	return tx, nil
}

// commit makes the transaction visible. The order of its steps is what the
// package comment promises.
func (tx *Tx) commit() error {
	if err := tx.commitObjects(); err != nil {
		return fmt.Errorf("repo %s: commit transaction: %w", tx.repo.path, err)
	}
	for _, change := range tx.refs { // here the new commits become reachable
		if err := change.apply(tx); err != nil {
			return err
		}
	}
	if len(tx.refs) > 0 && tx.repo.autoSummary && !tx.summarized {
		if err := tx.repo.writeSummary(SummaryOptions{Time: time.Now()}, tx.fsync); err != nil {
			return fmt.Errorf("update summary: %w", err)
		}
	}
	tx.repo.touch()
	tx.repo.cleanTmp()
	return nil
}

func (tx *Tx) commitObjects() error {
	if tx.fsync {
		if err := tx.staging.sync(); err != nil {
			return err
		}
	}
	if err := tx.markPartial(); err != nil {
		return err
	}
	// Commits follow what they consist of, so that no instant shows a commit
	// whose objects are not there yet.
	if err := tx.publish(func(t object.Type) bool { return !isCommit(t) }); err != nil {
		return err
	}
	if err := tx.publish(isCommit); err != nil {
		return err
	}
	tx.staging.remove()
	return tx.unmarkPartial()
}

func isCommit(t object.Type) bool { return t == object.TypeCommit || t == object.TypeCommitMeta }

func (tx *Tx) publish(which func(object.Type) bool) error {
	touched, err := tx.staging.publish(tx.repo, which)
	if err != nil || !tx.fsync || len(touched) == 0 {
		return err
	}
	for _, dir := range touched {
		if err := syncDir(tx.repo.objectsFD(), dir); err != nil {
			return err
		}
	}
	return tx.repo.objects.Sync()
}

func syncDir(dirfd int, name string) error {
	dir, err := openDir(dirfd, name)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// touch changes the repository directory's time, which watchers look at.
func (r *Repo) touch() {
	unix.UtimesNanoAt(r.fd(), ".", nil, 0)
}

// Repo is the repository that the transaction writes to.
func (tx *Tx) Repo() *Repo { return tx.repo }

// Stats returns the counts so far.
func (tx *Tx) Stats() Stats {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	return tx.stats
}

func (tx *Tx) count(add func(*Stats)) {
	tx.mu.Lock()
	defer tx.mu.Unlock()
	add(&tx.stats)
}

// CountCacheHit notes that a content object did not have to be put because its
// file was known to be one.
func (tx *Tx) CountCacheHit() { tx.count(func(s *Stats) { s.CacheHits++ }) }

// CountRepeat notes that a content object did not have to be put because its file
// is another name of one that was.
func (tx *Tx) CountRepeat() { tx.count(func(s *Stats) { s.ContentTotal++ }) }

// Has reports whether the object is in the repository, its parents or the
// transaction.
func (tx *Tx) Has(n object.Name) (bool, error) {
	ok, err := tx.repo.Has(n)
	if ok || err != nil {
		return ok, err
	}
	return existsAt(tx.staging.fd(), tx.repo.loosePath(n))
}

// PutMetadata adds a metadata object and returns its name.
func (tx *Tx) PutMetadata(t object.Type, data []byte) (object.Checksum, error) {
	n := object.Name{Checksum: object.Sum(data), Type: t}
	tx.count(func(s *Stats) { s.MetadataTotal++ })
	if len(data) > object.MaxMetadataSize {
		return n.Checksum, tx.repo.objectError(n, fmt.Errorf("%d bytes exceed the limit of %d", len(data), object.MaxMetadataSize))
	}
	if ok, err := tx.Has(n); ok || err != nil {
		return n.Checksum, err
	}
	created, err := tx.staging.write(tx.repo.loosePath(n), data)
	if err != nil {
		return n.Checksum, tx.repo.objectError(n, err)
	}
	if created {
		tx.count(func(s *Stats) { s.MetadataWritten++ })
	}
	return n.Checksum, nil
}

// PutCommit adds a commit object. What it consists of has to be put before.
func (tx *Tx) PutCommit(c *object.Commit) (object.Checksum, error) {
	return tx.PutMetadata(object.TypeCommit, c.Encode())
}

// PutDetached makes metadata, an a{sv}, the detached metadata of a commit, in
// place of what there was.
func (tx *Tx) PutDetached(c object.Checksum, metadata gvariant.Value) error {
	n := object.Name{Checksum: c, Type: object.TypeCommitMeta}
	path := tx.repo.loosePath(n)
	if err := tx.staging.unlink(path); err != nil {
		return tx.repo.objectError(n, err)
	}
	if _, err := tx.staging.write(path, metadata.Bytes()); err != nil {
		return tx.repo.objectError(n, err)
	}
	return nil
}
