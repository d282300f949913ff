package oracle_test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

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
