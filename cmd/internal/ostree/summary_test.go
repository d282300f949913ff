package ostree_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/format/gvariant"
	"github.com/treenail/treenail/format/summary"
)

// summaryText is what a summary says, but for the time and the order of keys,
// which is none.
func summaryText(t *testing.T, repo string) []string {
	t.Helper()
	data, err := os.ReadFile(repo + "/summary")
	if err != nil {
		t.Fatal(err)
	}
	s, err := summary.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	lines := dictText(s.Metadata, "")
	collections, err := s.Collections()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range append([]summary.Collection{{Refs: s.Refs}}, collections...) {
		for _, ref := range c.Refs {
			if ref.Name == "ostree-metadata" { // its commit depends on the order of keys
				ref = summary.Ref{Name: ref.Name, Metadata: gvariant.NewVardict()}
			}
			lines = append(lines, fmt.Sprint(c.ID, ref.Name, ref.Size, ref.Commit))
			lines = append(lines, dictText(ref.Metadata, "  ")...)
		}
	}
	return lines
}

func dictText(dict gvariant.Value, indent string) (lines []string) {
	for i := range dict.Len() {
		key, value := dict.At(i).At(0).Str(), dict.At(i).At(1).Variant()
		switch {
		case key == summary.LastModifiedKey || key == summary.CollectionMapKey:
			lines = append(lines, indent+key)
		case key == summary.DeltasKey:
			lines = append(lines, dictText(value, indent+key+" ")...)
		default:
			lines = append(lines, indent+key+"="+value.Print(true))
		}
	}
	slices.Sort(lines)
	return lines
}

// TestSummary has both programs write the summary of the same repository, and
// each show what the other wrote.
func TestSummary(t *testing.T) {
	for _, test := range []struct{ collection, args string }{
		{"", ""}, {"", "-m x=5 -m ostree.summary.mode='y' -m map=@a{sv}{} -m x=6"}, {"org.example.A", ""}, {"org.example.Os", ""},
		{"", "-m ostree.summary.expires=uint64(5)"}, {"", "-m x"}, {"", "-m x=zz"},
	} {
		sampleRepo(t, "archive")
		must(t, "config", "--repo=repo", "set", "core.tombstone-commits", "true")
		if test.collection != "" {
			must(t, "config", "--repo=repo", "set", "core.collection-id", test.collection)
		}
		must(t, "remote", "add", "--repo=repo", "--collection-id=org.example.R", "origin", "http://example.com/")
		for _, args := range []string{"--empty other", "--empty os/stable", "--from=os/stable^ --to=os/stable"} {
			theirs(t, "", append([]string{"static-delta", "generate", "--repo=repo"}, strings.Fields(args)...)...)
		}
		if err := os.CopyFS("theirs", os.DirFS("repo")); err != nil {
			t.Fatal(err)
		}
		args := strings.Fields("summary -u " + test.args)
		want, got := theirs(t, "", append(args, "--repo=theirs")...), ours(t, "", append(args, "--repo=repo")...)
		if diff := cmp.Diff(want.Code, got.Code); diff != "" || got.Code == 0 && got.Stdout != "" {
			t.Errorf("%+v: %v %v", test, want, got)
		}
		if want.Code != 0 {
			if diff := cmp.Diff(want.Error, got.Error); diff != "" {
				t.Errorf("%+v: %s", test, diff)
			}
			continue
		}
		compareSummaries(t)
		sameView(t, "theirs")
		sameView(t, "repo")
		same(t, "summary", "--repo=theirs", "--raw")
		same(t, "summary", "--repo=repo", "--raw")
	}
}

// sameView compares what both programs show; ours adds a line, as 2026.4 does.
func sameView(t *testing.T, repo string) {
	t.Helper()
	want, got := theirs(t, "", "summary", "-v", "--repo="+repo), ours(t, "", "summary", "-v", "--repo="+repo)
	want.Stdout += "Summary is unsigned\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-ostree +treenail):\n%s", repo, diff)
	}
}

