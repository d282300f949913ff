package tree_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/tree"
)

func TestParseStatOverrideErrors(t *testing.T) {
	for text, want := range map[string]string{
		"+2048\n":        "Malformed statoverride file (no space found)",
		"+abc /f\n":      `invalid mode "+abc"`,
		"=4096 /f\n":     `invalid mode "=4096"`,
		"-5 /f\n":        `invalid mode "-5"`,
		"+0x800 /f\n":    `invalid mode "+0x800"`,
		" /f\n":          `invalid mode ""`,
		"+1 /a\n5 /b\nx": "no space found",
	} {
		if _, err := tree.ParseStatOverride(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func TestUnmatched(t *testing.T) {
	top := t.TempDir()
	writeFile(t, top+"/there", "x", 0o644)
	override, err := tree.ParseStatOverride(strings.NewReader("+1 /there\n\n8 /b\n+8 /a c\n=64 /nowhere"))
	must(t, err)
	skip, err := tree.ParseSkipList(strings.NewReader("\n/z\n/there\n/y"))
	must(t, err)
	mustBuild(t, repotest.New(t, ostreerepo.ModeArchive), tree.Options{StatOverride: override, SkipList: skip}, dirs(top))
	if got := override.Unmatched(); !slices.Equal(got, []string{"/a c", "/b"}) {
		t.Errorf("statoverride: unmatched %q", got)
	}
	if got := skip.Unmatched(); !slices.Equal(got, []string{"/y", "/z"}) {
		t.Errorf("skip list: unmatched %q", got)
	}
}

// TestRules applies rules to each kind of source and compares with ostree.
func TestRules(t *testing.T) {
	top := t.TempDir() + "/top"
	writeFile(t, top+"/bin/tool", "x", 0o755)
	writeFile(t, top+"/bin/other", "y", 0o644)
	writeFile(t, top+"/etc/conf", "z", 0o644)
	must(t, os.Symlink("tool", top+"/bin/link"))
	must(t, os.Link(top+"/bin/tool", top+"/bin/tool2"))
	archive := gnuTar(t, top, "--format=gnu")
	r := repotest.New(t, ostreerepo.ModeArchive)
	committed(t, r, "main", tree.Options{}, dirs(top))
	tarFile := t.TempDir() + "/tar"
	must(t, os.WriteFile(tarFile, archive, 0o644))
	sources := []struct {
		args []string
		add  func(context.Context, *tree.Tree) error
	}{
		{[]string{"--tree=dir=" + top}, dirs(top)},
		{[]string{"--tree=dir=" + top, "--tree=dir=" + top}, dirs(top, top)},
		{[]string{"--tree=tar=" + tarFile}, tars(archive)},
		{[]string{"--tree=ref=main"}, refs(t, r, "main")},
	}
	for _, rules := range []struct{ override, skip string }{
		{"+2048 /bin/tool\n", ""},
		{"+2048 /bin/tool2\n", ""},
		{"=448 /bin/tool\n+64 /bin/other\n=64 /bin/other\n", ""},
		{"+16 /bin\n=448 /etc\n+2 /\n", ""},
		{"=511 /\n+1024 /bin/link\n", ""},
		{"", "/bin/other\n"},
		{"", "/etc/conf\n/bin/link\n"},
		{"+64 /bin/other\n", "/bin/other\n"},
	} {
		for _, s := range sources {
			compareRules(t, r, rules.override, rules.skip, s.args, s.add)
		}
	}
}

func compareRules(t *testing.T, r *ostreerepo.Repo, override, skip string, args []string, add func(context.Context, *tree.Tree) error) {
	t.Helper()
	o := tree.Options{ReadOnlyExecutables: true}
	args = append(args, "--mode-ro-executables")
	var err error
	if override != "" {
		o.StatOverride, err = tree.ParseStatOverride(strings.NewReader(override))
		must(t, err)
		must(t, os.WriteFile(r.Path()+"/../override", []byte(override), 0o644))
		args = append(args, "--statoverride="+r.Path()+"/../override")
	}
	if skip != "" {
		o.SkipList, err = tree.ParseSkipList(strings.NewReader(skip))
		must(t, err)
		must(t, os.WriteFile(r.Path()+"/../skip", []byte(skip), 0o644))
		args = append(args, "--skip-list="+r.Path()+"/../skip")
	}
	compare(t, r, mustBuild(t, r, o, add), r.Path(), theirs(t, r.Path(), args...))
}
