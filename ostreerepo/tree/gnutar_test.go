package tree_test

import (
	"bytes"
	"os/exec"
	"testing"
)

// run runs a program in dir and returns its standard output.
func run(t testing.TB, dir string, stdin []byte, name string, args ...string) []byte {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, bytes.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, stderr.Bytes())
	}
	return stdout.Bytes()
}

func gnuTar(t testing.TB, dir string, args ...string) []byte {
	t.Helper()
	return run(t, dir, nil, "tar", append(args, "--sort=name", "-c", ".")...)
}
