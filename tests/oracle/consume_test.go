package oracle_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestKillConsume kills a commit that consumes its tree at all kinds of steps. Before
// the branch names the commit nothing of the tree is gone, and afterwards nothing of
// it is missing in the commit.
func TestKillConsume(t *testing.T) {
	need(t, "strace", "ostree")
	d := dir(t)
	tree := smallTree(t, d+"/tree", 12)
	for _, mode := range []string{"bare", "bare-user"} {
		t.Run(mode, func(t *testing.T) {
			base := filepath.Join(d, mode)
			run(t, "ostree", "--repo="+base, "init", "--mode="+mode)
			kills := 0
			for _, call := range []string{"linkat", "renameat2", "renameat", "utimensat", "unlinkat"} {
				for _, at := range []int{1, 3, 9, 25} {
					if killConsume(t, base, tree, call, at) {
						kills++
					}
				}
			}
			if kills < 5 {
				t.Errorf("only %d runs were killed: this test shows nothing", kills)
			}
		})
	}
}

func killConsume(t *testing.T, base, tree, call string, at int) (killed bool) {
	t.Helper()
	work := dir(t)
	defer os.RemoveAll(work)
	repo, eaten := work+"/repo", work+"/tree"
	run(t, "cp", "-a", base, repo)
	run(t, "cp", "-a", tree, eaten)
	cmd := exec.Command("strace", "-f", "-qq", "-e", "trace="+call, "-o", "/dev/null",
		"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, at),
		treenail, "--repo="+repo, "commit", "-b", branch, "--consume", "--tree=dir="+eaten)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	cmd.Run()
	status := cmd.ProcessState.Sys().(syscall.WaitStatus)
	what := fmt.Sprintf("killed at %s %d", call, at)
	if _, err := os.Stat(repo + "/refs/heads/" + branch); err != nil {
		if out, err := exec.Command("diff", "-r", "--no-dereference", tree, eaten).CombinedOutput(); err != nil {
			t.Errorf("%s: there is no commit, and of the tree is missing\n%s", what, out)
		}
		return status.Signaled()
	}
	run(t, "ostree", "--repo="+repo, "fsck", "--quiet")
	run(t, "ostree", "--repo="+repo, "checkout", "-U", branch, work+"/checkout")
	if out, err := exec.Command("diff", "-r", "--no-dereference", tree, work+"/checkout").CombinedOutput(); err != nil {
		t.Errorf("%s: in the commit is missing\n%s", what, out)
	}
	return status.Signaled()
}

// TestSystemRemotes: the repository of the system has remotes in files of their own.
// Each command runs in a root directory that has only the program and a repository.
func TestSystemRemotes(t *testing.T) {
	root := dir(t)
	run(t, "cp", treenail, root+"/ostree-program")
	confDir := root + "/etc/ostree/remotes.d"
	for _, d := range []string{root + "/ostree", confDir} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	inside := func(args ...string) (stdout, stderr string) {
		cmd := exec.Command("/ostree-program", append([]string{"--repo=/ostree/repo"}, args...)...)
		cmd.SysProcAttr, cmd.Dir = &syscall.SysProcAttr{Chroot: root}, "/"
		stdout, stderr, _ = try(cmd)
		return stdout, strings.TrimSpace(stderr)
	}
	write := func(name, text string) {
		if err := os.WriteFile(confDir+"/"+name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	inside("init", "--mode=bare-user")
	write("two.conf", "[remote \"a\"]\nurl=http://a/\n\n[remote \"b\"]\nurl=http://b/\n")
	write("ignored.txt", "nonsense")
	for _, c := range []struct {
		args           []string
		stdout, stderr string
	}{
		{[]string{"remote", "list", "-u"}, "a  http://a/\nb  http://b/\n", ""},
		{[]string{"remote", "add", "new", "http://new", "main"}, "", ""},
		{[]string{"remote", "add", "new", "http://other"}, "", `error: Remote configuration for "new" already exists: /etc/ostree/remotes.d/new.conf`},
		{[]string{"config", "set", `--group=remote "a"`, "url", "x"}, "", `error: Remote "a" already defined in /etc/ostree/remotes.d/two.conf`},
		{[]string{"remote", "delete", "a"}, "", ""}, // b stays, which ostree deletes too
		{[]string{"remote", "list"}, "b\nnew\n", ""},
		{[]string{"config", "set", "core.add-remotes-config-dir", "false"}, "", ""},
		{[]string{"remote", "add", "here", "http://here"}, "", ""},
		{[]string{"remote", "show-url", "here"}, "http://here\n", ""},
		{[]string{"remote", "add", "here", "http://here"}, "", `error: Remote configuration for "here" already exists: (in config)`},
		{[]string{"remote", "delete", "b"}, "", ""},
	} {
		if stdout, stderr := inside(c.args...); stdout != c.stdout || stderr != c.stderr {
			t.Errorf("%q: %q, %q; want %q, %q", c.args, stdout, stderr, c.stdout, c.stderr)
		}
	}
	if text, err := os.ReadFile(confDir + "/new.conf"); string(text) != "[remote \"new\"]\nurl=http://new\nbranches=main;\n" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := os.Stat(confDir + "/two.conf"); err == nil {
		t.Error("the file without remotes is still there")
	}
	write("dup.conf", "[remote \"new\"]\nurl=http://twice/\n")
	if _, stderr := inside("refs"); stderr != `error: opening repo: Multiple specifications found for remote "new"` {
		t.Error(stderr)
	}
}
