package ostreerepo

import (
	"errors"
	"fmt"
	"io/fs"
	"sort"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/internal/durable"
	"golang.org/x/sys/unix"
)

// MarkPartial says that objects of the commit will be missing.
func (tx *Tx) MarkPartial(c object.Checksum) { tx.partial[c] = true }

// UnmarkPartial says that all objects of the commit are there.
func (tx *Tx) UnmarkPartial(c object.Checksum) { tx.partial[c] = false }

func (tx *Tx) partialCommits(mark bool) []object.Checksum {
	var out []object.Checksum
	for c, marked := range tx.partial {
		if marked == mark {
			out = append(out, c)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Compare(out[j]) < 0 })
	return out
}

func (tx *Tx) markPartial() error {
	return tx.repo.writePartial(tx.partialCommits(true), nil, tx.fsync)
}

// writePartial writes the markers of partial commits.
func (r *Repo) writePartial(commits []object.Checksum, marker []byte, sync bool) error {
	if len(commits) == 0 {
		return nil
	}
	state, err := openDir(r.fd(), "state")
	if err != nil {
		return err
	}
	defer state.Close()
	for _, c := range commits {
		if err := durable.WriteFileAt(state, c.String()+".commitpartial", marker, 0o644, sync); err != nil {
			return err
		}
	}
	return nil
}

func (tx *Tx) unmarkPartial() error {
	for _, c := range tx.partialCommits(false) {
		if err := unix.Unlinkat(tx.repo.fd(), partialPath(c), 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// partialReason reads a commit's marker; one that Fsck made holds the letter f.
func (r *Repo) partialReason(commit object.Checksum) (partial, byFsck bool, err error) {
	data, err := readFileAt(r.fd(), partialPath(commit), 16)
	if errors.Is(err, fs.ErrNotExist) {
		return false, false, nil
	}
	if err != nil {
		return false, false, fmt.Errorf("repo %s: %s: %w", r.path, partialPath(commit), err)
	}
	return true, len(data) > 0 && data[0] == 'f', nil
}
