package main

import (
	"testing"

	"github.com/treenail/treenail/tests/internal/program"
)

func TestUpstreamScripts(t *testing.T) {
	work := t.TempDir()
	binary, err := program.Build(work)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSuite(debianSuite, binary, work)
	if err != nil {
		t.Fatal(err)
	}
	names, err := mustPass()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := s.run(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			if r.verdict != pass {
				t.Errorf("%s after %d checks\n%s", r.verdict, r.ok, r.output)
			}
		})
	}
}
