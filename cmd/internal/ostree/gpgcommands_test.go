package ostree_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/treenail/treenail/internal/pgpkeys"
)

// both runs a command on two repositories: "repo", with our program, and a copy of
// it, "theirs", with the real one. Where {} is in an argument is the repository.
// What they print has to be the same.
func both(t *testing.T, stdin string, args ...string) output {
	t.Helper()
	in := func(repo string) []string {
		var out []string
		for _, arg := range args {
			out = append(out, strings.ReplaceAll(arg, "{}", repo))
		}
		return append(out, "--repo="+repo)
	}
	want, got := theirs(t, stdin, in("theirs")...), ours(t, stdin, in("repo")...)
	if args[0] == "pull-local" {
		want.Stdout, got.Stdout = "", "" // where a pull has failed before, ostree has less to do
	}
	want.Stdout, got.Stdout = timeless(want.Stdout), timeless(got.Stdout)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-ostree +treenail):\n%s", strings.Join(args, " "), diff)
	}
	return got
}

var signatureTime = regexp.MustCompile(`Signature made .* using`)

// timeless takes out when the two programs signed.
func timeless(s string) string { return signatureTime.ReplaceAllString(s, "Signature made then using") }

func twin(t *testing.T) {
	t.Helper()
	if err := os.CopyFS("theirs", os.DirFS("repo")); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// recent makes a key that gpg signs with today.
func recent(t *testing.T, name string, edits ...pgpkeys.Edit) *pgpkeys.Key {
	t.Helper()
	return pgpkeys.New(t, eddsa, old).UID(name, edits...)
}

func TestGPGSign(t *testing.T) {
	signedRepo(t)
	good, other, stranger := recent(t, "Good <good@example.com>"), recent(t, "Other <other@example.com>"), recent(t, "Stranger <stranger@example.com>")
	expired, revoked := recent(t, "Expired <old@example.com>", pgpkeys.KeyLifetime(year)), key(t, eddsa)
	revoked.Revoke(revoked).UID("Revoked <revoked@example.com>")
	sub := key(t, eddsa)
	parent := recent(t, "Parent <parent@example.com>").Subkey(sub)
	home := pgpkeys.Home(t, good, other, stranger, expired, revoked, parent)
	write(t, "keys/trusted.gpg", append(append(good.Public(), other.Public()...), parent.Public()...))
	twin(t)
	for _, args := range []string{
		"", "main", "nope X", "main X", "main 12345678", "main " + good.ID(), "main " + good.ID(), "main 0x" + other.ID() + " " + stranger.ID(), "main " + other.ID(),
		"main good@example.com", "main example.com", "main " + expired.ID(), "main " + revoked.ID(), "main stranger@example.com", "main " + sub.ID(),
		"-d main", "-d nope " + good.ID(), "-d main " + stranger.ID(), "-d main X", "-d main " + good.ID() + " " + good.ID() + " other@example.com",
		"-d main " + good.ID(), "main " + good.ID(), "-d main parent@example.com", "-d main " + good.ID(), "-d main " + good.ID(),
	} {
		if both(t, "", append(append([]string{"gpg-sign"}, strings.Fields(args)...), "--gpg-homedir="+home)...).Code == 0 {
			both(t, "", "show", "main")
		}
	}
	both(t, "", "gpg-sign", "main", good.ID(), "--gpg-homedir=nowhere")
	t.Setenv("GNUPGHOME", pgpkeys.Home(t))
	both(t, "", "gpg-sign", "main", good.ID())
	both(t, "", "gpg-sign", "main", "")
	both(t, "", "show", "main", "--gpg-homedir=nowhere")
	both(t, "", "show", "main", "--gpg-homedir=keys")
	t.Setenv("PATH", t.TempDir())
	if o := ours(t, "", "gpg-sign", "--repo=repo", "main", good.ID()); o.Code != 1 || !strings.Contains(o.Error, "takes the program gpg") {
		t.Errorf("without gpg: %v", o)
	}
}

func TestCommitAndSummarySign(t *testing.T) {
	signedRepo(t)
	good := recent(t, "Good <good@example.com>", pgpkeys.KeyLifetime(20*year))
	home := pgpkeys.Home(t, good)
	write(t, "keys/trusted.gpg", good.Public())
	twin(t)
	tree := makeTree(t, map[string]string{"a": "c"})
	sign, homedir := "--gpg-sign="+good.ID(), "--gpg-homedir="+home
	both(t, "", "commit", "-b", "main", "--timestamp=@1700000001", tree, sign, sign, homedir)
	both(t, "", "commit", "-b", "main", "--timestamp=@1700000001", tree, sign, homedir, "--add-detached-metadata-string=k=v")
	both(t, "", "show", "main")
	both(t, "", "commit", "-b", "main", "--timestamp=@1700000002", tree, "--gpg-sign=123456789", homedir)
	both(t, "", "commit", "-b", "main", "--timestamp=@1700000002", tree, sign, "--gpg-homedir=nowhere")
	both(t, "", "rev-parse", "main")
	both(t, "", "summary", "-u", sign, homedir)
	theirsView := theirs(t, "", "summary", "-v", "--repo=theirs")
	if got := must(t, "summary", "-v", "--repo=repo"); !strings.HasSuffix(got, "on the summary:\n\n  Signature made "+strings.TrimPrefix(lastLines(got, 3), "  Signature made ")) ||
		!strings.Contains(got, "Found 1 signature on the summary:") || !strings.Contains(got, "Good signature from \"Good <good@example.com>\"\n  Key expires ") {
		t.Errorf("summary -v: %s", got)
	}
	if theirsView.Code != 0 {
		t.Error(theirsView)
	}
	var shown struct {
		GPGSignatures []struct{ Status, Fingerprint, UserEmail string }
	}
	for _, args := range [][]string{{"show", "--repo=repo", "main", "--json"}, {"summary", "--repo=repo", "--json"}} {
		if err := json.Unmarshal([]byte(must(t, args...)), &shown); err != nil {
			t.Fatal(err)
		}
		if s := shown.GPGSignatures; len(s) == 0 || s[0].Status != "good" || !strings.HasSuffix(s[0].Fingerprint, good.ID()) || s[0].UserEmail != "good@example.com" {
			t.Errorf("%v: %+v", args, s)
		}
	}
	both(t, "", "summary", "-u", "--gpg-sign=123456789", homedir)
	must(t, "summary", "-u", "--repo=repo")
	if got := must(t, "summary", "-v", "--repo=repo"); !strings.HasSuffix(got, "\nSummary is unsigned") {
		t.Errorf("summary -v: %s", got)
	}
}

func lastLines(s string, n int) string {
	lines := strings.Split(s, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// armour writes a key in ASCII.
func armoured(t *testing.T, keys ...*pgpkeys.Key) []byte {
	t.Helper()
	var all []byte
	for _, k := range keys {
		all = append(all, k.Armored()...)
	}
	return all
}

func TestRemoteGPG(t *testing.T) {
	data := signedRepo(t)
	one, two, three := recent(t, "One <one@example.com>"), recent(t, "Two <two@example.com>"), recent(t, "Three <three@example.com>")
	putSignatures(t, two.Sign(data), three.Sign(data))
	must(t, "remote", "add", "--repo=repo", "R", "http://r")
	twin(t)
	write(t, "one.gpg", one.Public())
	write(t, "two.asc", armoured(t, two))
	write(t, "all.gpg", append(append(one.Public(), two.Public()...), three.Public()...))
	write(t, "secret.gpg", three.Secret())
	write(t, "damaged.gpg", append(one.Public(), two.Public()[:50]...))
	write(t, "no.gpg", []byte("no keys\n"))
	all, err := os.ReadFile("all.gpg")
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{
		"", "nope", "nope -k all.gpg", "R -k all.gpg --stdin", "R -k nowhere", "R -k all.gpg X", "R -k all.gpg 12345678 " + one.ID(), "R -k all.gpg example.com",
		"R -k no.gpg", "R -k /dev/null", "R -k one.gpg", "R -k one.gpg", "R -k two.asc -k one.gpg", "R -k all.gpg three@example.com two@example.com three@example.com",
		"R -k two.asc " + one.ID(), "R --stdin", "R --stdin " + two.ID(), "R -k all.gpg -k two.asc",
	} {
		if both(t, string(all), append([]string{"remote", "gpg-import"}, strings.Fields(args)...)...).Code == 0 {
			both(t, "", "remote", "gpg-list-keys", "R")
		}
	}
	for i, args := range []string{"-k secret.gpg", "-k damaged.gpg", "--stdin -k", "--stdin " + one.ID()} {
		remote := fmt.Sprint("r", i)
		both(t, "", "remote", "add", remote, "http://r")
		both(t, string(all), append([]string{"remote", "gpg-import", remote}, strings.Fields(args)...)...)
		both(t, "", "remote", "gpg-list-keys", remote)
	}
	// Each program reads what the other has written, and adds to it.
	for _, name := range []string{"R.trustedkeys.gpg", "r0.trustedkeys.gpg"} {
		if err := os.Rename("repo/"+name, "swapped"); err != nil {
			t.Fatal(err)
		}
		os.Rename("theirs/"+name, "repo/"+name)
		os.Rename("swapped", "theirs/"+name)
	}
	both(t, "", "show", "main")
	both(t, "", "show", "main", "--gpg-verify-remote=R")
	both(t, "", "show", "main", "--gpg-verify-remote=r0")
	both(t, "", "show", "main", "--gpg-verify-remote=nope")
	both(t, "", "remote", "gpg-import", "r0", "-k", "all.gpg")
	both(t, "", "remote", "gpg-list-keys", "r0")
	if got := must(t, "remote", "gpg-list-keys", "--repo=repo", "R", "--json"); !strings.Contains(got, `"name": "One <one@example.com>"`) {
		t.Error(got)
	}
	for _, args := range []string{"nope", "", "R extra", "--nope R"} {
		both(t, "", append([]string{"remote", "gpg-list-keys"}, strings.Fields(args)...)...)
	}
	for _, args := range []string{"a http://a --gpg-import=two.asc", "a http://a --gpg-import=two.asc", "a http://a --gpg-import=one.gpg --if-not-exists", "b http://b --gpg-import=nowhere"} {
		both(t, "", append([]string{"remote", "add"}, strings.Fields(args)...)...)
	}
	both(t, "", "remote", "gpg-list-keys", "a")
	both(t, "", "remote", "delete", "a")
	both(t, "", "remote", "add", "a", "http://a")
	both(t, "", "remote", "gpg-list-keys", "a")
}

// TestKeyPath is about where the keys of a remote come from.
func TestKeyPath(t *testing.T) {
	data := signedRepo(t)
	one, two := recent(t, "One <one@example.com>"), recent(t, "Two <two@example.com>")
	putSignatures(t, one.Sign(data))
	write(t, "keys/one.gpg", one.Public())
	write(t, "keys/trustdb.gpg", two.Public())
	for _, dir := range []string{"empty", "dir/sub"} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, "one.gpg", one.Public())
	write(t, "one.asc", armoured(t, one))
	write(t, "two.asc", armoured(t, two))
	write(t, "dir/any", one.Public())
	write(t, "dir/no", []byte("no keys\n"))
	write(t, "dir/two.asc", armoured(t, two))
	write(t, "dir/sub/one", one.Public())
	if err := os.Symlink("../one.gpg", "empty/link"); err != nil {
		t.Fatal(err)
	}
	must(t, "init", "--repo=parent", "--mode=archive")
	must(t, "remote", "add", "--repo=parent", "of-parent", "http://p", "--gpg-import=two.asc")
	parent, err := filepath.Abs("parent")
	if err != nil {
		t.Fatal(err)
	}
	must(t, "config", "--repo=repo", "set", "core.parent", parent)
	twin(t)
	for i, path := range []string{
		"one.gpg", "one.asc", "two.asc", "two.asc,one.gpg", "two.asc;one.gpg", "two.asc,one.gpg;two.asc", "one.gpg,", ",one.gpg", "", "dir", "dir/", "dir/no", "empty", "nowhere", "one.gpg,nowhere",
	} {
		remote := fmt.Sprint("r", i)
		both(t, "", "remote", "add", remote, "http://r", "--set=gpgkeypath="+path)
		if both(t, "", "show", "main", "--gpg-verify-remote="+remote).Code == 0 {
			both(t, "", "remote", "gpg-list-keys", remote)
		}
	}
	both(t, "", "remote", "add", "plain", "http://r")
	both(t, "", "show", "main", "--gpg-verify-remote=plain") // the system's key
	both(t, "", "remote", "gpg-list-keys", "plain")
	both(t, "", "remote", "gpg-list-keys")
	both(t, "", "show", "main", "--gpg-verify-remote=of-parent")
	both(t, "", "remote", "gpg-list-keys", "of-parent")
	both(t, "", "remote", "gpg-import", "plain", "-k", "two.asc")
	both(t, "", "show", "main", "--gpg-verify-remote=plain") // no longer
	both(t, "", "remote", "gpg-import", "of-parent", "-k", "one.gpg")
	both(t, "", "remote", "gpg-list-keys", "of-parent")
	write(t, "repo/plain.trustedkeys.gpg", nil)
	write(t, "theirs/plain.trustedkeys.gpg", nil)
	both(t, "", "show", "main", "--gpg-verify-remote=plain")
	t.Setenv("OSTREE_GPG_HOME", "nowhere")
	both(t, "", "show", "main")
	both(t, "", "remote", "gpg-list-keys")
}

// TestKeybox: unlike ostree, we read keyboxes everywhere.
func TestKeybox(t *testing.T) {
	data := signedRepo(t)
	k := pgpkeys.New(t, eddsa, time.Now().Add(-time.Hour)).UID("One <one@example.com>")
	putSignatures(t, k.Sign(data))
	home := pgpkeys.Home(t, k)
	must(t, "remote", "add", "--repo=repo", "path", "http://r", "--set=gpgkeypath="+home+"/pubring.kbx")
	must(t, "remote", "add", "--repo=repo", "imported", "http://r", "--gpg-import="+home+"/pubring.kbx")
	t.Setenv("GNUPGHOME", home)
	must(t, "remote", "add", "--repo=repo", "user", "http://r")
	must(t, "remote", "gpg-import", "--repo=repo", "user")
	for _, option := range []string{"--gpg-homedir=" + home, "--gpg-verify-remote=path", "--gpg-verify-remote=imported", "--gpg-verify-remote=user"} {
		if got := must(t, "show", "--repo=repo", "main", option); !strings.Contains(got, "Good signature from \"One <one@example.com>\"") {
			t.Errorf("%s: %s", option, got)
		}
	}
	box, err := os.ReadFile(home + "/pubring.kbx")
	if err != nil {
		t.Fatal(err)
	}
	write(t, "repo/imported.trustedkeys.gpg", box)
	same(t, "show", "--repo=repo", "main", "--gpg-verify-remote=imported")
	same(t, "remote", "gpg-list-keys", "--repo=repo", "imported")
}

func TestPullLocalGPG(t *testing.T) {
	data := signedRepo(t)
	one, two := recent(t, "One <one@example.com>"), recent(t, "Two <two@example.com>", pgpkeys.KeyLifetime(year))
	home := pgpkeys.Home(t, one)
	os.Rename("repo", "src")
	must(t, "init", "--repo=repo", "--mode=archive")
	write(t, "one.gpg", one.Public())
	write(t, "two.gpg", two.Public())
	must(t, "remote", "add", "--repo=repo", "one", "http://r", "--gpg-import=one.gpg")
	must(t, "remote", "add", "--repo=repo", "two", "http://r", "--gpg-import=two.gpg")
	must(t, "remote", "add", "--repo=repo", "path", "http://r", "--set=gpgkeypath=nowhere")
	twin(t)
	must(t, "commit", "--repo=src", "-b", "unsigned", "--timestamp=@1700000000", makeTree(t, map[string]string{"a": "c"}))
	for _, signatures := range [][][]byte{
		nil, {two.Sign(data)}, {one.Sign([]byte("other"))}, {[]byte("garbage")}, {two.Sign(data), one.Sign([]byte("other")), one.Sign(data)}, {one.Sign(data)},
	} {
		os.Rename("repo", "kept")
		os.Rename("src", "repo")
		putSignatures(t, signatures...)
		os.Rename("repo", "src")
		os.Rename("kept", "repo")
		for _, remote := range []string{"nope", "path", "two", "one"} {
			both(t, "", "pull-local", "src", "main", "--gpg-verify", "--remote="+remote)
		}
	}
	both(t, "", "pull-local", "src", "unsigned", "--gpg-verify", "--remote=one")
	both(t, "", "pull-local", "src", "main", "--gpg-verify-summary", "--remote=one")
	must(t, "summary", "-u", "--repo=src")
	both(t, "", "pull-local", "src", "main", "--gpg-verify-summary", "--remote=one")
	must(t, "summary", "-u", "--repo=src", "--gpg-sign="+one.ID(), "--gpg-homedir="+home)
	for _, remote := range []string{"nope", "path", "two", "one"} {
		both(t, "", "pull-local", "src", "main", "--gpg-verify-summary", "--remote="+remote)
	}
	both(t, "", "refs")
}
