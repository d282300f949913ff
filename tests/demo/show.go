package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// show runs commands in the demo's directory and prints them.
type show struct {
	ctx     context.Context
	program string
	dir     string
	source  string // the tree, as the command line names it
	times   []lap
}

// lap is how long one command took.
type lap struct {
	what string
	time time.Duration
}

// tree says what is committed: the user's tree, or one made here.
func (s *show) tree(user string) error {
	if user != "" {
		path, err := filepath.Abs(user)
		if err != nil {
			return err
		}
		info, err := os.Stat(path)
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is not a directory", path)
		}
		s.source = path
		fmt.Printf("The tree is %s.\n", path)
		return err
	}
	s.source = "tree"
	start := time.Now()
	made, err := makeTree(s.ctx, filepath.Join(s.dir, s.source))
	if err != nil {
		return err
	}
	fmt.Printf("The tree is made of real files of this machine: %s, in %s.\n", made, seconds(time.Since(start)))
	return nil
}

const ref = "demo/os"

// tour is the demo itself.
func (s *show) tour(image string) error {
	for _, step := range []struct {
		title string
		args  []string
	}{
		{"A repository for the commit", []string{"--repo=repo", "init", "--mode=bare-user"}},
		{"A directory becomes a commit", []string{"--repo=repo", "commit", "--branch=" + ref, "--subject=Files of this machine",
			"--add-metadata-string=version=1", "--owner-uid=0", "--owner-gid=0", "--table-output", "--tree=dir=" + s.source}},
		{"The commit becomes an image in a registry, split by packages", []string{"container", "encapsulate", "--tls-verify=false", "--repo=repo", ref, image}},
		{"Another repository, of another kind", []string{"--repo=copy", "init", "--mode=archive"}},
		{"The image becomes a commit again", []string{"container", "import", "--tls-verify=false", "--repo=copy", "--write-ref=" + ref, image}},
		{"Every object of it is verified", []string{"--repo=copy", "fsck"}},
		{"What the registry has", []string{"container", "inspect", "--tls-verify=false", image}},
	} {
		fmt.Printf("\n# %s\n", step.title)
		if _, err := s.run(os.Stdout, step.args...); err != nil {
			return err
		}
	}
	return s.verdict()
}

// verdict compares the two repositories and ends with the times.
func (s *show) verdict() error {
	fmt.Println("\n# Nothing changed on the way")
	before, err := s.run(os.Stdout, "--repo=repo", "rev-parse", ref)
	if err != nil {
		return err
	}
	after, err := s.run(os.Stdout, "--repo=copy", "rev-parse", ref)
	if err != nil {
		return err
	}
	if before != after {
		return errors.New("the two checksums differ")
	}
	fmt.Println("\nThe checksums are equal. It took")
	for _, l := range s.times {
		if l.time > 50*time.Millisecond {
			fmt.Printf("  %6s  %s\n", seconds(l.time), l.what)
		}
	}
	return nil
}

// run prints a command line, runs it, passes on what it says to w and returns
// that, too.
func (s *show) run(w io.Writer, args ...string) (string, error) {
	fmt.Fprintf(w, "$ treenail %s\n", commandLine(args))
	var out bytes.Buffer
	cmd := exec.CommandContext(s.ctx, s.program, args...)
	cmd.Dir = s.dir
	// A login is nobody's business here, and where podman keeps them may be
	// closed to this user.
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+s.dir, "XDG_CACHE_HOME="+s.dir)
	cmd.Stdout, cmd.Stderr = io.MultiWriter(w, &out), os.Stderr
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("treenail %s: %w", commandLine(args), err)
	}
	s.times = append(s.times, lap{verb(args), time.Since(start)})
	return strings.TrimSpace(out.String()), nil
}

// verb is the command without its options.
func verb(args []string) string {
	var words []string
	for _, a := range args {
		if !strings.HasPrefix(a, "-") && len(words) < 2 {
			words = append(words, a)
		}
	}
	if words[0] != "container" {
		words = words[:1]
	}
	return strings.Join(words, " ")
}

// commandLine quotes what a shell would take apart.
func commandLine(args []string) string {
	quoted := make([]string, len(args))
	for i, a := range args {
		if strings.ContainsAny(a, " '\"$") {
			a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
		quoted[i] = a
	}
	return strings.Join(quoted, " ")
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
