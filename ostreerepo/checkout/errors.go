package checkout

import "strings"

// sysError is a failed system call in libostree's words, which begin the
// message of an errno with a capital, as the C library does.
type sysError struct {
	op  string // the call, and what it was about
	err error
}

func (e *sysError) Error() string {
	text := e.err.Error()
	return e.op + ": " + strings.ToUpper(text[:1]) + text[1:]
}

func (e *sysError) Unwrap() error { return e.err }
