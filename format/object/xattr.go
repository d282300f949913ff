package object

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/treenail/treenail/format/gvariant"
)

// Xattr is one extended attribute. Name has no trailing NUL.
type Xattr struct {
	Name  string
	Value []byte
}

// Xattrs are the extended attributes of a file or directory. Objects hold them
// in canonical form: sorted bytewise by name, no name twice.
type Xattrs []Xattr

// Canonical returns x sorted by name; of a name given twice the last value stays.
func (x Xattrs) Canonical() Xattrs {
	if x.checkCanonical() == nil {
		return x
	}
	s := append(Xattrs(nil), x...)
	sort.SliceStable(s, func(i, j int) bool { return s[i].Name < s[j].Name })
	out := s[:0]
	for i, a := range s {
		if i+1 < len(s) && s[i+1].Name == a.Name {
			continue
		}
		out = append(out, a)
	}
	return out
}

// Lookup finds the value of the attribute called name.
func (x Xattrs) Lookup(name string) ([]byte, bool) {
	for _, a := range x {
		if a.Name == name {
			return a.Value, true
		}
	}
	return nil, false
}

// LabelXattr is the attribute that holds an SELinux context, which ends in NUL.
const LabelXattr = "security.selinux"

// WithLabel returns x with an SELinux context, in place of one that it may have.
func (x Xattrs) WithLabel(context string) Xattrs {
	return append(slices.Clip(x), Xattr{LabelXattr, append([]byte(context), 0)}).Canonical()
}

// WithoutLabel returns x without an SELinux context.
func (x Xattrs) WithoutLabel() Xattrs {
	return slices.DeleteFunc(slices.Clone(x), func(a Xattr) bool { return a.Name == LabelXattr })
}

// Encode returns the GVariant a(ayay) in which names end in NUL.
func (x Xattrs) Encode() []byte { return x.variant().Bytes() }

// DecodeXattrs reads what Encode writes.
func DecodeXattrs(data []byte) (Xattrs, error) {
	v := gvariant.FromBytes(typeXattrs, data)
	if err := v.CheckNormal(); err != nil {
		return nil, fmt.Errorf("xattrs: %w", err)
	}
	return xattrsOf(v)
}

func (x Xattrs) variant() gvariant.Value {
	if len(x) == 0 {
		return noXattrs
	}
	items := make([]gvariant.Value, len(x))
	for i, a := range x {
		items[i] = gvariant.NewTuple(gvariant.NewByteString(a.Name), gvariant.NewBytes(a.Value))
	}
	return gvariant.NewArray("(ayay)", items...)
}

var noXattrs = gvariant.NewArray("(ayay)")

// xattrsOf reads xattrs that have to be in canonical form.
func xattrsOf(v gvariant.Value) (Xattrs, error) {
	x, err := listedXattrs(v)
	if err != nil {
		return nil, err
	}
	return x, x.checkCanonical()
}

// headerXattrs reads the xattrs of a content object. Its checksum is that of a sorted
// header, but libostree, up to 2026.4, stores it with an SELinux label behind all
// others.
func headerXattrs(v gvariant.Value) (Xattrs, error) {
	x, err := listedXattrs(v)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(x, func(a, b Xattr) int { return strings.Compare(a.Name, b.Name) })
	return x, x.checkCanonical()
}

func listedXattrs(v gvariant.Value) (Xattrs, error) {
	n := v.Len()
	if n == 0 {
		return nil, nil
	}
	x := make(Xattrs, n)
	for i := range x {
		name, value := v.At(i).At(0), v.At(i).At(1)
		x[i] = Xattr{Name: name.ByteString(), Value: value.Data()}
		if len(name.Data()) != len(x[i].Name)+1 {
			return nil, fmt.Errorf("xattr name %q is not terminated by its only NUL", name.Data())
		}
	}
	return x, nil
}

func (x Xattrs) checkCanonical() error {
	for i, a := range x {
		switch {
		case a.Name == "":
			return errors.New("xattr with an empty name")
		case strings.IndexByte(a.Name, 0) >= 0:
			return fmt.Errorf("xattr name %q contains a NUL", a.Name)
		case i > 0 && x[i-1].Name >= a.Name:
			return fmt.Errorf("xattr %q is a duplicate or out of order", a.Name)
		}
	}
	return nil
}
