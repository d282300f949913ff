package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/spf13/pflag"
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

// optionError gives pflag's errors the words of GOption. args is the command
// line as it was given, in which a misspelt option is looked up with its value.
func optionError(err error, args []string) error {
	var unknown *pflag.NotExistError
	var bare *pflag.ValueRequiredError
	var bad *pflag.InvalidValueError
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return pflag.ErrHelp
	case errors.As(err, &unknown):
		return fmt.Errorf("Unknown option %s", asWritten(unknown.GetSpecifiedName(), unknown.GetSpecifiedShortnames(), args))
	case errors.As(err, &bare):
		return fmt.Errorf("Missing argument for %s", dashed(bare.GetFlag(), bare.GetSpecifiedShortnames() != ""))
	case errors.As(err, &bad):
		return valueError(bad)
	}
	return fmt.Errorf("Unknown option %s", strings.TrimPrefix(err.Error(), "bad flag syntax: "))
}

func valueError(err *pflag.InvalidValueError) error {
	var number *integerError
	if errors.As(err, &number) {
		return fmt.Errorf(number.format, err.GetValue(), dashed(err.GetFlag(), false))
	}
	var truth *truthError
	if errors.As(err, &truth) {
		return truth
	}
	if errors.Is(err, errRefused) {
		return fmt.Errorf("option --%s: %w", err.GetFlag().Name, errRefused)
	}
	return fmt.Errorf("--%s: %w", err.GetFlag().Name, errors.Unwrap(err))
}

func dashed(f *pflag.Flag, short bool) string {
	if short {
		return "-" + f.Shorthand
	}
	return "--" + f.Name
}

// asWritten finds the argument that holds the option, so that the message
// shows --name=value or a whole bundle like -xz.
func asWritten(name, shorts string, args []string) string {
	for _, arg := range args {
		short := shorts != "" && strings.HasPrefix(arg, "-") && !strings.HasPrefix(arg, "--") && strings.HasSuffix(arg, shorts)
		long := shorts == "" && (arg == "--"+name || strings.HasPrefix(arg, "--"+name+"="))
		if short || long {
			return arg
		}
	}
	return "--" + name
}
