package ostreerepo

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/treenail/treenail/format/object"
)

// The metadata keys in which a commit names the refs that it was made for.
const (
	RefBindingKey        = "ostree.ref-binding"
	CollectionBindingKey = "ostree.collection-binding"
)

// RefBindings returns the refs that a commit was made for; ok is false when it
// does not say.
func RefBindings(c *object.Commit) (refs []string, ok bool) {
	v, ok := c.Metadata.Lookup(RefBindingKey)
	if !ok || v.Type() != "as" {
		return nil, false
	}
	for i := range v.Len() {
		refs = append(refs, v.At(i).Str())
	}
	return refs, true
}

func collectionBinding(c *object.Commit) (string, bool) {
	v, ok := c.Metadata.Lookup(CollectionBindingKey)
	if !ok || v.Type() != "s" {
		return "", false
	}
	return v.Str(), true
}

// VerifyBindings checks that the commit was made for the ref, and for the
// collection when one is given.
func VerifyBindings(c *object.Commit, collection, ref string) error {
	refs, ok := RefBindings(c)
	if !ok && collection != "" {
		return errors.New("Expected commit metadata to have ref binding information, found none") //nolint:staticcheck // libostree's text
	}
	if ok && !slices.Contains(refs, ref) {
		return fmt.Errorf("Commit has no requested ref ‘%s’ in ref binding metadata (%s)", ref, quoteRefs(refs)) //nolint:staticcheck // libostree's text
	}
	if collection == "" {
		return nil
	}
	bound, ok := collectionBinding(c)
	if !ok {
		return errors.New("Expected commit metadata to have collection ID binding information, found none") //nolint:staticcheck // libostree's text
	}
	if bound != collection {
		return fmt.Errorf("Commit has collection ID ‘%s’ in collection binding metadata, while the remote it came from has collection ID ‘%s’", bound, collection) //nolint:staticcheck // libostree's text
	}
	return nil
}

func quoteRefs(refs []string) string {
	if len(refs) == 0 {
		return "none"
	}
	return "‘" + strings.Join(refs, "’, ‘") + "’"
}

// verifyBackRefs checks that the refs a commit was made for are there and name it.
func (r *Repo) verifyBackRefs(c object.Checksum, commit *object.Commit) error {
	refs, _ := RefBindings(commit)
	collection, bound := collectionBinding(commit)
	for _, ref := range refs {
		label, place := fmt.Sprintf("Ref ‘%s’", ref), refPath("", ref)
		if bound {
			label = fmt.Sprintf("Collection–ref (%s, %s)", collection, ref)
			if collection != r.collectionID {
				place = "refs/mirrors/" + collection + "/" + ref
			}
		}
		actual, err := r.readRef(place)
		switch {
		case isNoRef(err):
			return fmt.Errorf("%s in bindings for commit %s does not exist", label, c)
		case err != nil:
			return err
		case actual != c:
			return fmt.Errorf("%s in bindings for commit %s does not resolve to that commit", label, c)
		}
	}
	return nil
}
