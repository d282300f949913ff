package cli_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/cmd/internal/cli"
)

// options is what the command of the test program was given.
type options struct {
	verbose, long bool
	name          string
	list          []string
	number        int
	truth         bool
	args          []string
}

// testProgram has one command, "do", and a group "many" with "one" in it.
func testProgram(o *options, run func(context.Context, *cli.Env) error) *cli.Program {
	do := &cli.Command{
		Name: "do", Args: "THING", Summary: "Do a thing", Group: "Things", NoRepo: true,
		Flags: func(f *cli.Flags) {
			f.Bool(&o.long, "long", "l", "Take long")
			f.String(&o.name, "name", "n", "NAME", "Its name")
			f.Strings(&o.list, "item", "", "ITEM", "One more")
			f.Int(&o.number, "number", "", "N", "How many")
			f.Truth(&o.truth, "sync", "", "POLICY", "Whether to")
			f.Progress()
			f.Unsupported("secret=", "X/other")
		},
		Run: func(ctx context.Context, env *cli.Env, args []string) error {
			o.args, o.verbose = args, env.Verbose
			if len(args) == 0 {
				return cli.Usagef("THING must be specified")
			}
			if run == nil {
				return nil
			}
			return run(ctx, env)
		},
	}
	many := &cli.Command{
		Name: "many", Summary: "Many things", Group: "Things", NoRepo: true,
		Commands: []*cli.Command{{Name: "one", Summary: "One of them", NoRepo: true, Run: do.Run}},
	}
	return &cli.Program{
		Name: "prog", Summary: "A program.", Groups: []string{"Things"},
		Commands: []*cli.Command{do, many},
		Version:  func(w io.Writer) { fmt.Fprintln(w, "v1") },
	}
}

type result struct {
	code        int
	out, err    string
	lastErrLine string
}

