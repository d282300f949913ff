package ostree_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// everyCommand are options that mean the same with each command.
var everyCommand = []string{
	"--nosuch", "--nosuch=1", "-9", "-é", "--é", "---", "--=x", "-v9", "--help=x", "--rep=repo", "--REPO=repo", "--repo", "-hx", "-vh", "--help --nosuch", "--nosuch --help",
}

// oddLines are command lines whose meaning is a matter of the parser: what is an
// option, its value, or a word. A bar divides words; the repository is there.
var oddLines = []string{
	// the verb
	"", "-", "--", "nosuch", "--nosuch", "--nosuch|nosuch", "--repo=repo", "--repo=repo|nosuch", "nosuch|--repo=repo", "--repo|repo|log|os", "--name|log|os",
	"-z", "-V", "-v", "-v|nosuch|-x", "--vers", "--verbose=1", "--help|nosuch", "nosuch|--help", "-h", "--|log|os|--repo=repo", "-|log", "--|log|os",
	"--repo=repo|log|os", "-R|ls|os|--repo=repo", "-v|--nosuch|ls", "ls|-R|os|--repo|repo", "--nosuch|log", "-h|log|--nosuch", "--help|log",
	// groups
	"remote", "remote|nosuch", "remote|--nosuch", "remote|--repo=repo", "remote|--nosuch|list", "remote|-v", "remote|-v|nosuch", "remote|-h", "remote|-", "remote|--help=x",
	"remote|--repo=repo|list", "--repo=repo|remote|list", "remote|--help|list", "remote|list|--help", "remote|--repo=repo|nosuch",
	// words and the end of options
	"ls|--repo=repo|--|os", "ls|--repo=repo|os|--", "ls|--repo=repo|--|--|os", "ls|--repo=repo|os|--|--", "ls|os|--|-R|--repo=repo", "ls|--repo=repo|os|-", "ls|--repo=repo|-",
	"ls|--repo=repo|os|-R", "cat|--repo=repo|os|--|/a", "rev-parse|--repo=repo|--|-S",
	// bundles
	"ls|--repo=repo|-RC|os", "ls|--repo=repo|-RCX|os|/a", "ls|--repo=repo|-RCz|os", "ls|--repo=repo|-zRC|os", "ls|--repo=repo|-R=1|os", "ls|--repo=repo|-r|os",
	"ls|--repo=repo|--recursive=no|os", "ls|--repo=repo|--recursiv|os", "ls|--repo=repo|--Recursive|os", "fsck|--repo=repo|-qz", "rev-parse|--repo=repo|-SS",
	// values of short options
	"commit|--repo=repo|-b", "commit|--repo=repo|-bos|t", "commit|--repo=repo|-b=os|t", "commit|--repo=repo|-sb|os|t", "commit|--repo=repo|-bs|os|t", "commit|--repo=repo|-bv",
	"summary|--repo=repo|-u|-m", "summary|--repo=repo|-u|-mx=1", "sign|--repo=repo|-s", "export|--repo=repo|-o", "export|--repo=repo|-ofile|os", "commit|--repo=repo|-F|none|-b|-e",
	// values of long options
	"prune|--repo=repo|--depth", "prune|--repo=repo|--depth|--refs-only", "show|--repo=repo|--print-metadata-key|os", "show|--repo=repo|os|--print-metadata-key",
	"show|--repo=repo|--print-metadata-key=|os", "show|--repo=repo|--print-detached-metadata-key=|os",
	"refs|--repo=repo|--create", "refs|--repo=repo|", "refs|--repo=repo|--delete|", "refs|--repo=repo|-c|", "refs|--repo=repo|-c|--delete|",
	"log|--repo=repo|", "ls|--repo=repo|", "rev-parse|--repo=repo|",
	// integers
	"prune|--repo=repo|--no-prune|--depth=x", "prune|--repo=repo|--no-prune|--depth=", "prune|--repo=repo|--no-prune|--depth|", "prune|--repo=repo|--no-prune|--depth=1x",
	"prune|--repo=repo|--no-prune|--depth=99999999999", "prune|--repo=repo|--no-prune|--depth=2147483647", "prune|--repo=repo|--no-prune|--depth=2147483648",
	"prune|--repo=repo|--no-prune|--depth=-2147483648", "prune|--repo=repo|--no-prune|--depth=-2147483649", "prune|--repo=repo|--no-prune|--depth=9223372036854775808",
	"prune|--repo=repo|--no-prune|--depth= 1", "prune|--repo=repo|--no-prune|--depth=1 ", "prune|--repo=repo|--no-prune|--depth=+1", "prune|--repo=repo|--no-prune|--depth=0x1",
	"prune|--repo=repo|--no-prune|--depth=0X1f", "prune|--repo=repo|--no-prune|--depth=-0x1", "prune|--repo=repo|--no-prune|--depth=010", "prune|--repo=repo|--no-prune|--depth=08",
	"prune|--repo=repo|--no-prune|--depth=0b1", "prune|--repo=repo|--no-prune|--depth=0o1", "prune|--repo=repo|--no-prune|--depth=1_0", "prune|--repo=repo|--no-prune|--depth=0x",
	"prune|--repo=repo|--no-prune|--depth=-", "prune|--repo=repo|--no-prune|--depth=--1", "prune|--repo=repo|--no-prune|--depth|-1", "prune|--repo=repo|--no-prune|--depth=1e3",
	"prune|--repo=repo|--no-prune|--depth=1.5", "diff|--repo=repo|--owner-uid=x|os|os", "commit|--repo=repo|-b|os|--owner-uid=|t",
	// yes and no
	"commit|--repo=repo|--fsync=maybe|-b|os|t", "commit|--repo=repo|--fsync=|-b|os|t", "commit|--repo=repo|--fsync", "checkout|--repo=repo|--fsync=x|os|d",
}

// usage shortens a help to the line that says how the command is used, and an archive
// that somebody began to write.
func usage(o output) output {
	if lines := strings.Split(o.Stdout, "\n"); lines[0] == "Usage:" {
		o.Stdout = strings.Join(lines[:2], "\n")
	}
	o.Stdout = strings.TrimLeft(o.Stdout, "\x00")
	return o
}

// TestUsage compares how command lines are understood: exit code, output, and the
// last line of the errors.
func TestUsage(t *testing.T) {
	newRepo(t, "archive")
	tree := makeTree(t, map[string]string{"a": "a"})
	must(t, "commit", "--repo=repo", "-b", "os", "--timestamp=@1", "--owner-uid=0", "--owner-gid=0", tree)
	lines := oddLines
	for i, command := range commandsOfOstree {
		for j, rest := range everyCommand {
			if (i+j)%8 == 0 { // all of them take a while
				lines = append(lines, strings.ReplaceAll(command+" "+rest, " ", "|"))
			}
		}
	}
	for _, line := range lines {
		args := strings.Split(line, "|")
		if line == "" {
			args = nil
		}
		want, got := usage(theirs(t, "", args...)), usage(ours(t, "", args...))
		if strings.HasPrefix(want.Stdout, "Usage:") { // TestUsageLine
			want.Stdout, got.Stdout = "", strings.TrimPrefix(got.Stdout, got.Stdout)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("ostree %s (-ostree +treenail):\n%s", strings.ReplaceAll(line, "|", " "), diff)
		}
	}
}
