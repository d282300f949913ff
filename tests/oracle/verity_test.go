package oracle_test

import (
	"strings"
	"testing"

	"github.com/treenail/treenail/tests/internal/guest"
)

// verityScript makes a repository of each mode with each program on a file system
// with fs-verity, and prints which files the kernel verifies, by which digests. A
// line that begins with > begins a repository.
const verityScript = `
cd /mnt
mkdir tree; echo hello >tree/file; ln -s file tree/link; dd if=/dev/zero of=tree/large bs=1M count=1 2>/dev/null
for mode in bare bare-user bare-user-only archive; do
  for program in ostree treenail; do
    echo ">$mode $program"
    repo=$program-$mode
    $program --repo=$repo init --mode=$mode
    printf '[ex-fsverity]\nrequired=true\n' >>$repo/config
    $program --repo=$repo commit -b b --timestamp=@1 --owner-uid=0 --owner-gid=0 --no-xattrs tree >/dev/null
    (cd $repo && find objects -type f | sort | xargs fsverity measure)
    treenail --repo=$repo fsck --quiet >/dev/null
    if echo x >>$(ls -d $repo/objects/*/*.dirmeta); then exit 9; fi
  done 2>/dev/null
done
treenail --repo=copy init --mode=bare-user
treenail --repo=copy config set ex-integrity.fsverity yes
treenail --repo=copy pull-local treenail-archive b >/dev/null
echo ">bare-user pulled"
(cd copy && find objects -type f | sort | xargs fsverity measure)
treenail --repo=copy refs --delete b
treenail --repo=copy prune --refs-only >/dev/null
echo ">bare-user pruned"
find copy/objects -type f
`

// TestVerity: what the kernel verifies is the same as after ostree, and it is there
// to be read and deleted.
func TestVerity(t *testing.T) {
	need(t, "ostree", "fsverity", "qemu-system-x86_64", "cpio", "mkfs.ext4")
	ctx := t.Context()
	g, err := guest.New(ctx, dir(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{treenail, "ostree", "fsverity"} {
		if err := g.AddProgram(ctx, program); err != nil {
			t.Fatal(err)
		}
	}
	disk := g.Path("disk")
	run(t, "truncate", "-s", "64M", disk)
	run(t, "mkfs.ext4", "-q", "-b", "4096", "-O", "verity", disk)
	out, err := g.Run(ctx, "mount -o loop /disk /mnt\n"+verityScript)
	if err != nil {
		t.Fatal(err)
	}
	repos := map[string][]string{}
	for _, part := range strings.Split(out, ">")[1:] {
		name, files, _ := strings.Cut(part, "\n")
		repos[name] = strings.Fields(files)
	}
	for _, mode := range []string{"bare", "bare-user", "bare-user-only", "archive"} {
		ours, theirs := repos[mode+" treenail"], repos[mode+" ostree"]
		if mode == "archive" { // the streams differ, so do their digests
			ours, theirs = odd(ours), odd(theirs)
		}
		if len(theirs) < 5 || strings.Join(ours, "\n") != strings.Join(theirs, "\n") {
			t.Errorf("%s: verified are\n%s\nafter ostree\n%s", mode, strings.Join(ours, "\n"), strings.Join(theirs, "\n"))
		}
	}
	if pulled, committed := repos["bare-user pulled"], repos["bare-user treenail"]; strings.Join(pulled, "\n") != strings.Join(committed, "\n") {
		t.Errorf("after a pull\n%s\nafter the commit\n%s", strings.Join(pulled, "\n"), strings.Join(committed, "\n"))
	}
	if left, ok := repos["bare-user pruned"]; !ok || len(left) > 0 {
		t.Errorf("prune left %q", left)
	}
}

// odd returns every second word.
func odd(words []string) (out []string) {
	for i := 1; i < len(words); i += 2 {
		out = append(out, words[i])
	}
	return out
}