func runProgram(ctx context.Context, p *cli.Program, args ...string) result {
	var stdout, stderr bytes.Buffer
	code := p.Run(ctx, args, cli.Streams{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr})
	lines := strings.Split(strings.TrimSuffix(stderr.String(), "\n"), "\n")
	return result{code, stdout.String(), stderr.String(), lines[len(lines)-1]}
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		args string
		want options
	}{
		{"do x", options{args: []string{"x"}}},
		{"do -l x", options{long: true, args: []string{"x"}}},
		{"do x --long y", options{long: true, args: []string{"x", "y"}}},
		{"do --long=0 x", options{long: true, args: []string{"x"}}},
		{"do -lv x", options{long: true, verbose: true, args: []string{"x"}}},
		{"do -n a --name=b x", options{name: "b", args: []string{"x"}}},
		{"do -ln a x", options{long: true, name: "a", args: []string{"x"}}},
		{"do --item 1,2 --item=3 x", options{list: []string{"1,2", "3"}, args: []string{"x"}}},
		{"do --number=-5 x", options{number: -5, args: []string{"x"}}},
		{"do --number 0x10 x", options{number: 16, args: []string{"x"}}},
		{"do --number 010 x", options{number: 8, args: []string{"x"}}},
		{"do --sync=True x", options{truth: true, args: []string{"x"}}},
		{"do --sync none x", options{args: []string{"x"}}},
		{"do -- --long", options{args: []string{"--long"}}},
		{"do x -- -l -- y", options{args: []string{"x", "-l", "--", "y"}}},
		{"--name=a do x", options{name: "a", args: []string{"x"}}},
		{"-v do x", options{verbose: true, args: []string{"x"}}},
		{"do -nl a x", options{long: true, name: "a", args: []string{"x"}}},
		{"do -n =a -", options{name: "=a", args: []string{"-"}}},
		{"-- do x", options{args: []string{"x"}}},
		{"many one x", options{args: []string{"x"}}},
		{"-v many -v one x", options{verbose: true, args: []string{"x"}}},
	} {
		t.Run(c.args, func(t *testing.T) {
			var o options
			r := runProgram(t.Context(), testProgram(&o, nil), strings.Fields(c.args)...)
			if r.code != 0 || r.err != "" {
				t.Fatalf("exit code %d, standard error %q", r.code, r.err)
			}
			if diff := cmp.Diff(c.want, o, cmp.AllowUnexported(options{})); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		args, want string
		usage      bool
	}{
		{"", "error: No command specified", true},
		{"nope", "error: Unknown command 'nope'", true},
		{"nope x y", "error: Unknown command 'nope'", true},
		{"--nope", "error: Unknown option --nope", true},
		{"--name=x nope", "error: Unknown option --name=x", true},
		{"many", `error: No "many" subcommand specified`, true},
		{"many nope", `error: Unknown "many" subcommand 'nope'`, true},
		{"many --nope", "error: Unknown option --nope", true},
		{"do", "error: THING must be specified", true},
		{"do --nope", "error: Unknown option --nope", false},
		{"do --nope=a x", "error: Unknown option --nope=a", false},
		{"do --lon x", "error: Unknown option --lon", false},
		{"do -lz x", "error: Unknown option -lz", false},
		{"do -n", "error: Missing argument for -n", false},
		{"do -na x", "error: Unknown option -na", false},
		{"do -l=1 x", "error: Unknown option -l=1", false},
		{"do -nn a b", "error: Error parsing option -n", false},
		{"do --help=x", "error: Unknown option --help=x", false},
		{"do --number=0b1 x", "error: Cannot parse integer value “0b1” for --number", false},
		{"do --number=1_0 x", "error: Cannot parse integer value “1_0” for --number", false},
		{"--name x do", "error: Unknown option --name", true},
		{"many --nope one", "error: Unknown option --nope", false},
		{"-", "error: No command specified", true},
		{"do --name", "error: Missing argument for --name", false},
		{"do --number=five x", "error: Cannot parse integer value “five” for --number", false},
		{"do --number= x", "error: Cannot parse integer value “” for --number", false},
		{"do --number=4294967296 x", "error: Integer value “4294967296” for --number out of range", false},
		{"do --sync=maybe x", "error: Invalid boolean argument 'maybe'", false},
		{"do --secret=x x", "error: option --secret: not supported by this version", false},
		{"do -X x", "error: option --other: not supported by this version", false},
		{"do --progress=loud x", "error: --progress: invalid value 'loud', must be one of: auto, bar, json, none", false},
		{"help nope", "error: Unknown command 'nope'", false},
	} {
		t.Run(c.args, func(t *testing.T) {
			r := runProgram(t.Context(), testProgram(&options{}, nil), strings.Fields(c.args)...)
			if r.code != 1 || r.out != "" {
				t.Errorf("exit code %d, standard output %q", r.code, r.out)
			}
			if r.lastErrLine != c.want {
				t.Errorf("last line of standard error is %q, want %q", r.lastErrLine, c.want)
			}
			if got := strings.Count(r.err, "Usage:\n"); got != map[bool]int{true: 1}[c.usage] {
				t.Errorf("usage printed %d times:\n%s", got, r.err)
			}
		})
	}
}

func TestHelp(t *testing.T) {
	const do = `Usage:
  prog do [OPTION…] THING

Do a thing

Help Options:
  -h, --help          Show help options

Application Options:
  -l, --long          Take long
  -n, --name=NAME     Its name
  --item=ITEM         One more
  --number=N          How many
  --sync=POLICY       Whether to
  --progress=HOW      Progress on standard error: auto (a bar on a terminal), bar, json (an object a line) or none
  -v, --verbose       Print debug messages to standard error
  --version           Print the version and exit

`
	const many = `Usage:
  prog many [OPTION…] COMMAND

Many things

Builtin "many" Commands:
  one               One of them

Help Options:
  -h, --help        Show help options

Application Options:
  -v, --verbose     Print debug messages to standard error
  --version         Print the version and exit

`
	for _, c := range []struct{ args, want string }{
		{"do --help", do}, {"do -h", do}, {"do x --help --nope", do}, {"help do", do}, {"--help do", do},
		{"many --help", many},
	} {
		r := runProgram(t.Context(), testProgram(&options{}, nil), strings.Fields(c.args)...)
		if r.code != 0 || r.err != "" {
			t.Errorf("%s: exit code %d, standard error %q", c.args, r.code, r.err)
		}
		if diff := cmp.Diff(c.want, r.out); diff != "" {
			t.Errorf("%s: %s", c.args, diff)
		}
	}
}

func TestOverview(t *testing.T) {
	for flat, want := range map[bool]string{false: "Things:\n  do  ", true: "Builtin Commands:\n  do  "} {
		p := testProgram(&options{}, nil)
		p.Flat = flat
		if r := runProgram(t.Context(), p, "--help"); !strings.Contains(r.out, want) {
			t.Errorf("flat %v: no %q in:\n%s", flat, want, r.out)
		}
	}
}

func TestVersion(t *testing.T) {
	for _, args := range []string{"--version", "do --version", "many --version", "many one --version"} {
		if r := runProgram(t.Context(), testProgram(&options{}, nil), strings.Fields(args)...); r.out != "v1\n" || r.code != 0 {
			t.Errorf("%s: %+v", args, r)
		}
	}
}

func TestMessages(t *testing.T) {
	interrupted, cancel := context.WithCancelCause(t.Context())
	cancel(&cli.Interrupted{Signal: syscall.SIGTERM})
	for _, c := range []struct {
		ctx  context.Context
		err  error
		code int
		want string
	}{
		{t.Context(), errors.New("it broke"), 1, "error: it broke\n"},
		{t.Context(), fmt.Errorf("open x: %w", syscall.ENOENT), 1, "error: open x: No such file or directory\n"},
		{t.Context(), fmt.Errorf("%w: it is there", syscall.EEXIST), 1, "error: file exists: it is there\n"},
		{interrupted, fmt.Errorf("commit: %w", context.Canceled), 128 + 15, "error: interrupted by signal: terminated\n"},
		{interrupted, errors.New("it broke"), 1, "error: it broke\n"},
	} {
		p := testProgram(&options{}, func(context.Context, *cli.Env) error { return c.err })
		if r := runProgram(c.ctx, p, "do", "x"); r.code != c.code || r.err != c.want {
			t.Errorf("%v: exit code %d, standard error %q", c.err, r.code, r.err)
		}
	}
}

// failingWriter is a full disk.
type failingWriter struct{}

func (failingWriter) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestLostOutput(t *testing.T) {
	var stderr bytes.Buffer
	p := testProgram(&options{}, func(_ context.Context, env *cli.Env) error {
		env.Println("result")
		return nil
	})
	code := p.Run(t.Context(), []string{"do", "x"}, cli.Streams{Stdout: failingWriter{}, Stderr: &stderr})
	if code != 1 || !strings.Contains(stderr.String(), "No space left on device") {
		t.Errorf("exit code %d, standard error %q", code, stderr.String())
	}
}

func TestOutputBeforeWarning(t *testing.T) {
	var both bytes.Buffer
	p := testProgram(&options{}, func(_ context.Context, env *cli.Env) error {
		env.Println("first")
		env.Warnf("second")
		env.Debugf("nothing")
		return nil
	})
	p.Run(t.Context(), []string{"do", "x"}, cli.Streams{Stdout: &both, Stderr: &both})
	if both.String() != "first\nsecond\n" {
		t.Errorf("%q", both.String())
	}
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		p := testProgram(&options{}, nil)
		p.Commands = append(p.Commands, cli.Completion())
		if r := runProgram(t.Context(), p, "completion", shell); r.code != 0 || !strings.Contains(r.out, "prog") {
			t.Errorf("%s: %+v", shell, r)
		}
	}
	p := testProgram(&options{}, nil)
	if r := runProgram(t.Context(), p, "__complete", "d"); !strings.Contains(r.out, "do\tDo a thing") {
		t.Errorf("completing a verb: %+v", r)
	}
	if r := runProgram(t.Context(), p, "__complete", "do", "--na"); !strings.Contains(r.out, "--name") {
		t.Errorf("completing an option: %+v", r)
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 bytes", 1: "1 byte", 999: "999 bytes", 1000: "1.0\u00a0kB", 300700: "300.7\u00a0kB",
		999999: "1000.0\u00a0kB", 1e6: "1.0\u00a0MB", 1234567890: "1.2\u00a0GB", 1<<64 - 1: "18.4\u00a0EB",
	} {
		if got := cli.Size(n); got != want {
			t.Errorf("Size(%d) = %q, want %q", n, got, want)
		}
	}
}
