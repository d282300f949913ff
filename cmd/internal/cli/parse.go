package cli

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/pflag"
)

// parse reads a command line as GOption does, and returns the words that are no
// options. That differs from what pflag does in two points: the value of a short
// option is always the next argument, never the rest of its own, and so only one
// option of a bundle has a value.
func parse(set *pflag.FlagSet, args []string) (words []string, err error) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		used := 0 // arguments after this one that are values
		switch {
		case arg == "--":
			return append(words, args[i+1:]...), nil
		case strings.HasPrefix(arg, "--"):
			used, err = parseLong(set, arg, args[i+1:])
		case len(arg) > 1 && arg[0] == '-':
			used, err = parseShorts(set, arg, args[i+1:])
		default:
			words = append(words, arg)
		}
		if err != nil {
			return nil, err
		}
		i += used
	}
	return words, nil
}

// parseLong reads an option with a long name; its value may be in next.
func parseLong(set *pflag.FlagSet, arg string, next []string) (used int, err error) {
	name, value, inside := strings.Cut(arg[2:], "=")
	f := set.Lookup(name)
	switch {
	case f == nil || f.Name == "help" && inside:
		return 0, fmt.Errorf("Unknown option %s", arg)
	case f.NoOptDefVal != "": // what stands after "=" is ignored
		return 0, setOption(f, f.NoOptDefVal)
	case inside:
		return 0, setOption(f, value)
	case len(next) == 0:
		return 0, fmt.Errorf("Missing argument for --%s", name)
	}
	return 1, setOption(f, next[0])
}

// parseShorts reads a bundle of one-letter options.
func parseShorts(set *pflag.FlagSet, arg string, next []string) (used int, err error) {
	for _, letter := range arg[1:] {
		var f *pflag.Flag
		if letter < utf8.RuneSelf {
			f = set.ShorthandLookup(string(letter))
		}
		switch {
		case f == nil:
			return 0, fmt.Errorf("Unknown option %s", arg)
		case f.NoOptDefVal != "":
			err = setOption(f, f.NoOptDefVal)
		case used > 0:
			err = fmt.Errorf("Error parsing option -%c", letter)
		case len(next) == 0:
			err = fmt.Errorf("Missing argument for -%c", letter)
		default:
			used, err = 1, setOption(f, next[0])
		}
		if err != nil {
			return 0, err
		}
	}
	return used, nil
}

// setOption gives an option its value, or says in GOption's words why it cannot.
func setOption(f *pflag.Flag, value string) error {
	err := f.Value.Set(value)
	switch e := err.(type) {
	case nil:
		f.Changed = true
		return nil
	case *integerError:
		return fmt.Errorf(e.format, value, "--"+f.Name)
	case *truthError:
		return e
	}
	switch err {
	case pflag.ErrHelp:
		return err
	case errRefused:
		return fmt.Errorf("option --%s: %w", f.Name, err)
	}
	return fmt.Errorf("--%s: %w", f.Name, err)
}

// excluded looks for two options that exclude each other.
func excluded(set *pflag.FlagSet) (err error) {
	set.VisitAll(func(f *pflag.Flag) {
		for _, other := range f.Annotations[excludes] {
			if f.Changed && set.Changed(other) && err == nil {
				err = fmt.Errorf("Cannot specify both --%s and --%s", f.Name, other)
			}
		}
	})
	return err
}
