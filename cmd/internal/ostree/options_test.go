package ostree_test

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// commandsOfOstree are the commands of ours that ostree 2022.7 has, too.
var commandsOfOstree = []string{
	"cat", "checkout", "checksum", "commit", "config", "diff", "export", "fsck", "gpg-sign", "init", "log", "ls", "prune", "pull-local", "refs",
	"reset", "rev-parse", "show", "sign", "summary", "remote add", "remote delete", "remote list", "remote show-url", "remote gpg-import",
	"remote gpg-list-keys",
}

// newOptions are those of ostree 2026.4 that the installed ostree does not have yet.
var newOptions = map[string]string{
	"show":       "--list-metadata-keys --print-hex --list-detached-metadata-keys",
	"refs":       "-r,--revision",
	"summary":    "--list-metadata-keys --print-metadata-key=",
	"commit":     "--selinux-labeling-epoch= --sign-from-file= --generate-composefs-metadata",
	"checkout":   "--composefs --composefs-noverity",
	"pull-local": "--disable-static-deltas",
}

// hiddenOptions are those that ostree has and does not list.
var hiddenOptions = map[string]string{
	"commit":   "--disable-fsync",
	"checkout": "-z,--force-copy-zerosized",
	// ed25519's options are not in a build without libsodium.
	"sign": "--keys-file= --keys-dir=",
}

// ownOptions are treenail's.
var ownOptions = map[string]string{
	"checkout": "--progress=", "commit": "--progress=", "config": "--json", "diff": "--json", "export": "--format=",
	"fsck": "--json --progress=", "log": "--json", "ls": "--json", "prune": "--json", "pull-local": "--json --progress=",
	"refs": "--json", "show": "--json", "summary": "--json", "remote list": "--json", "remote gpg-list-keys": "--json",
}

var optionLine = regexp.MustCompile(`(?m)^  (?:(-\S), )?(--[a-z0-9-]+)(=)?`)

// listed are the options in a help: the long name with "=" if it has a value, and
// the short name. What stands for the value is a matter of taste, but for init's
// --mode, where ostree shows nothing.
func listed(help string) map[string]bool {
	found := map[string]bool{}
	for _, m := range optionLine.FindAllStringSubmatch(help, -1) {
		found[option(m[1], m[2]+m[3])] = true
	}
	return found
}

func option(short, long string) string {
	if long == "--mode" {
		long = "--mode="
	}
	return strings.TrimPrefix(short+","+long, ",")
}

// TestOptionsOfOstree looks for each option of ostree, old and new, listed and
// hidden: it is there by the same names, or refused by name. And what is there beside
// them is known to be ours.
func TestOptionsOfOstree(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, command := range commandsOfOstree {
		args := append(strings.Fields(command), "--help")
		want, got := listed(theirs(t, "", args...).Stdout), listed(ours(t, "", args...).Stdout)
		if len(want) == 0 {
			t.Fatalf("%s --help lists nothing", command)
		}
		for _, more := range []string{newOptions[command], hiddenOptions[command]} {
			for _, o := range strings.Fields(more) {
				want[o] = true
			}
		}
		for _, o := range slices.Sorted(maps.Keys(want)) {
			if !got[o] && !known(t, command, o) {
				t.Errorf("ostree %s has %s", command, o)
			}
			delete(got, o)
		}
		for _, o := range strings.Fields(ownOptions[command]) {
			if !got[o] {
				t.Errorf("treenail %s has lost %s", command, o)
			}
			delete(got, o)
		}
		for _, o := range slices.Sorted(maps.Keys(got)) {
			t.Errorf("ostree %s has no %s", command, o)
		}
	}
}

// known reports whether an option that no help lists is there by all its names, with
// or without a value, or is refused by them.
func known(t *testing.T, command, option string) bool {
	value := strings.HasSuffix(option, "=")
	for name := range strings.SplitSeq(strings.TrimSuffix(option, "="), ",") {
		args := append(strings.Fields(command), name)
		o := ours(t, "", append(args, "--help")...)
		taken := o.Code == 0 && strings.HasPrefix(o.Stdout, "Usage:")
		if value {
			taken = strings.HasPrefix(ours(t, "", args...).Error, "error: Missing argument for ")
		}
		if !taken && !strings.HasSuffix(o.Error, ": not supported by this version") {
			return false
		}
	}
	return true
}

// TestUsageLine compares the line that says how a command is used.
func TestUsageLine(t *testing.T) {
	t.Chdir(t.TempDir())
	more := map[string]string{ // ours says what 2022.7 takes, too
		"diff": "REV_OR_DIR [REV_OR_DIR]", "refs": "[PREFIX...]", "rev-parse": "REV...", "fsck": "[REV...]",
	}
	for _, command := range append([]string{"", "remote"}, commandsOfOstree...) {
		args := append(strings.Fields(command), "--help")
		want, got := strings.Split(theirs(t, "", args...).Stdout, "\n")[:2], strings.Split(ours(t, "", args...).Stdout, "\n")[:2]
		if args, ok := more[command]; ok {
			want[1] = "  ostree " + command + " [OPTION…] " + args
		}
		if !slices.Equal(want, got) {
			t.Errorf("%s:\n%q, want\n%q", command, got, want)
		}
	}
}
