package cli_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/treenail/treenail/cmd/internal/cli"
)

func TestRepoPath(t *testing.T) {
	top := t.TempDir()
	looksLikeRepo := filepath.Join(top, "repo")
	fromEnv := filepath.Join(top, "env")
	sysroot := filepath.Join(top, "sysroot")
	for _, dir := range []string{looksLikeRepo + "/objects", fromEnv, sysroot + "/ostree/repo", top + "/half/objects"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(looksLikeRepo+"/config", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, option, cwd, env, sysroot, want string
	}{
		{"option first", "x", looksLikeRepo, fromEnv, sysroot, "x"},
		{"then the current directory", "", looksLikeRepo, fromEnv, sysroot, "."},
		{"then the environment", "", top + "/half", fromEnv, sysroot, fromEnv},
		{"then the system", "", top, "", sysroot, sysroot + "/ostree/repo"},
		{"the environment's is missing", "", top, top + "/nope", sysroot, ""},
		{"the system's is missing", "", top, "", top, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(c.cwd)
			t.Setenv("OSTREE_REPO", c.env)
			t.Setenv("OSTREE_SYSROOT", c.sysroot)
			got, err := (&cli.Env{Repo: c.option}).RepoPath()
			if got != c.want || (err != nil) != (c.want == "") {
				t.Errorf("got %q, %v; want %q", got, err, c.want)
			}
		})
	}
}
