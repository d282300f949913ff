package tree_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/treenail/treenail/format/object"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/tree"
)

// roots are the checksums of a tree's root: dirtree and dirmeta.
type roots struct{ contents, meta string }

// build writes the tree that add assembles and returns its roots.
func build(r *ostreerepo.Repo, o tree.Options, add func(context.Context, *tree.Tree) error) (roots, error) {
	var got roots
	ctx := context.Background()
	err := r.Update(ctx, ostreerepo.UpdateOptions{DisableFsync: true}, func(tx *ostreerepo.Tx) error {
		t := tree.New(tx, o)
		if err := add(ctx, t); err != nil {
			return err
		}
		contents, meta, err := t.Write(ctx)
		got = roots{contents.String(), meta.String()}
		return err
	})
	return got, err
}

func mustBuild(t testing.TB, r *ostreerepo.Repo, o tree.Options, add func(context.Context, *tree.Tree) error) roots {
	t.Helper()
	got, err := build(r, o, add)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func dirs(paths ...string) func(context.Context, *tree.Tree) error {
	return func(ctx context.Context, t *tree.Tree) error {
		for _, path := range paths {
			if err := t.AddDir(ctx, path); err != nil {
				return err
			}
		}
		return nil
	}
}

func tars(archives ...[]byte) func(context.Context, *tree.Tree) error {
	return func(ctx context.Context, t *tree.Tree) error {
		for _, data := range archives {
			if err := t.AddTar(ctx, bytes.NewReader(data)); err != nil {
				return err
			}
		}
		return nil
	}
}

// ostree runs libostree's program on a repository and returns what it prints.
func ostree(t testing.TB, repo string, args ...string) string {
	t.Helper()
	out, err := tryOstree(repo, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

type ostreeError struct{ text string }

func (e *ostreeError) Error() string { return e.text }

func tryOstree(repo string, args ...string) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.Command("ostree", append([]string{"--repo=" + repo}, args...)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return "", &ostreeError{"ostree " + strings.Join(args, " ") + ": " + err.Error() + ": " + stderr.String()}
	}
	return stdout.String(), nil
}

func newOracle(t testing.TB, mode string) string {
	t.Helper()
	repo := filepath.Join(t.TempDir(), "oracle")
	ostree(t, repo, "init", "--mode="+mode)
	return repo
}

// theirs commits with libostree's program and returns the roots.
func theirs(t testing.TB, repo string, args ...string) roots {
	t.Helper()
	got, err := tryTheirs(repo, args...)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func tryTheirs(repo string, args ...string) (roots, error) {
	out, err := tryOstree(repo, append([]string{"commit", "--orphan", "--timestamp=@1", "--fsync=false"}, args...)...)
	if err != nil {
		return roots{}, err
	}
	out, err = tryOstree(repo, "ls", "-d", "-C", strings.TrimSpace(out))
	fields := strings.Fields(out)
	if err != nil || len(fields) < 6 {
		return roots{}, &ostreeError{"ostree ls: " + out}
	}
	return roots{fields[4], fields[5]}, nil
}

// compare fails unless both trees are the same, and then lists where they differ.
func compare(t *testing.T, r *ostreerepo.Repo, got roots, oracle string, want roots) {
	t.Helper()
	if got == want {
		return
	}
	t.Errorf("tree %v\nostree %v", got, want)
	ours := map[string]string{}
	for e, err := range r.Walk(checksum(t, got.contents), checksum(t, got.meta)) {
		if err != nil {
			t.Fatal(err)
		}
		ours[e.Path] = e.Checksum.String() + e.Meta.String()
	}
	other, err := ostreerepo.Open(oracle)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for e, err := range other.Walk(checksum(t, want.contents), checksum(t, want.meta)) {
		if err != nil {
			t.Fatal(err)
		}
		if ours[e.Path] != e.Checksum.String()+e.Meta.String() {
			t.Errorf("differs: %q", e.Path)
		}
		delete(ours, e.Path)
	}
	for path := range ours {
		t.Errorf("only ours: %q", path)
	}
}

func checksum(t testing.TB, s string) object.Checksum {
	t.Helper()
	c, err := object.ParseChecksum(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func writeFile(t testing.TB, path, data string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
