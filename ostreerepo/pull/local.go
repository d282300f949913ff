package pull

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"

	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/par"
	"github.com/treenail/treenail/ostreerepo"
)

// Options are the choices of Local.
type Options struct {
	// Refs are what to pull: local refs of the source, or checksums of commits.
	// With none of them all its local refs are pulled.
	Refs []string
	// Remote stores the refs as REMOTE:REF; "" keeps their names.
	Remote string

	Depth                 int  // generations of parents that come along; negative: all there are
	CommitMetadataOnly    bool // commits without their trees, marked partial
	Untrusted             bool // verify objects also where they are linked or copied as they are
	BareUserOnlyFiles     bool // refuse files that a bare-user-only repository can't keep
	DisableVerifyBindings bool // let a commit come under a ref that it was not made for
	DisableFsync          bool // do not wait for the disk
	PerObjectFsync        bool // wait for each object

	// RequireDeltas refuses, in libostree's words, to pull a commit that has no
	// static delta in the source's summary. One that has is refused too, since no
	// delta can be applied yet, unless its tree is not to be pulled or is there.
	RequireDeltas bool

	// VerifyCommit, if not nil, is given each commit that comes along, with its
	// detached metadata (the zero Value for none), before its tree is pulled: what
	// the source has, or else the destination. Its error ends the pull.
	VerifyCommit func(c object.Checksum, data []byte, detached gvariant.Value) error
	// VerifySummary, if not nil, makes a summary in the source necessary, and is
	// given its bytes and its signatures before anything in it counts. Its error
	// ends the pull.
	VerifySummary func(data []byte, signatures gvariant.Value) error

	// Progress is called with the objects taken over so far; their total is not
	// known and given as -1. One goroutine at a time calls it.
	Progress func(done, total int64)
}

// Result counts what Local did.
type Result struct {
	Metadata      int   `json:"metadata"`      // metadata objects that are new in the destination
	Content       int   `json:"content"`       // content objects that are new
	ContentBytes  int64 `json:"contentBytes"`  // bodies written, in bytes; linked objects do not count
	DetachedBytes int64 `json:"detachedBytes"` // detached metadata of commits that were there already, in bytes
}

// Local pulls from src, and from its parents, into dst in one transaction. The
// source is locked against deletions meanwhile. A ref that does not exist is an
// *ostreerepo.RevError; a missing object an *ostreerepo.NotFoundError and a
// damaged one an *object.ChecksumError, wrapped in libostree's words. A parent
// commit that the source lacks ends the history and is no error.
func Local(ctx context.Context, dst, src *ostreerepo.Repo, o Options) (*Result, error) {
	if o.RequireDeltas && dst.Mode() == ostreerepo.ModeArchive {
		return nil, errors.New("Can't use static deltas in an archive repo") //nolint:staticcheck // libostree's text
	}
	unlock, err := src.Lock(ctx, false)
	if err != nil {
		return nil, err
	}
	defer unlock()
	s, err := openSource(src, &o)
	if err != nil {
		return nil, err
	}
	heads, err := s.heads(&o)
	if err != nil {
		return nil, err
	}
	result := &Result{}
	update := ostreerepo.UpdateOptions{DisableFsync: o.DisableFsync, PerObjectFsync: o.PerObjectFsync}
	err = dst.Update(ctx, update, func(tx *ostreerepo.Tx) error {
		im, err := tx.NewImporter(src, ostreerepo.ImportOptions{Verify: o.Untrusted, BareUserOnlyFiles: o.BareUserOnlyFiles})
		if err != nil {
			return err
		}
		p := &puller{
			Options: o, tx: tx, dst: dst, src: s, im: im, result: result, heads: heads,
			seen: map[object.Name]struct{}{}, depths: map[object.Checksum]int{},
		}
		err = p.run(ctx)
		result.ContentBytes = tx.Stats().ContentBytes
		return err
	})
	return result, err
}

// head is a commit that was asked for.
type head struct {
	commit object.Checksum
	ref    string // in the source; "" when it was asked for by checksum
	store  string // refspec in the destination
}

func (s *source) heads(o *Options) ([]head, error) {
	names := o.Refs
	if len(names) == 0 {
		refs, err := s.Refs()
		if err != nil {
			return nil, err
		}
		for _, ref := range refs {
			if !strings.Contains(ref.Name, ":") {
				names = append(names, ref.Name)
			}
		}
	}
	heads := make([]head, len(names))
	for i, name := range names {
		var err error
		if heads[i], err = s.head(name, o.Remote); err != nil {
			return nil, err
		}
	}
	return heads, nil
}

func (s *source) head(name, remote string) (h head, err error) {
	if h.commit, err = object.ParseChecksum(name); err == nil {
		return h, nil
	}
	if err := ostreerepo.ValidateRef(name); err != nil {
		return h, err
	}
	h.ref, h.store = name, name
	if remote != "" {
		h.store = remote + ":" + name
	}
	if _, _, err := ostreerepo.ParseRefspec(h.store); err != nil {
		return h, fmt.Errorf("Invalid refspec %s", h.store) //nolint:staticcheck // libostree's text
	}
	h.commit, err = s.ref(name)
	return h, err
}

// puller is one Local. All but the jobs given to workers runs in one goroutine.
type puller struct {
	Options
	tx      *ostreerepo.Tx
	dst     *ostreerepo.Repo
	src     *source
	im      *ostreerepo.Importer
	workers *par.Pool
	heads   []head
	seen    map[object.Name]struct{}
	depths  map[object.Checksum]int // how many parents of a commit were asked for

	mu     sync.Mutex
	result *Result
}

func (p *puller) run(ctx context.Context) error {
	p.workers = par.NewPool(ctx)
	if err := p.workers.Wait(p.pullHeads()); err != nil {
		return err
	}
	for _, h := range p.heads {
		if err := p.setRef(h); err != nil {
			return err
		}
	}
	return nil
}

func (p *puller) pullHeads() error {
	for _, h := range p.heads {
		if err := p.pullHead(h); err != nil {
			return err
		}
	}
	return nil
}

// setRef leaves a ref alone that names the commit already: a pull that brings
// nothing writes nothing, and no new summary follows from it. As in libostree any
// name for the commit will do that could be meant, such as the beginning of its
// checksum or a remote's ref.
func (p *puller) setRef(h head) error {
	if h.ref == "" {
		return nil
	}
	if old, err := p.dst.Resolve(h.store); err == nil && old == h.commit {
		return nil
	}
	return p.tx.SetRef(h.store, h.commit)
}

// generations is how many parents of a head come along.
func (p *puller) generations() int {
	if p.Depth < 0 {
		return math.MaxInt
	}
	return p.Depth
}

// first reports whether the walk meets the object for the first time.
func (p *puller) first(n object.Name) bool {
	if _, again := p.seen[n]; again {
		return false
	}
	p.seen[n] = struct{}{}
	return true
}

func (p *puller) count(add func(*Result)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	add(p.result)
	if p.Progress != nil {
		p.Progress(int64(p.result.Metadata+p.result.Content), -1)
	}
}