// compareSummaries compares summaries, delta indexes and configurations.
func compareSummaries(t *testing.T) {
	t.Helper()
	if diff := cmp.Diff(summaryText(t, "theirs"), summaryText(t, "repo")); diff != "" {
		t.Errorf("(-ostree +treenail):\n%s", diff)
	}
	if diff := cmp.Diff(theirs(t, "", "static-delta", "indexes", "--repo=theirs"), theirs(t, "", "static-delta", "indexes", "--repo=repo")); diff != "" {
		t.Errorf("(-ostree +treenail):\n%s", diff)
	}
	a, _ := os.ReadFile("theirs/config")
	b, _ := os.ReadFile("repo/config")
	if diff := cmp.Diff(string(a), string(b)); diff != "" {
		t.Errorf("config (-ostree +treenail):\n%s", diff)
	}
}

func TestSummaryKeys(t *testing.T) {
	sampleRepo(t, "bare-user")
	same(t, "summary", "--repo=repo")
	same(t, "summary", "--repo=repo", "-v")
	must(t, "summary", "--repo=repo", "-u", "-m", "x=uint64 5")
	const keys = "ostree.summary.collection-map\nostree.summary.indexed-deltas\nostree.summary.last-modified\n" +
		"ostree.summary.mode\nostree.summary.tombstone-commits\nx"
	if got := must(t, "summary", "--repo=repo", "--list-metadata-keys"); got != keys {
		t.Error(got)
	}
	if got := must(t, "summary", "--repo=repo", "--print-metadata-key=ostree.summary.mode"); got != "'bare-user'" {
		t.Error(got)
	}
	if o := ours(t, "", "summary", "--repo=repo", "--print-metadata-key=no"); o.Error != "error: No such metadata key 'no'" {
		t.Error(o)
	}
	var s struct {
		Refs []struct {
			Ref, Collection, Commit string
			Size                    int
		}
		Metadata map[string]string
	}
	if err := json.Unmarshal([]byte(must(t, "summary", "--repo=repo", "--json")), &s); err != nil {
		t.Fatal(err)
	}
	if len(s.Refs) != 4 || s.Refs[3].Collection != "org.example.Os" || s.Metadata["ostree.summary.mode"] != "'bare-user'" {
		t.Errorf("%+v", s)
	}
	if o := ours(t, "", "summary", "--repo=repo", "-u", "--gpg-sign=x"); o.Code != 1 || !strings.Contains(o.Error, "Unable to lookup key ID x") {
		t.Error(o)
	}
}

// TestSummarySignature: an update deletes the signature of what was there.
func TestSummarySignature(t *testing.T) {
	sampleRepo(t, "archive")
	if err := os.WriteFile("repo/summary.sig", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	must(t, "summary", "--repo=repo", "-u")
	if _, err := os.Stat("repo/summary.sig"); err == nil {
		t.Error("the signature is still there")
	}
}

// TestAutoSummary: with either key every change of a ref updates the summary.
func TestAutoSummary(t *testing.T) {
	for _, key := range []string{"core.auto-update-summary", "core.commit-update-summary"} {
		sampleRepo(t, "archive")
		must(t, "config", "--repo=repo", "set", key, "true")
		var last []byte
		empty := t.TempDir()
		for _, args := range []string{
			"commit -b new --timestamp=@5 " + empty, "reset new other", "refs --delete new", "refs -A other --create=al", "refs --create=x other",
		} {
			must(t, strings.Fields(args+" --repo=repo")...)
			data, err := os.ReadFile("repo/summary")
			if err != nil || bytes.Equal(data, last) {
				t.Errorf("%s, %s: the summary is as it was (%v)", key, args, err)
			}
			last = data
		}
		if listed := must(t, "summary", "--repo=repo", "-v"); !strings.Contains(listed, "* al\n") || strings.Contains(listed, "* new\n") {
			t.Error(listed)
		}
	}
}
