package ostreerepo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/treenail/treenail/format/object"
	"golang.org/x/sys/unix"
)

// Ref is a name for a commit.
type Ref struct {
	Name   string // a refspec: "os/stable", or "origin:os/stable"
	Commit object.Checksum
	Alias  string // for an alias the ref that it points to, else ""
}

// CollectionRef is a ref of a named collection of refs.
type CollectionRef struct {
	Collection string
	Name       string
	Commit     object.Checksum
}

const refFragment = `[A-Za-z0-9_][-._A-Za-z0-9]*`

var (
	fragmentPattern   = regexp.MustCompile(`^` + refFragment + `$`)
	refPattern        = regexp.MustCompile(`^` + refFragment + `(/` + refFragment + `)*$`)
	collectionPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)+$`)
)

// ValidateRef reports why name can't be a ref: it is no list of fragments of
// letters, digits, '_', '-' and '.' with slashes between.
func ValidateRef(name string) error {
	if !refPattern.MatchString(name) {
		return fmt.Errorf("Invalid ref name %s", name) //nolint:staticcheck // libostree's text
	}
	return nil
}

// ValidateCollectionID reports why id can't name a collection: it follows the
// grammar of D-Bus interface names.
func ValidateCollectionID(id string) error {
	if len(id) > 255 || !collectionPattern.MatchString(id) {
		return fmt.Errorf("Invalid collection ID %s", id) //nolint:staticcheck // libostree's text
	}
	return nil
}

// ParseRefspec splits "REMOTE:REF"; the remote of a local ref is "".
func ParseRefspec(s string) (remote, ref string, err error) {
	remote, ref, ok := strings.Cut(s, ":")
	if !ok {
		remote, ref = "", s
	}
	if ok && !fragmentPattern.MatchString(remote) || ValidateRef(ref) != nil {
		return "", "", fmt.Errorf("Invalid refspec %s", s) //nolint:staticcheck // libostree's text
	}
	return remote, ref, nil
}

// refPath is where the ref's file lies below the repository.
func refPath(remote, ref string) string {
	if remote == "" {
		return "refs/heads/" + ref
	}
	return "refs/remotes/" + remote + "/" + ref
}

// Resolve finds the commit that rev names: a checksum, a unique prefix of a
// commit's checksum, a ref, REMOTE:REF or REMOTE/REF, a ref that some remote has,
// each with any number of ^ after it for the parent. A rev that names nothing is
// a *RevError.
func (r *Repo) Resolve(rev string) (object.Checksum, error) {
	if base, ok := strings.CutSuffix(rev, "^"); ok {
		return r.resolveParent(base)
	}
	return r.resolve(rev, true)
}

// ResolveLocal is Resolve for what may be the name of a new ref: a remote's ref that
// REF alone could mean does not count, and there is no ^.
func (r *Repo) ResolveLocal(rev string) (object.Checksum, error) { return r.resolve(rev, false) }

func (r *Repo) resolve(rev string, anyRemote bool) (object.Checksum, error) {
	if c, err := object.ParseChecksum(rev); err == nil {
		return c, nil
	}
	if c, ok, err := r.ResolvePrefix(rev); ok || err != nil {
		return c, err
	}
	remote, ref, err := ParseRefspec(rev)
	if err != nil {
		return object.Checksum{}, err
	}
	for at := r; at != nil; at = at.parent {
		if c, ok, err := at.resolveRef(remote, ref, anyRemote); ok || err != nil {
			return c, err
		}
	}
	return object.Checksum{}, &RevError{rev, "not found"}
}

func (r *Repo) resolveParent(rev string) (object.Checksum, error) {
	c, err := r.Resolve(rev)
	if err != nil {
		return object.Checksum{}, err
	}
	commit, err := r.Commit(c)
	if err != nil {
		return object.Checksum{}, err
	}
	if commit.Parent.IsZero() {
		return object.Checksum{}, &NoParentError{c}
	}
	return commit.Parent, nil
}

// prefixPattern takes the empty prefix too, which names the only commit there is.
var prefixPattern = regexp.MustCompile(`^[0-9a-f]{0,63}$`)

// ResolvePrefix finds the commit, of this repository and not its parents, whose
// checksum begins with prefix; ok is false where none does or prefix is no beginning
// of a checksum. Of several the error is a *RevError.
func (r *Repo) ResolvePrefix(prefix string) (c object.Checksum, ok bool, err error) {
	if !prefixPattern.MatchString(prefix) {
		return c, false, nil
	}
	for n, err := range r.looseIn(prefix) {
		if err != nil {
			return c, false, err
		}
		if n.Type != object.TypeCommit || !strings.HasPrefix(n.Checksum.String(), prefix) {
			continue
		}
		if ok && c != n.Checksum {
			return c, false, &RevError{prefix, "not unique"}
		}
		c, ok = n.Checksum, true
	}
	return c, ok, nil
}

// resolveRef looks in this repository alone.
func (r *Repo) resolveRef(remote, ref string, anyRemote bool) (c object.Checksum, ok bool, err error) {
	paths := []string{refPath(remote, ref)}
	if remote == "" && anyRemote {
		paths = append(paths, "refs/remotes/"+ref)
		remotes, err := r.refDirs("refs/remotes")
		if err != nil {
			return c, false, err
		}
		for _, name := range remotes {
			paths = append(paths, refPath(name, ref))
		}
	}
	for _, p := range paths {
		c, err := r.readRef(p)
		if err == nil {
			return c, true, nil
		}
		if errors.Is(err, unix.EISDIR) && anyRemote { // else it is the writer who finds the directory
			err = fmt.Errorf("Couldn't open ref '%s': %w", ref, err) //nolint:staticcheck // libostree's text
			return c, false, err
		}
		if !isNoRef(err) {
			return c, false, err
		}
	}
	return c, false, nil
}

// isNoRef reports whether a path leads to no file: nothing, a directory, or
// something below a file.
func isNoRef(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENOTDIR)
}

// readRef reads the checksum in a ref's file. Aliases are symlinks and followed.
func (r *Repo) readRef(p string) (object.Checksum, error) {
	c, err := readRefAt(r.fd(), p)
	if err != nil && !isNoRef(err) {
		return c, fmt.Errorf("repo %s: %s: %w", r.path, p, err)
	}
	return c, err
}

// readRefAt makes no os.File of the ref's: there may be very many.
func readRefAt(dirfd int, name string) (c object.Checksum, err error) {
	fd, err := unix.Openat(dirfd, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	for err == unix.EINTR {
		fd, err = unix.Openat(dirfd, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	}
	if err != nil {
		return c, err
	}
	defer unix.Close(fd)
	buf := make([]byte, 128)
	n, err := unix.Read(fd, buf)
	if err != nil {
		return c, err
	}
	return object.ParseChecksum(strings.TrimRight(string(buf[:n]), " \t\r\n"))
}

// refDirs lists the names of the directories in dir that may hold refs.
func (r *Repo) refDirs(dir string) ([]string, error) {
	entries, err := os.ReadDir(r.path + "/" + dir)
	var path *fs.PathError
	if errors.As(err, &path) {
		return nil, fmt.Errorf("repo %s: opendir(%s): %w", r.path, dir, path.Err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Refs lists local and remote refs, aliases included, sorted by refspec.
func (r *Repo) Refs() ([]Ref, error) {
	refs, err := r.refsBelow("refs/heads", "", "")
	if err != nil {
		return nil, err
	}
	remotes, err := r.refDirs("refs/remotes")
	if err != nil {
		return nil, err
	}
	for _, remote := range remotes {
		more, err := r.refsBelow("refs/remotes/"+remote, "", remote+":")
		if err != nil {
			return nil, err
		}
		refs = append(refs, more...)
	}
	sort.Slice(refs, func(i, j int) bool { return refs[i].Name < refs[j].Name })
	return refs, nil
}

// RefsBelow lists the refs of a remote, or local ones for "", that are called prefix
// or lie below it, sorted; "" stands for all. Aliases are among them.
func (r *Repo) RefsBelow(remote, prefix string) ([]Ref, error) {
	top, label := "refs/heads", ""
	if remote != "" {
		top, label = "refs/remotes/"+remote, remote+":"
	}
	if prefix != "" {
		c, err := r.readRef(top + "/" + prefix)
		if err == nil {
			return []Ref{{Name: label + prefix, Commit: c, Alias: r.aliasTarget(top, prefix)}}, nil
		}
		if !isNoRef(err) {
			return nil, err
		}
	}
	refs, err := r.refsBelow(top, prefix, label)
	sort.Slice(refs, func(i, j int) bool { return refs[i].Name < refs[j].Name })
	return refs, err
}

// CollectionRefs lists the refs of collections: the repository's own one, whose
// refs are the local ones, those of remotes with a collection ID, and those that
// it mirrors.
func (r *Repo) CollectionRefs() ([]CollectionRef, error) {
	return r.collectionRefs(func(collectionPlace) bool { return true })
}

func (r *Repo) collectionRefs(which func(collectionPlace) bool) ([]CollectionRef, error) {
	places, err := r.collectionPlaces()
	if err != nil {
		return nil, err
	}
	var out []CollectionRef
	for _, p := range places {
		if !which(p) {
			continue
		}
		refs, err := r.refsBelow(p.dir, "", "")
		if err != nil {
			return nil, err
		}
		for _, ref := range refs {
			out = append(out, CollectionRef{p.collection, ref.Name, ref.Commit})
		}
	}
	sort.SliceStable(out, func(i, j int) bool {
		if out[i].Collection != out[j].Collection {
			return out[i].Collection < out[j].Collection
		}
		return out[i].Name < out[j].Name
	})
	return slices.CompactFunc(out, func(a, b CollectionRef) bool {
		return a.Collection == b.Collection && a.Name == b.Name
	}), nil
}

// collectionPlace is a directory that holds refs of a collection. Of two places
// with the same ref the earlier one counts.
type collectionPlace struct{ collection, dir string }

func (p collectionPlace) ofRemote() bool { return strings.HasPrefix(p.dir, "refs/remotes/") }

func (r *Repo) collectionPlaces() ([]collectionPlace, error) {
	var places []collectionPlace
	if r.collectionID != "" {
		places = append(places, collectionPlace{r.collectionID, "refs/heads"})
	}
	for _, remote := range r.ownRemotes() {
		id, ok, err := r.remoteFile(remote).config.String(remoteGroup(remote), "collection-id")
		if err != nil {
			return nil, fmt.Errorf("repo %s: config: %w", r.path, err)
		}
		if ok && ValidateCollectionID(id) == nil {
			places = append(places, collectionPlace{id, "refs/remotes/" + remote})
		}
	}
	mirrors, err := r.refDirs("refs/mirrors")
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // old repositories have none
		return nil, err
	}
	for _, id := range mirrors {
		places = append(places, collectionPlace{id, "refs/mirrors/" + id})
	}
	return places, nil
}

// remoteOfGroup takes the name out of the key file group of a remote: remote "NAME".
func remoteOfGroup(group string) (string, bool) {
	rest, isRemote := strings.CutPrefix(group, `remote "`)
	name, quoted := strings.CutSuffix(rest, `"`)
	return name, isRemote && quoted && fragmentPattern.MatchString(name)
}

