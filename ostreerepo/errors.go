package ostreerepo

import (
	"errors"
	"fmt"

	"github.com/treenail/treenail/format/object"
)

// ErrNotFound is in the chain of every error that says an object, a ref or a
// path in a tree is not there.
var ErrNotFound = errors.New("not found")

// NotFoundError says which object is missing.
type NotFoundError struct{ Name object.Name }

func (e *NotFoundError) Error() string { return fmt.Sprintf("No such metadata object %s", e.Name) }

// Is makes the error match ErrNotFound.
func (e *NotFoundError) Is(target error) bool { return target == ErrNotFound }

// RevError says that a ref or an abbreviated checksum names no commit.
type RevError struct {
	Rev    string
	Reason string // "not found" or "not unique"
}

func (e *RevError) Error() string {
	if e.Reason == "not unique" {
		return fmt.Sprintf("Refspec %s not unique", e.Rev)
	}
	return fmt.Sprintf("Refspec '%s' %s", e.Rev, e.Reason)
}

// Is makes a rev that was not found match ErrNotFound.
func (e *RevError) Is(target error) bool { return target == ErrNotFound && e.Reason == "not found" }

// NoParentError says that REV^ was asked of a commit without a parent.
type NoParentError struct{ Commit object.Checksum }

func (e *NoParentError) Error() string { return fmt.Sprintf("Commit %s has no parent", e.Commit) }
