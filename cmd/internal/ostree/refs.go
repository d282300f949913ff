package ostree

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/treenail/treenail/cmd/internal/cli"
	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
)

func refsCommand() *cli.Command {
	var o refsOptions
	return &cli.Command{
		Name: "refs", Args: "[PREFIX...]", Group: GroupRepo,
		Summary: "List, create or delete refs",
		Flags: func(f *cli.Flags) {
			f.Bool(&o.remove, "delete", "", "Delete the refs below PREFIX")
			f.Bool(&o.list, "list", "", "List refs by their whole names, PREFIX included")
			f.Bool(&o.revision, "revision", "r", "Print the commit of each ref")
			f.Bool(&o.alias, "alias", "A", "With --create make an alias, else list aliases")
			f.String(&o.create, "create", "", "NEWREF", "Create a ref for the commit that PREFIX names")
			f.Given(&o.creates, "create")
			f.Bool(&o.collections, "collections", "c", "List, create or delete refs of collections; PREFIX is a collection ID")
			f.Bool(&o.force, "force", "", "Let --create replace a ref that exists")
			f.Bool(&o.json, "json", "", "Write the list as a JSON array")
			f.Exclude("json", "delete", "create")
		},
		Run:      o.run,
		Complete: completeRefs,
	}
}

type refsOptions struct {
	remove, list, revision, alias bool
	collections, force, json      bool
	creates                       bool
	create                        string
}

func (o *refsOptions) run(ctx context.Context, env *cli.Env, args []string) error {
	repo, err := env.OpenRepo()
	if err != nil {
		return err
	}
	defer repo.Close()
	switch {
	case o.creates && len(args) > 1:
		return errors.New("You must specify only 1 existing ref when creating a new ref")
	case o.creates && len(args) == 0:
		return errors.New("You must specify a revision when creating a new ref")
	case o.remove && len(args) == 0:
		return errors.New("At least one PREFIX is required when deleting refs")
	case o.creates:
		return o.createRef(ctx, repo, args[0])
	case slices.Contains(args, ""): // would stand for all refs
		if o.collections {
			return errors.New("Listing refs: Invalid collection ID ")
		}
		return errors.New("Listing refs: Invalid refspec ")
	case o.remove:
		return o.deleteRefs(ctx, repo, args)
	}
	return o.listRefs(env, repo, args)
}

// jsonRef is a ref in JSON output.
type jsonRef struct {
	Ref        string          `json:"ref"`
	Commit     object.Checksum `json:"commit"`
	Collection string          `json:"collection,omitempty"`
	Alias      string          `json:"alias,omitempty"` // the ref that an alias points to
}

func (o *refsOptions) listRefs(env *cli.Env, repo *ostreerepo.Repo, prefixes []string) error {
	if len(prefixes) == 0 {
		prefixes = []string{""}
	}
	found := []jsonRef{}
	for _, prefix := range prefixes {
		refs, err := o.find(repo, prefix)
		if err != nil {
			return fmt.Errorf("Listing refs: %w", err)
		}
		found = append(found, refs...)
	}
	if o.json {
		return env.JSON(found)
	}
	for _, ref := range found {
		env.Println(o.line(ref))
	}
	return nil
}

func (o *refsOptions) line(ref jsonRef) string {
	line := ref.Ref
	switch {
	case o.collections:
		line = fmt.Sprintf("(%s, %s)", ref.Collection, ref.Ref)
	case o.alias && ref.Alias != "":
		return line + " -> " + ref.Alias
	case o.alias:
		return line + " -> " + ref.Commit.String()
	}
	if o.revision {
		line += "\t" + ref.Commit.String()
	}
	return line
}

// find selects the refs that a prefix stands for, "" for all of them.
func (o *refsOptions) find(repo *ostreerepo.Repo, prefix string) ([]jsonRef, error) {
	if o.collections {
		return collectionRefs(repo, prefix)
	}
	p, err := parseRefPrefix(prefix)
	if err != nil {
		return nil, err
	}
	all, err := p.refs(repo)
	if err != nil {
		return nil, err
	}
	var found []jsonRef
	for _, ref := range all {
		match := p.match(ref.Name)
		if match == noMatch || o.alias && match != exactMatch && ref.Alias == "" {
			continue
		}
		r := jsonRef{Ref: ref.Name, Commit: ref.Commit, Alias: ref.Alias}
		if match == belowMatch && !o.list && !o.alias && !o.remove {
			r.Ref = p.strip(ref.Name)
		}
		if match == exactMatch {
			r.Alias = "" // named itself, an alias shows its commit
		}
		found = append(found, r)
	}
	return found, nil
}

func collectionRefs(repo *ostreerepo.Repo, collection string) ([]jsonRef, error) {
	if collection != "" {
		if err := ostreerepo.ValidateCollectionID(collection); err != nil {
			return nil, err
		}
	}
	all, err := repo.CollectionRefs()
	if err != nil {
		return nil, err
	}
	var found []jsonRef
	for _, ref := range all {
		if collection == "" || ref.Collection == collection {
			found = append(found, jsonRef{Ref: ref.Name, Commit: ref.Commit, Collection: ref.Collection})
		}
	}
	return found, nil
}

// refPrefix is what the argument of refs stands for: a ref, or all refs below
// a directory, of a remote when it names one.
type refPrefix struct {
	all    bool
	remote string
	below  string // "": all refs of the remote
}

type refMatch int

const (
	noMatch    refMatch = iota
	exactMatch          // the ref itself
	belowMatch          // a ref below the prefix
	anyMatch            // there is no prefix
)

// parseRefPrefix reads "", "REF", "REMOTE:REF", "REMOTE:" or "REMOTE:.".
func parseRefPrefix(s string) (refPrefix, error) {
	if s == "" {
		return refPrefix{all: true}, nil
	}
	if remote, ok := strings.CutSuffix(strings.TrimSuffix(s, "."), ":"); ok {
		_, _, err := ostreerepo.ParseRefspec(remote + ":x")
		return refPrefix{remote: remote}, err
	}
	remote, below, err := ostreerepo.ParseRefspec(s)
	return refPrefix{remote: remote, below: below}, err
}

// refs lists those that may match; of a remote that is not known there are none.
func (p refPrefix) refs(repo *ostreerepo.Repo) ([]ostreerepo.Ref, error) {
	if p.all {
		return repo.Refs()
	}
	return repo.RefsBelow(p.remote, p.below)
}

func (p refPrefix) match(refspec string) refMatch {
	if p.all {
		return anyMatch
	}
	remote, ref := splitRefspec(refspec)
	switch {
	case remote != p.remote:
		return noMatch
	case p.below == "" || strings.HasPrefix(ref, p.below+"/"):
		return belowMatch
	case ref == p.below:
		return exactMatch
	}
	return noMatch
}

// strip takes the prefix from a ref below it; the remote stays.
func (p refPrefix) strip(refspec string) string {
	remote, ref := splitRefspec(refspec)
	ref = strings.TrimPrefix(strings.TrimPrefix(ref, p.below), "/")
	if remote == "" {
		return ref
	}
	return remote + ":" + ref
}

func splitRefspec(s string) (remote, ref string) {
	remote, ref, ok := strings.Cut(s, ":")
	if !ok {
		return "", s
	}
	return remote, ref
}
