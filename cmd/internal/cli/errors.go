package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"golang.org/x/term"
)

// UsageError says that a command line cannot be understood. The program
// answers it with the usage of the command, then the message.
type UsageError struct {
	Message string
	tight   bool // one blank line before the message, not two
}

func (e *UsageError) Error() string { return e.Message }

// Usagef makes a UsageError.
func Usagef(format string, args ...any) error {
	return &UsageError{Message: fmt.Sprintf(format, args...)}
}

// topUsagef makes a UsageError above all commands, such as an unknown verb.
func topUsagef(format string, args ...any) error {
	return &UsageError{Message: fmt.Sprintf(format, args...), tight: true}
}

// Interrupted is the cause with which the main program cancels the context of
// a command when a signal arrives.
type Interrupted struct{ Signal syscall.Signal }

func (e *Interrupted) Error() string { return "interrupted by signal: " + e.Signal.String() }

// exitCode is the only place that turns an error into a number.
func exitCode(err error) int {
	var interrupted *Interrupted
	switch {
	case err == nil:
		return 0
	case errors.As(err, &interrupted):
		return 128 + int(interrupted.Signal)
	}
	return 1
}

// cause puts the signal in the place of "context canceled".
func cause(ctx context.Context, err error) error {
	if err != nil && errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// printError writes the last line of a run that did not succeed; on a
// terminal its first word is bold red.
func printError(w io.Writer, err error) {
	prefix := "error:"
	if isTerminal(w) {
		prefix = "\x1b[31m\x1b[1merror:\x1b[22m\x1b[0m"
	}
	fmt.Fprintf(w, "%s %s\n", prefix, Message(err))
}

// Message is the text of an error. A system error at its end is written as C
// programs write it, with a capital, because scripts look for those words.
func Message(err error) string {
	text := err.Error()
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return text
	}
	rest, found := strings.CutSuffix(text, errno.Error())
	if reason := errno.Error(); found && reason != "" {
		return rest + strings.ToUpper(reason[:1]) + reason[1:]
	}
	return text
}

// isTerminal reports whether what is written to w is read by a person now.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
