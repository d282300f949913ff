package ostree

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
)

// createRef makes the new ref, an alias of rev or a name for its commit.
func (o *refsOptions) createRef(ctx context.Context, repo *ostreerepo.Repo, rev string) error {
	change, err := o.newRef(repo, rev)
	if err != nil {
		return err
	}
	return repo.Update(ctx, ostreerepo.UpdateOptions{}, change)
}

func (o *refsOptions) newRef(repo *ostreerepo.Repo, rev string) (func(*ostreerepo.Tx) error, error) {
	if o.collections {
		return o.newCollectionRef(repo, rev)
	}
	remote, _, err := ostreerepo.ParseRefspec(o.create)
	if err != nil {
		return nil, err
	}
	if err := o.checkFree(repo); err != nil {
		return nil, err
	}
	if o.alias {
		if remote != "" {
			return nil, fmt.Errorf("Cannot create alias to remote ref: %s", remote)
		}
		return o.newAlias(repo, rev)
	}
	commit, err := repo.Resolve(rev)
	if err != nil {
		return nil, err
	}
	return func(tx *ostreerepo.Tx) error { return tx.SetRef(o.create, commit) }, nil
}

// checkFree refuses to replace a ref. A full checksum always names a commit, so
// it can't name a ref; one alias may take the place of another.
func (o *refsOptions) checkFree(repo *ostreerepo.Repo) error {
	if _, err := object.ParseChecksum(o.create); err == nil {
		return fmt.Errorf("--create specified but ref %s already exists", o.create)
	}
	if o.force {
		return nil
	}
	_, err := repo.ResolveLocal(o.create)
	var none *ostreerepo.RevError
	if errors.As(err, &none) && none.Reason == "not found" {
		return nil
	}
	if err != nil {
		return err
	}
	if o.alias {
		refs, err := repo.Refs()
		if err != nil {
			return err
		}
		isAlias := func(r ostreerepo.Ref) bool { return r.Name == o.create && r.Alias != "" }
		if slices.ContainsFunc(refs, isAlias) {
			return nil
		}
	}
	return fmt.Errorf("--create specified but ref %s already exists", o.create)
}

func (o *refsOptions) newAlias(repo *ostreerepo.Repo, target string) (func(*ostreerepo.Tx) error, error) {
	remote, _, err := ostreerepo.ParseRefspec(target)
	if err != nil {
		return nil, err
	}
	if remote != "" {
		return nil, fmt.Errorf("Cannot create alias to remote ref: %s", remote)
	}
	exists, err := repo.RefExists(target)
	if err == nil && !exists {
		err = fmt.Errorf("Cannot create alias to non-existent ref: %s", target)
	}
	return func(tx *ostreerepo.Tx) error { return tx.SetAlias(o.create, target) }, err
}

// newCollectionRef makes a ref of a collection, which is written like that of
// a remote: COLLECTION:REF.
func (o *refsOptions) newCollectionRef(repo *ostreerepo.Repo, rev string) (func(*ostreerepo.Tx) error, error) {
	collection, ref, err := ostreerepo.ParseRefspec(o.create)
	if err != nil {
		return nil, err
	}
	if collection == "" {
		return nil, fmt.Errorf("Invalid collection ID %s", o.create)
	}
	commit, err := repo.Resolve(rev)
	if err != nil {
		return nil, err
	}
	return func(tx *ostreerepo.Tx) error { return tx.SetCollectionRef(collection, ref, commit) }, nil
}

// deleteRefs deletes the refs that the prefixes stand for, all or none.
func (o *refsOptions) deleteRefs(ctx context.Context, repo *ostreerepo.Repo, prefixes []string) error {
	var doomed []jsonRef
	for _, prefix := range prefixes {
		refs, err := o.find(repo, prefix)
		if err != nil {
			return fmt.Errorf("Listing refs: %w", err)
		}
		for _, ref := range refs {
			if !isNamed(doomed, ref.Collection, ref.Ref) {
				doomed = append(doomed, ref)
			}
		}
	}
	if len(doomed) == 0 {
		return nil
	}
	return repo.Update(ctx, ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		for _, ref := range doomed {
			if err := removeRef(tx, ref); err != nil {
				return err
			}
		}
		return nil
	})
}

func removeRef(tx *ostreerepo.Tx, ref jsonRef) error {
	if ref.Collection != "" {
		return tx.RemoveCollectionRef(ref.Collection, ref.Ref)
	}
	return tx.RemoveRef(ref.Ref)
}

func isNamed(refs []jsonRef, collection, name string) bool {
	return slices.ContainsFunc(refs, func(r jsonRef) bool { return r.Collection == collection && r.Ref == name })
}
