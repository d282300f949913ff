package pull

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/format/summary"
	"github.com/treenail/treenail/ostreerepo"
)

// source is the repository that is pulled from. Where it has a summary that has
// the say about refs, as in libostree, even if it is older than the refs are.
type source struct {
	*ostreerepo.Repo
	summary *summary.Summary // nil: none
}

func openSource(r *ostreerepo.Repo, o *Options) (*source, error) {
	data, err := r.Summary()
	if errors.Is(err, fs.ErrNotExist) {
		return &source{Repo: r}, withoutSummary(o)
	}
	if err != nil {
		return nil, fmt.Errorf("repo %s: %w", r.Path(), err)
	}
	if o.VerifySummary != nil {
		signatures, _, err := r.SummarySignatures()
		if err != nil {
			return nil, fmt.Errorf("repo %s: %w", r.Path(), err)
		}
		if err := o.VerifySummary(data, signatures); err != nil {
			return nil, err
		}
	}
	s, err := summary.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("repo %s: %w", r.Path(), err)
	}
	return &source{r, s}, nil
}

// withoutSummary refuses what takes a summary.
func withoutSummary(o *Options) error {
	switch {
	case o.VerifySummary != nil:
		return errors.New("GPG verification enabled, but no summary found (use gpg-verify-summary=false in remote config to disable)") //nolint:staticcheck // libostree's text
	case o.RequireDeltas:
		return errors.New("Fetch configured to require static deltas, but no summary deltas or delta index found") //nolint:staticcheck // libostree's text
	}
	return nil
}

// ref finds the commit of a local ref, or like libostree of the beginning of a
// checksum, which then becomes the name of a ref in the destination.
func (s *source) ref(name string) (object.Checksum, error) {
	missing := &ostreerepo.RevError{Rev: name, Reason: "not found"}
	if s.summary != nil {
		refs := s.summary.Refs
		i, ok := slices.BinarySearchFunc(refs, name, func(r summary.Ref, name string) int { return cmp.Compare(r.Name, name) })
		if !ok {
			return object.Checksum{}, &wordedError{fmt.Sprintf("No such branch '%s' in repository summary", name), missing}
		}
		return refs[i].Commit, nil
	}
	if c, ok, err := s.ResolvePrefix(name); ok || err != nil {
		return c, err
	}
	for at := s.Repo; at != nil; at = at.Parent() {
		if c, ok, err := at.Ref(name); ok || err != nil {
			return c, err
		}
	}
	return object.Checksum{}, missing
}

// tombstones reports whether the summary says that deleted commits leave tombstones.
func (s *source) tombstones() bool {
	if s.summary == nil {
		return false
	}
	v, ok := s.summary.Metadata.Lookup(summary.TombstonesKey)
	return ok && v.Type() == "b" && v.Bool()
}

// deltaTo is the name of a static delta that the summary has to the commit, "" for
// none.
func (s *source) deltaTo(c object.Checksum) string {
	if s.summary == nil {
		return ""
	}
	deltas, ok := s.summary.Metadata.Lookup(summary.DeltasKey)
	if !ok || deltas.Type() != "a{sv}" {
		return ""
	}
	for i := range deltas.Len() {
		name := deltas.At(i).At(0).Str() // TO, or FROM-TO
		if to := name[max(0, len(name)-2*len(c)):]; to == c.String() {
			return name
		}
	}
	return ""
}
