package cli

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
)

// Flags declares the options of a command in the order its help lists them.
//
// In every method name is the long name without dashes, short the one-letter
// name or "", arg the word that stands for the value in the help ("" shows
// none) and usage the description.
type Flags struct {
	set *pflag.FlagSet
	env *Env
}

// Bool declares an option without a value.
func (f *Flags) Bool(p *bool, name, short, usage string) {
	f.add((*boolValue)(p), name, short, usage).NoOptDefVal = "true"
}

// String declares an option with a value; given twice, the last one counts.
func (f *Flags) String(p *string, name, short, arg, usage string) {
	f.add(&stringValue{p: p, argName: argName(arg)}, name, short, usage)
}

// Given makes *p true when the option of this name, declared by String, is there at
// all: where that decides what is done an empty value is one, too.
func (f *Flags) Given(p *bool, name string) {
	f.set.Lookup(name).Value.(*stringValue).given = p
}

// NotEmpty makes an empty value of these options, declared by String, an error: a
// script whose variable has no value means something else than not to give them.
func (f *Flags) NotEmpty(names ...string) {
	for _, name := range names {
		f.set.Lookup(name).Value.(*stringValue).notEmpty = true
	}
}

// Strings declares an option that may be repeated.
func (f *Flags) Strings(p *[]string, name, short, arg, usage string) {
	f.add(&stringsValue{p: p, argName: argName(arg)}, name, short, usage)
}

// Int declares an option with a 32-bit integer: decimal, octal after a
// leading 0, or hexadecimal after 0x.
func (f *Flags) Int(p *int, name, short, arg, usage string) {
	f.add(&intValue{p: p, argName: argName(arg)}, name, short, usage)
}

// Truth declares an option whose value says yes or no in words: 1, true, yes
// or 0, false, no, none.
func (f *Flags) Truth(p *bool, name, short, arg, usage string) {
	f.add(&truthValue{p: p, argName: argName(arg)}, name, short, usage)
}

// Choice declares an option with a value out of a list.
func (f *Flags) Choice(p *string, name, short, arg string, choices []string, usage string) {
	f.add(&choiceValue{p: p, choices: choices, argName: argName(arg)}, name, short, usage)
}

// Hide keeps an option out of the help.
func (f *Flags) Hide(name string) { f.set.Lookup(name).Hidden = true }

// Exclude makes it an error to give an option together with one of the others.
func (f *Flags) Exclude(name string, others ...string) {
	f.set.Lookup(name).Annotations = map[string][]string{excludes: others}
}

// excludes is the annotation of an option that holds what Exclude says of it.
const excludes = "excludes"

// Unsupported declares options of the C ostree that this program knows and
// refuses with a clear error. A name that ends in "=" takes a value; "P/name"
// has P as its short name.
func (f *Flags) Unsupported(names ...string) {
	for _, name := range names {
		short := ""
		if len(name) > 2 && name[1] == '/' {
			short, name = name[:1], name[2:]
		}
		noValue := name[len(name)-1] != '='
		if !noValue {
			name = name[:len(name)-1]
		}
		flag := f.add(refusedValue{}, name, short, "")
		flag.Hidden = true
		if noValue {
			flag.NoOptDefVal = "true"
		}
	}
}

func (f *Flags) add(v pflag.Value, name, short, usage string) *pflag.Flag {
	return f.set.VarPF(v, name, short, usage)
}

// errRefused is the cause of the error for an option declared by Unsupported.
var errRefused = errors.New("not supported by this version")

// argName is the value's name in the help; pflag asks a Value for it as Type.
type argName string

func (a argName) Type() string { return string(a) }

type boolValue bool

func (v *boolValue) Set(string) error { *v = true; return nil }
func (v *boolValue) String() string   { return strconv.FormatBool(v != nil && bool(*v)) }
func (v *boolValue) Type() string     { return "bool" } // cobra asks for some by this type

type stringValue struct {
	p        *string
	given    *bool // see Flags.Given
	notEmpty bool
	argName
}

func (v *stringValue) String() string { return "" }

func (v *stringValue) Set(s string) error {
	if s == "" && v.notEmpty {
		return errors.New("the value is empty")
	}
	*v.p = s
	if v.given != nil {
		*v.given = true
	}
	return nil
}

type stringsValue struct {
	p *[]string
	argName
}

func (v *stringsValue) Set(s string) error { *v.p = append(*v.p, s); return nil }
func (v *stringsValue) String() string     { return "" }

type intValue struct {
	p *int
	argName
}

func (v *intValue) String() string { return "" }

func (v *intValue) Set(s string) error {
	n, err := parseInt(s)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return &integerError{format: "Integer value “%s” for %s out of range"}
	case err != nil:
		return &integerError{format: "Cannot parse integer value “%s” for %s"}
	}
	*v.p = int(n)
	return nil
}

// parseInt reads what strtol does, which knows fewer forms of numbers than Go.
func parseInt(s string) (int64, error) {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	if strings.ContainsAny(s, "_oO") || strings.ContainsAny(s, "bB") && !strings.ContainsAny(s, "xX") {
		return 0, strconv.ErrSyntax
	}
	return strconv.ParseInt(s, 0, 32)
}

// integerError says why a value is no integer; its format takes the value and
// the option as written.
type integerError struct{ format string }

func (e *integerError) Error() string { return e.format }

type truthValue struct {
	p *bool
	argName
}

func (v *truthValue) String() string { return "" }

func (v *truthValue) Set(s string) error {
	switch strings.ToLower(s) {
	case "1", "true", "yes":
		*v.p = true
	case "0", "false", "no", "none":
		*v.p = false
	default:
		return &truthError{s}
	}
	return nil
}

type truthError struct{ value string }

func (e *truthError) Error() string { return fmt.Sprintf("Invalid boolean argument '%s'", e.value) }

type choiceValue struct {
	p       *string
	choices []string
	argName
}

func (v *choiceValue) String() string { return "" }

func (v *choiceValue) Set(s string) error {
	if !slices.Contains(v.choices, s) {
		return fmt.Errorf("invalid value '%s', must be one of: %s", s, strings.Join(v.choices, ", "))
	}
	*v.p = s
	return nil
}

type refusedValue struct{}

func (refusedValue) Set(string) error { return errRefused }
func (refusedValue) String() string   { return "" }
func (refusedValue) Type() string     { return "" }

// helpValue ends parsing at once, as GOption does at --help.
type helpValue struct{}

func (helpValue) Set(string) error { return pflag.ErrHelp }
func (helpValue) String() string   { return "false" }
func (helpValue) Type() string     { return "bool" }
