package ostreerepo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/durable"
	"github.com/treenail/treenail/internal/linuxfs"
	"golang.org/x/sys/unix"
)

// refChange is one change of a ref that a transaction makes at its end.
type refChange struct {
	path   string // below the repository
	commit object.Checksum
	target string // of an alias, relative to the directory of path
	remove bool
}

// SetRef makes refspec name the commit c. The object is not looked for.
func (tx *Tx) SetRef(refspec string, c object.Checksum) error {
	remote, ref, err := ParseRefspec(refspec)
	if err != nil {
		return err
	}
	tx.refs = append(tx.refs, refChange{path: refPath(remote, ref), commit: c})
	return nil
}

// SetCollectionRef makes c the commit of a ref of a collection: a local ref for
// the repository's own collection, else a mirrored one.
func (tx *Tx) SetCollectionRef(collection, ref string, c object.Checksum) error {
	if err := ValidateCollectionID(collection); err != nil {
		return err
	}
	if err := ValidateRef(ref); err != nil {
		return err
	}
	place := "refs/mirrors/" + collection + "/" + ref
	if collection == tx.repo.collectionID {
		place = refPath("", ref)
	}
	tx.refs = append(tx.refs, refChange{path: place, commit: c})
	return nil
}

// SetAlias makes the local ref alias another name of the local ref target. The
// symlink always goes up to refs/heads first, as libostree expects when it reads
// the target's name out of it.
func (tx *Tx) SetAlias(alias, target string) error {
	if err := ValidateRef(alias); err != nil {
		return err
	}
	if err := ValidateRef(target); err != nil {
		return err
	}
	up := strings.Repeat("../", strings.Count(alias, "/"))
	tx.refs = append(tx.refs, refChange{path: refPath("", alias), target: up + target})
	return nil
}

// RemoveRef deletes a ref. One that is not there is an error, of Update, and so is
// a local one that an alias points to, unless that is deleted too.
func (tx *Tx) RemoveRef(refspec string) error {
	remote, ref, err := ParseRefspec(refspec)
	if err != nil {
		return err
	}
	tx.refs = append(tx.refs, refChange{path: refPath(remote, ref), remove: true})
	return nil
}

// RemoveCollectionRef deletes a ref of a collection.
func (tx *Tx) RemoveCollectionRef(collection, ref string) error {
	if err := tx.SetCollectionRef(collection, ref, object.Checksum{}); err != nil {
		return err
	}
	tx.refs[len(tx.refs)-1].remove = true
	return nil
}

func (tx *Tx) checkAliases() error {
	doomed := map[string]bool{}
	for _, c := range tx.refs {
		if name, local := strings.CutPrefix(c.path, "refs/heads/"); local && c.remove {
			doomed[name] = true
		}
	}
	if len(doomed) == 0 {
		return nil
	}
	refs, err := tx.repo.Refs()
	for _, alias := range refs {
		if alias.Alias != "" && doomed[alias.Alias] && !doomed[alias.Name] {
			return fmt.Errorf("Ref '%s' has an active alias: '%s'", alias.Alias, alias.Name) //nolint:staticcheck // libostree's text
		}
	}
	return err
}

func (c refChange) apply(tx *Tx) error {
	if c.remove {
		if err := unix.Unlinkat(tx.repo.fd(), c.path, 0); err != nil {
			return fmt.Errorf("unlinkat(%s): %w", c.path, err)
		}
		return nil
	}
	dir, err := c.openParent(tx.repo)
	if err != nil {
		return err
	}
	defer dir.Close()
	name := path.Base(c.path)
	if err := c.clearDir(tx.repo); err != nil {
		return err
	}
	if c.target != "" {
		err = replaceSymlink(dir, c.target, name)
	} else {
		err = durable.WriteFileAt(dir, name, []byte(c.commit.String()+"\n"), 0o644, tx.fsync)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", c.path, err)
	}
	return nil
}

// openParent makes and opens the directory of the ref's file.
func (c refChange) openParent(r *Repo) (*os.File, error) {
	parent := path.Dir(c.path)
	if err := os.MkdirAll(r.path+"/"+parent, 0o777); err != nil {
		if errors.Is(err, unix.ENOTDIR) {
			return nil, fmt.Errorf("openat(%s): %w", c.path, unix.ENOTDIR)
		}
		return nil, err
	}
	return openDir(r.fd(), parent)
}

// clearDir removes a directory that stands where the ref goes, unless it holds refs.
func (c refChange) clearDir(r *Repo) error {
	info, err := os.Lstat(r.path + "/" + c.path)
	if err != nil || !info.IsDir() {
		return nil
	}
	refs, err := r.refsBelow(c.path, "", "")
	if err != nil {
		return err
	}
	if len(refs) > 0 {
		return fmt.Errorf("Conflict: %s exists under %s when attempting write", refs[0].Name, path.Base(c.path)) //nolint:staticcheck // libostree's text
	}
	return os.RemoveAll(r.path + "/" + c.path)
}

func replaceSymlink(dir *os.File, target, name string) error {
	temp := linuxfs.TempName(".tmp-") // a name that no ref and no object can have
	if err := unix.Symlinkat(target, int(dir.Fd()), temp); err != nil {
		return err
	}
	if err := unix.Renameat(int(dir.Fd()), temp, int(dir.Fd()), name); err != nil {
		unix.Unlinkat(int(dir.Fd()), temp, 0)
		return err
	}
	return nil
}

// RefExists reports whether the refspec has a file of its own here.
func (r *Repo) RefExists(refspec string) (bool, error) {
	remote, ref, err := ParseRefspec(refspec)
	if err != nil {
		return false, err
	}
	_, err = r.readRef(refPath(remote, ref))
	if errors.Is(err, fs.ErrNotExist) || isNoRef(err) {
		return false, nil
	}
	return err == nil, err
}