// maxRefDepth bounds how deep a ref's name may nest.
const maxRefDepth = 256

func (r *Repo) refsBelow(top, below, prefix string) ([]Ref, error) {
	place := path.Join(top, below)
	if strings.Count(below, "/") > maxRefDepth {
		return nil, fmt.Errorf("repo %s: %s: nested too deep", r.path, place)
	}
	dir, err := openDir(r.fd(), place)
	if isNoRef(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("repo %s: %s: %w", r.path, place, err)
	}
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return nil, fmt.Errorf("repo %s: %s: %w", r.path, place, err)
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	var refs []Ref
	for _, e := range entries {
		if !fragmentPattern.MatchString(e.Name()) {
			continue // a temporary file or the like
		}
		name := path.Join(below, e.Name())
		if e.IsDir() {
			more, err := r.refsBelow(top, name, prefix)
			if err != nil {
				return nil, err
			}
			refs = append(refs, more...)
			continue
		}
		c, err := readRefAt(int(dir.Fd()), e.Name())
		if isNoRef(err) {
			continue // deleted since it was listed, or a dangling alias
		}
		if err != nil {
			return nil, fmt.Errorf("repo %s: %s/%s: %w", r.path, top, name, err)
		}
		ref := Ref{Name: prefix + name, Commit: c}
		if e.Type() == fs.ModeSymlink {
			ref.Alias = r.aliasTarget(top, name)
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// aliasTarget is the ref that an alias points to.
func (r *Repo) aliasTarget(top, name string) string {
	target, err := os.Readlink(r.path + "/" + top + "/" + name)
	if err != nil {
		return ""
	}
	return path.Join(path.Dir(name), target)
}
