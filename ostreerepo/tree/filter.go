package tree

import (
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
)

// filter is what the options do to owner, mode and xattrs of each entry. Headers
// of directories pass through it as an object.FileHeader too.
type filter struct {
	uid, gid    *uint32
	roExec      bool
	canonical   bool
	noXattrs    bool // in all sources
	noDirXattrs bool // in directories and commits
	label       func(path string, mode uint32) (context string, ok bool)
	override    *StatOverride
	skip        *SkipList
}

func newFilter(r *ostreerepo.Repo, o Options) filter {
	canonical := o.CanonicalPermissions || r.Mode() == ostreerepo.ModeBareUserOnly
	noXattrs := o.NoXattrs || r.DisableXattrs()
	f := filter{
		uid:         o.UID,
		gid:         o.GID,
		roExec:      o.ReadOnlyExecutables,
		canonical:   canonical,
		noXattrs:    noXattrs,
		noDirXattrs: noXattrs || canonical, // libostree keeps an archive's xattrs in spite of canonical permissions
		override:    o.StatOverride,
		skip:        o.SkipList,
	}
	if !r.DisableXattrs() {
		f.label = o.Label
	}
	return f
}

// none reports whether the filter leaves everything as it is.
func (f *filter) none() bool {
	return f.uid == nil && f.gid == nil && !f.roExec && !f.canonical && !f.noXattrs &&
		f.label == nil && f.override == nil && f.skip == nil
}

// skips reports whether the entry at path, absolute in the tree, is left out.
func (f *filter) skips(path string) bool {
	if !f.skip.match(path) {
		return false
	}
	f.override.apply(path, 0) // a rule for it counts as matched
	return true
}

// enters is skips for a subdirectory of a directory or commit source. libostree
// filters it twice, on the way in and for its dirmeta. A rule that adds bits is
// used up the first time, so it has no effect on the subdirectory.
func (f *filter) enters(path string) bool {
	f.override.apply(path, 0)
	return !f.skip.match(path)
}

// apply changes the header of the entry at path. Xattrs other than the label are
// left to the caller, who need not read them when they are not wanted.
func (f *filter) apply(path string, h *object.FileHeader) {
	if f.uid != nil {
		h.UID = *f.uid
	}
	if f.gid != nil {
		h.GID = *f.gid
	}
	kind := h.Mode & object.ModeTypeMask
	if f.roExec && kind == object.ModeRegular && h.Mode&0o111 != 0 {
		h.Mode &^= 0o222
	}
	h.Mode = f.override.apply(path, h.Mode)
	if f.canonical {
		h.UID, h.GID = 0, 0
		if kind != object.ModeSymlink {
			h.Mode &= object.ModeTypeMask | 0o755
		}
	}
	f.relabel(path, h)
}

// relabel gives the entry at path its label.
func (f *filter) relabel(path string, h *object.FileHeader) {
	if f.label == nil {
		return
	}
	switch context, ok := f.label(path, h.Mode); {
	case ok && context == "":
		h.Xattrs = h.Xattrs.WithoutLabel()
	case ok:
		h.Xattrs = h.Xattrs.WithLabel(context)
	}
}
