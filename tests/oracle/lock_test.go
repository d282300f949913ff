package oracle_test

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// lockedRepo is a repository that gives up on a lock at once.
func lockedRepo(t *testing.T) (repo, commit string) {
	t.Helper()
	repo = filepath.Join(dir(t), "repo")
	commit = commitInto(t, repo, "ostree", "archive", smallTree(t, dir(t)+"/tree", 5))
	run(t, "ostree", "--repo="+repo, "config", "set", "core.lock-timeout-secs", "0")
	return repo, commit
}

// holdOpen starts a commit that waits for its tar, and so stays in its
// transaction. The function that is returned lets it end.
func holdOpen(t *testing.T, program, repo string) (end func() error) {
	t.Helper()
	cmd := exec.Command(program, "--repo="+repo, "commit", "--branch=held", "--timestamp=@1", "--tree=tar=-")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stdin.Close(); cmd.Process.Kill() })
	for range 200 { // until it has the lock
		if locked(t, repo) {
			return func() error {
				return errors.Join(writeTar(stdin), stdin.Close(), cmd.Wait())
			}
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("%s takes no lock", program)
	return nil
}

// writeTar writes an archive of one directory.
func writeTar(w io.Writer) error {
	archive := tar.NewWriter(w)
	err := archive.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: "./", Mode: 0o755})
	return errors.Join(err, archive.Close())
}

// locked reports whether somebody keeps others from locking exclusively.
func locked(t *testing.T, repo string) bool {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(repo, ".lock"), os.O_RDWR|os.O_CREATE, 0o660)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	return unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &lock) != nil
}

// TestLocks: what one program locks, the other respects.
func TestLocks(t *testing.T) {
	need(t, "ostree")
	for _, c := range []struct{ holder, other string }{{treenail, "ostree"}, {"ostree", treenail}} {
		t.Run(filepath.Base(c.holder), func(t *testing.T) {
			repo, _ := lockedRepo(t)
			end := holdOpen(t, c.holder, repo)
			// Two may write, nobody may prune.
			run(t, c.other, "--repo="+repo, "commit", "--branch=other", "--timestamp=@1", "--tree=dir="+smallTree(t, dir(t)+"/tree", 3))
			if line := refuse(t, "ostree", "--repo="+repo, "prune"); !strings.Contains(line, "Locking repo exclusive failed") {
				t.Errorf("prune was refused for another reason: %s", line)
			}
			if err := end(); err != nil {
				t.Errorf("the commit that was held open: %v", err)
			}
			run(t, "ostree", "--repo="+repo, "prune", "--refs-only")
			run(t, treenail, "--repo="+repo, "fsck", "--quiet")
		})
	}
	t.Run("exclusive", func(t *testing.T) {
		repo, commit := lockedRepo(t)
		f, err := os.OpenFile(filepath.Join(repo, ".lock"), os.O_RDWR|os.O_CREATE, 0o660)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK}); err != nil {
			t.Fatal(err)
		}
		args := append([]string{"--repo=" + repo}, commitArgs("archive", smallTree(t, dir(t)+"/tree", 9))...)
		want, got := refuse(t, "ostree", args...), refuse(t, treenail, args...)
		if want != got {
			t.Errorf("want %q\ngot  %q", want, got)
		}
		revIs(t, repo, commit)
	})
}

// TestTogether lets both programs commit into one repository, while one prunes.
func TestTogether(t *testing.T) {
	need(t, "ostree")
	repo := filepath.Join(dir(t), "repo")
	run(t, "ostree", "--repo="+repo, "init", "--mode=archive")
	tree := smallTree(t, dir(t)+"/tree", 40)
	var wait sync.WaitGroup
	for name, args := range map[string][]string{
		"a": {treenail, "commit", "--branch=test/one", "--tree=dir=" + tree, "--timestamp=@1"},
		"b": {"ostree", "commit", "--branch=test/two", "--tree=dir=" + tree, "--timestamp=@1"},
		"c": {treenail, "commit", "--branch=test/three", "--tree=dir=" + filepath.Join(tree, "usr")},
		"d": {"ostree", "prune", "--refs-only", "--depth=1"},
	} {
		wait.Go(func() {
			for range 12 {
				if out, err := exec.Command(args[0], append(args[1:], "--repo="+repo)...).CombinedOutput(); err != nil {
					t.Errorf("%s: %s: %v\n%s", name, strings.Join(args, " "), err, out)
					return
				}
			}
		})
	}
	wait.Wait()
	for _, program := range []string{treenail, "ostree"} {
		run(t, program, "--repo="+repo, "fsck", "--quiet")
	}
}
