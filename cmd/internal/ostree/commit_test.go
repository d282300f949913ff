package ostree_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// xattrTree has what only some options keep: modes, xattrs, a kernel.
func xattrTree(t *testing.T) string {
	top := makeTree(t, map[string]string{
		"suid": "x", "plain": "y", "dir/exe": "z", "dir/link": "-> ../plain",
		"usr/lib/modules/6.1.0/vmlinuz": "kernel", "usr/lib/modules/extra/README": "none",
	})
	for path, mode := range map[string]os.FileMode{"suid": 0o755 | os.ModeSetuid, "dir/exe": 0o775, "dir": 0o777} {
		if err := os.Chmod(filepath.Join(top, path), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, path := range []string{"plain", "dir"} {
		if err := unix.Setxattr(filepath.Join(top, path), "user.test", []byte("value\x00"), 0); err != nil {
			t.Fatal(err)
		}
	}
	return top
}

// TestCommitChecksums makes the same commits with both programs, in two
// repositories, and compares checksums and messages.
func TestCommitChecksums(t *testing.T) {
	plain, rich := sampleTree(t), xattrTree(t)
	files := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(files, name)
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	archive := filepath.Join(files, "tree.tar.gz")
	if out, err := exec.Command("tar", "-czf", archive, "-C", rich, ".").CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	partial := filepath.Join(files, "partial.tar")
	if out, err := exec.Command("tar", "-cf", partial, "-C", plain, "usr/bin/a").CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	cases := [][]string{
		{"-b", "main", plain},
		{"-b", "main", "-s", "subject", "-m", "body\nof two", rich},
		{"-b", "main", "-F", write("body", "a body\n"), "-m", "ignored", rich},
		{"-b", "main", "--tree=dir=" + plain, "--tree=dir=" + rich},
		{"-b", "main", "--tree=ref=main", "--tree=dir=" + rich, "--table-output"},
		{"-b", "main", "--tree=ref=main", "--consume", "--table-output"},
		{"-b", "main", "--statoverride=" + rich},
		{"-b", "main", "--body-file=" + rich},
		{"-b", "main", "--tree=ref=main", "--skip-if-unchanged"},
		{"-b", "main", "--tree=tar=" + archive},
		{"-b", "main", "--tree=tar=" + partial, "--tar-autocreate-parents"},
		{"-b", "main", "--tree=tar=" + partial, "--tar-autocreate-parents", "--tar-pathname-filter=^usr/bin/,usr/sbin/"},
		{"-b", "main", "--owner-uid=7", "--owner-gid=8", rich},
		{"-b", "main", "--owner-uid=-1", rich},
		{"-b", "main", "--no-xattrs", rich},
		{"-b", "main", "--canonical-permissions", rich},
		{"-b", "main", "--mode-ro-executables", "--tree=ref=main"},
		{"-b", "main", "--base=main", "--owner-uid=42", plain},
		{"-b", "main", "--statoverride=" + write("so", "+2048 /usr/bin/a\n=384 /etc/conf\n"), "--skip-list=" + write("skip", "/usr/bin/l\n/usr/empty\n"), plain},
		{"-b", "main", "--statoverride=" + write("so2", "5 /nope\n"), plain},
		{"-b", "main", "--statoverride=" + write("so3", "nospace\n"), plain},
		{"-b", "main", "--skip-list=" + write("skip2", "/nope\n"), plain},
		{"-b", "main", "--no-bindings", plain},
		{"-b", "main", "--bind-ref=z", "--bind-ref=a", plain},
		{"--orphan", plain},
		{"--orphan", "-b", "main", plain},
		{"--orphan", "--bind-ref=a", plain},
		{"-b", "origin:main", plain},
		{"-b", "main", "--parent=none", plain},
		{"-b", "main", "--parent=" + strings.Repeat("ab", 32), plain},
		{"-b", "main", "--add-metadata=a=uint32 5", "--add-metadata-string=b=1", "--add-metadata=c=[('x', <1>)]", "--add-metadata-string=b=", plain},
		{"-b", "main", "--keep-metadata=c", "--keep-metadata=a", "--add-metadata-string=version=2", plain},
		{"-b", "main", "--add-detached-metadata-string=k=v", plain},
		{"-b", "main", "--bootable", rich},
		{"-b", "main", "--bootable", "--add-metadata-string=version=1", "--add-metadata-string=zz=1", "--add-metadata-string=ostree.linux=x", rich},
		{"-b", "main", "--bootable", plain},
		{"-b", "main", "--link-checkout-speedup", plain},
		{"-b", "main", "--fsync=false", plain},
		{"-b", "!", plain},
		{"-b", "main", "--tree=dir"},
		{"-b", "main", "--tree=what=x"},
		{"-b", "main", "--tree=ref=nope"},
		{"-b", "main", "--base=nope", plain},
		{"-b", "main", "--parent=nope", plain},
		{"-b", "main", "--keep-metadata=nope", plain},
		{"-b", "new", "--keep-metadata=nope", plain},
		{"-b", "main", "--add-metadata-string=nope", plain},
		{"-b", "main", "--add-detached-metadata-string=nope", plain},
		{"-b", "main", "--add-metadata-string==x", plain},
		{"-b", "main", "--add-detached-metadata-string==x", plain},
		{"-b", "main", "--add-metadata=nope", plain},
		{"-b", "main", "--add-metadata=a=uint32", plain},
		{"-b", "main", "--canonical-permissions", "--owner-uid=5", plain},
		{"-b", "main", "--canonical-permissions", "--owner-gid=5", plain},
		{"-b", "main", "--fsync=perhaps", plain},
	}
	for _, mode := range []string{"archive", "bare", "bare-user", "bare-user-only"} {
		t.Run(mode, func(t *testing.T) {
			newRepo(t, mode)
			if o := theirs(t, "", "init", "--repo=theirs", "--mode="+mode); o.Code != 0 {
				t.Fatal(o)
			}
			for _, args := range cases {
				compareCommits(t, mode, append([]string{"--timestamp=2024-01-02 03:04:05 +0000"}, args...))
			}
			for _, args := range [][]string{{"fsck", "--repo=repo"}, {"log", "--repo=repo", "main"}, {"fsck", "--repo=theirs"}} {
				same(t, args...)
			}
		})
	}
}

func compareCommits(t *testing.T, mode string, args []string) {
	t.Helper()
	want := theirs(t, "", append([]string{"commit", "--repo=theirs"}, args...)...)
	got := ours(t, "", append([]string{"commit", "--repo=repo"}, args...)...)
	if mode == "bare-user-only" { // there 2022.7 counts the files of commits too
		want.Stdout, _, _ = strings.Cut(want.Stdout, "Content Total:")
		got.Stdout, _, _ = strings.Cut(got.Stdout, "Content Total:")
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%q (-ostree +treenail):\n%s", args, diff)
	}
}

func TestCommitStdin(t *testing.T) {
	newRepo(t, "archive")
	tree := sampleTree(t)
	data, err := exec.Command("tar", "-c", "-C", tree, ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	o := ours(t, string(data), "commit", "--repo=repo", "-b", "piped", "--tree=tar=-", "--timestamp=@1", "--no-bindings")
	if o.Code != 0 {
		t.Fatal(o)
	}
	if dir := must(t, "commit", "--repo=repo", "-b", "dir", "--timestamp=@1", "--no-bindings", tree); dir+"\n" != o.Stdout {
		t.Errorf("from a pipe %s, from the directory %s", o.Stdout, dir)
	}
}

func TestCommitCurrentDirectory(t *testing.T) {
	newRepo(t, "archive")
	repo, err := filepath.Abs("repo")
	if err != nil {
		t.Fatal(err)
	}
	tree := sampleTree(t)
	want := must(t, "commit", "--repo=repo", "--orphan", "--timestamp=@1", tree)
	t.Chdir(tree)
	if got := must(t, "commit", "--repo="+repo, "--orphan", "--timestamp=@1"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSourceDateEpoch(t *testing.T) {
	newRepo(t, "archive")
	tree := sampleTree(t)
	for _, c := range []struct{ epoch, want, err string }{
		{"1234567890", "Date:  2009-02-13 23:31:30 +0000", ""},
		{"invalid", "", "error: Failed to convert SOURCE_DATE_EPOCH"},
		{"", "", "error: Failed to convert SOURCE_DATE_EPOCH"},
		{"12345678901234567890", "", "error: Parsing SOURCE_DATE_EPOCH: Numerical result out of range"},
	} {
		t.Setenv("SOURCE_DATE_EPOCH", c.epoch)
		o := ours(t, "", "commit", "--repo=repo", "-b", "main", tree)
		if o.Error != c.err {
			t.Errorf("%q: %v", c.epoch, o)
		}
		if c.want != "" && !strings.Contains(must(t, "show", "--repo=repo", "main"), c.want) {
			t.Errorf("%q: no %q", c.epoch, c.want)
		}
		if real := theirs(t, "", "commit", "--repo=repo", "-b", "theirs", tree); real.Code != o.Code || real.Error != o.Error {
			t.Errorf("%q: ostree says %v", c.epoch, real)
		}
	}
	t.Setenv("SOURCE_DATE_EPOCH", "invalid")
	must(t, "commit", "--repo=repo", "-b", "main", "--timestamp=@1", tree) // an option wins
}

// TestCommitSizes compares the size metadata but for the sizes of deflate
// streams, which depend on the compressor.
func TestCommitSizes(t *testing.T) {
	newRepo(t, "archive")
	must(t, "commit", "--repo=repo", "-b", "main", "--generate-sizes", sampleTree(t))
	same(t, "show", "--repo=repo", "--print-sizes", "main")
	o := ours(t, "", "show", "--repo=repo", "--print-sizes", "main")
	if !strings.Contains(o.Stdout, "Unpacked size (needed/total): 0 bytes/1.2\u00a0MB\nNumber of objects (needed/total): 0/15\n") {
		t.Error(o)
	}
	must(t, "init", "--repo=bare", "--mode=bare-user")
	must(t, "commit", "--repo=bare", "-b", "main", "--generate-sizes", sampleTree(t))
	same(t, "show", "--repo=bare", "--print-sizes", "main")
}

func TestCommitEditor(t *testing.T) {
	newRepo(t, "archive")
	tree := sampleTree(t)
	editor := filepath.Join(t.TempDir(), "editor")
	script := "#!/bin/sh\ngrep -q '# Branch: main' \"$1\" || exit 3\n" +
		"printf '\\n# comment\\nsubject  \\n\\n\\nbody 1\\n#more\\n\\nbody 2\\n\\n' > \"$1\"\n"
	if err := os.WriteFile(editor, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("EDITOR", editor)
	for _, run := range []func(*testing.T, string, ...string) output{ours, theirs} {
		if o := run(t, "", "commit", "--repo=repo", "-b", "main", "--timestamp=@1", "--parent=none", "-e", tree); o.Code != 0 {
			t.Fatal(o)
		}
		if show := must(t, "show", "--repo=repo", "main"); !strings.HasSuffix(show, "\n\n    subject\n\n    body 1\n    \n    body 2\n") {
			t.Error(show)
		}
	}
	for _, c := range []struct{ editor, term, want string }{
		{"true", "xterm", "error: Aborting commit due to empty commit subject."},
		{"exit 7 #", "xterm", "error: There was a problem with the editor 'exit 7 #': exit status 7"},
		{"", "dumb", "error: Terminal is dumb, but EDITOR unset"},
	} {
		t.Setenv("EDITOR", c.editor)
		t.Setenv("TERM", c.term)
		if o := ours(t, "", "commit", "--repo=repo", "-b", "main", "-e", tree); o.Code != 1 || o.Error != c.want {
			t.Errorf("editor %q: %v", c.editor, o)
		}
	}
}

// TestMetadataOrder compares the order in which --bootable writes metadata, for
// so many keys that the hash table behind it has to grow.
func TestMetadataOrder(t *testing.T) {
	newRepo(t, "archive")
	if o := theirs(t, "", "init", "--repo=theirs", "--mode=archive"); o.Code != 0 {
		t.Fatal(o)
	}
	tree := makeTree(t, map[string]string{"usr/lib/modules/6.1/vmlinuz": "k"})
	args := []string{"--timestamp=@1", "-b", "main", "--bootable", "--tree=dir=" + tree}
	for i := range 70 {
		key := strings.Repeat(string(rune('a'+i*7%26)), 1+i%5) + string(rune('A'+i%26)) + string(rune('é'+i))
		args = append(args, "--add-metadata-string="+key+"=1")
		if i < 20 || i%9 == 0 {
			compareCommits(t, "archive", args)
		}
	}
}

// TestDates gives both programs the same times.
func TestDates(t *testing.T) {
	newRepo(t, "archive")
	tree := makeTree(t, map[string]string{"f": ""})
	for _, date := range []string{
		"@5", "@-5", "@1700000000.5", "@", "@x", "@5 @6", "2024-01-02", "2024-01-02 03:04", "2024-01-02 03:04:05", "2024-1-2",
		"2024-01-02T03:04:05Z", "2024-01-02T03:04:05.123456Z", "2024-01-02T03:04:05+02:00", "2024-01-02 03:04:05 +0000",
		"2024-01-02 03:04:05 -0530", "2024-01-02 03:04:05 +2", "2024-01-02 03:04:05 UTC", "2024-01-02 03:04:05 EST", "2024-01-02 03:04:05 EDT",
		"Tue, 02 Jan 2024 03:04:05 +0100", "Tue Jan  2 03:04:05 UTC 2024", "Jan 2 2024", "Jan 2, 2024", "2 Jan 2024 10:00", "2 January 2024",
		"02-Jan-2024", "20240102", "20240102 0304", "1/2/2024", "1/2/24", "2024/1/2", "1/2/70", "10:00 2024-01-02", "2024-01-02 3pm",
		"2024-01-02 12am", "2024-01-02 12:30 pm", "2024-01-02 13pm", "2024-01-02 25:00", "2024-01-02 + 1 day", "2024-01-02 +1 month",
		"2024-01-31 +1 month", "2024-01-02 1 week ago", "2024-01-02 00:00 2 hours", "2024-01-02 tomorrow", "2024-01-02 2 days ago 3 hours",
		"2024-01-02 next year", "2024-01-02 last fortnight", "2024-02-30", "2024-13-01", "epoch", "junk", "1970-01-01", "1969-12-31 00:00:00 +0000",
		"10000-01-01", "Tuesday 2024-01-02", "2024-01-02 2024-01-03", "2024-01-02 03:04 05:06", " ", "today 00:00", "yesterday 10:00",
		"tomorrow 10:00 UTC", "monday", "last friday", "next sunday", "third tuesday", "2 wednesday", "monday 10:00", "Sept 5 2023", "5 sept 2023",
		`TZ="America/New_York" 2024-01-02`, `TZ="Europe/Berlin" 2024-07-02 12:00`, `TZ="UTC0" 2024-01-02 03:00`, `TZ="X`, "(when (I) was) 2024-01-02", "2024-01-02 (open",
		"2024-01-02 03:04 UTC+5", "2024-01-02 03:04 GMT -1:30", "2024-01-02 03:04 UTC +1 day", "2024-01-02 03:04 WET DST", "2024-01-02 03:04 a", "2024-01-02 03:04 y",
		"2024-01-02 03:04 j", "2024-01-02T", "2024-01-02,", ",", "2024-01-02 9 p.m.", "2024-01-02 9 a.m.", "sep. 3 2024", "2 Jan 24", "2 Jan 03:04 2024",
		"2024-01-02 00:00 +1 day", "2024-01-02 3pm +1 day", "2024-01-02 -day", "2024-01-02 +-1 day", "2024-001", "0304 2024-01-02", "0304 +0100", "3 +0100",
		"2024-01-02 03:04:05.1234567890123", "@1.5", "", "2024-01-02 03:04:9999999999999", "2024-01-02 03:9999999999999",
		"2024-9999999999999-02", "2024-01-02 03:04 UTC+1234567890123", "2024-01-02 03:04 UTC+1:9999999999999",
	} {
		want := theirs(t, "", "commit", "--repo=repo", "-b", "theirs", "--timestamp="+date, tree)
		got := ours(t, "", "commit", "--repo=repo", "-b", "ours", "--timestamp="+date, tree)
		if got.Code != want.Code || got.Error != want.Error {
			t.Errorf("%q: %v, want %v", date, got, want)
			continue
		}
		if want.Code == 0 && timestamp(t, "ours") != timestamp(t, "theirs") {
			t.Errorf("%q: %d, want %d", date, timestamp(t, "ours"), timestamp(t, "theirs"))
		}
	}
}

// TestRelativeDates allows for the second in which the clock goes on.
func TestRelativeDates(t *testing.T) {
	newRepo(t, "archive")
	tree := makeTree(t, map[string]string{"f": ""})
	now := time.Now()
	for date, want := range map[string]time.Time{
		"now": now, "today": now, "yesterday": now.AddDate(0, 0, -1), "90 days ago": now.AddDate(0, 0, -90),
		"-2 hours": now.Add(-2 * time.Hour), "last week": now.AddDate(0, 0, -7), "1 year ago": now.AddDate(-1, 0, 0),
		"5 minutes": now.Add(5 * time.Minute), "30 sec ago": now.Add(-30 * time.Second), "third month": now.AddDate(0, 3, 0),
		"hour": now.Add(time.Hour), "now 1 day ago": now.AddDate(0, 0, -1), "2 months ago 3 days": now.AddDate(0, -2, 3),
	} {
		must(t, "commit", "--repo=repo", "-b", "ours", "--timestamp="+date, tree)
		if got := timestamp(t, "ours") - want.Unix(); got < 0 || got > 5 {
			t.Errorf("%q: %d seconds off", date, got)
		}
	}
}

// timestamp is the time of a commit that our show prints as JSON.
func timestamp(t *testing.T, rev string) int64 {
	t.Helper()
	return int64(decode[commitJSON](t, "show", "--repo=repo", "--json", rev).Timestamp)
}
