package cli_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/cmd/internal/cli"
)

func TestProgressInPipe(t *testing.T) {
	for _, how := range []string{"", "--progress=auto", "--progress=none"} {
		args := append([]string{"do", "x"}, strings.Fields(how)...)
		p := testProgram(&options{}, func(_ context.Context, env *cli.Env) error {
			meter := env.Meter("work", cli.Files)
			if meter.Func() != nil {
				t.Errorf("%q: progress is reported to a pipe", how)
			}
			meter.Done()
			return nil
		})
		if r := runProgram(t.Context(), p, args...); r.err != "" {
			t.Errorf("%q: standard error %q", how, r.err)
		}
	}
}

func TestProgressJSON(t *testing.T) {
	p := testProgram(&options{}, func(_ context.Context, env *cli.Env) error {
		meter := env.Meter("work", cli.Bytes)
		report := meter.Func()
		report(0, -1)
		report(5, 10) // too soon after the first
		meter.Done()
		return nil
	})
	const want = `{"operation":"work","unit":"bytes","done":0}
{"operation":"work","unit":"bytes","done":5,"total":10,"finished":true}
`
	r := runProgram(t.Context(), p, "do", "x", "--progress=json")
	if diff := cmp.Diff(want, r.err); diff != "" {
		t.Error(diff)
	}
}

func TestProgressBar(t *testing.T) {
	p := testProgram(&options{}, func(_ context.Context, env *cli.Env) error {
		meter := env.Meter("work", cli.Bytes)
		meter.Func()(5, 10)
		meter.Done()
		meter = env.Meter("nothing", cli.Files)
		meter.Done()
		return nil
	})
	r := runProgram(t.Context(), p, "do", "x", "--progress=bar")
	if r.code != 0 || r.out != "" || strings.Contains(r.err, "nothing") {
		t.Errorf("%+v", r)
	}
}
