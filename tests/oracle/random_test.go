package oracle_test

import (
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var (
	randomSeed  = flag.Uint64("random.seed", 1, "seed of the first random sequence of commands")
	randomCount = flag.Int("random.count", 15, "how many random sequences of commands are run")
)

// randomSteps is how many commands one sequence has.
const randomSteps = 40

// TestRandom runs random commands on random trees with both programs, each in a
// directory of its own, and compares after every command what it printed, how it
// ended, and all that is in the repositories and checkouts. A sequence is given
// by its seed: -random.seed=N -random.count=1 runs it again.
func TestRandom(t *testing.T) {
	need(t, "ostree", "tar")
	for i := range *randomCount {
		seed := *randomSeed + uint64(i)
		mode := modes[seed%4] // all but bare-split-xattrs, which ostree 2022.7 writes wrongly
		t.Run(fmt.Sprintf("%d-%s", seed, mode), func(t *testing.T) {
			d := newDuel(t, seed, mode)
			for step := 0; step < randomSteps && !d.over; step++ {
				if d.step(); t.Failed() {
					t.Fatalf("seed %d; all commands:\n%s", seed, strings.Join(d.script, "\n"))
				}
			}
		})
	}
}

// duel is two programs doing the same in two directories. What they read lies
// beside those, so that a path relative to a directory means the same to both.
type duel struct {
	t      *testing.T
	rng    *rand.Rand
	mode   string
	base   string
	sides  [2]side // theirs, ours
	tree   *randomTree
	script []string // the commands so far
	files  int      // made so far, to name them

	over      bool
	commits   []string
	checkouts []string
	remote2   []string // the option --remote of pulls into repo2
}

type side struct{ name, program, dir string }

// answer is what one program made of a command.
type answer struct {
	stdout, stderr string
	code           int
}

func newDuel(t *testing.T, seed uint64, mode string) *duel {
	base := dir(t)
	d := &duel{
		t: t, mode: mode, base: base, rng: rand.New(rand.NewPCG(seed, 0)),
		sides: [2]side{{"theirs", "ostree", base + "/theirs"}, {"ours", treenail, base + "/ours"}},
	}
	for _, s := range d.sides {
		if err := os.Mkdir(s.dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	d.tree = newRandomTree(t, d.rng, base+"/tree", mode)
	init := []string{"init", "--mode=" + mode}
	if d.chance(4) {
		init = append(init, "--collection-id=org.example.Duel")
	}
	d.do(init...)
	return d
}

// chance is true once in n times.
func (d *duel) chance(n int) bool { return d.rng.IntN(n) == 0 }

// pick returns one of several.
func pick[T any](d *duel, from ...T) T { return from[d.rng.IntN(len(from))] }

// maybe adds arguments once in n times.
func (d *duel) maybe(args []string, n int, more ...string) []string {
	if d.chance(n) {
		return append(args, more...)
	}
	return args
}

// do runs a command on the repository of each side and compares the outcome.
func (d *duel) do(args ...string) (ours answer) {
	d.t.Helper()
	args = append(args, "--repo=repo")
	d.script = append(d.script, "ostree "+quote(args))
	var a [2]answer
	for i, s := range d.sides {
		a[i] = s.run(args)
	}
	if a[0].code < 0 { // ostree crashed
		d.over = true
		return a[1]
	}
	if a[0].code > 0 { // what a later commit would find in staging
		run(d.t, "find", d.sides[0].dir+"/repo/tmp", "-mindepth", "1", "-delete")
	}
	d.compare(args[0], a[0], a[1])
	if args[0] != "commit" {
		d.sameFiles("repo", lasting)
	}
	return a[1]
}

func (s side) run(args []string) answer {
	cmd := exec.Command(s.program, args...)
	cmd.Dir = s.dir
	stdout, stderr, _ := try(cmd)
	return answer{stdout, stderr, cmd.ProcessState.ExitCode()}
}

func quote(args []string) string {
	quoted := make([]string, len(args))
	for i, arg := range args {
		quoted[i] = "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
	}
	return strings.Join(quoted, " ")
}

func (d *duel) compare(verb string, theirs, ours answer) {
	d.t.Helper()
	if theirs.code != ours.code {
		d.t.Errorf("exit code: want %d, got %d\ntheirs: %sours: %s", theirs.code, ours.code, theirs.stderr, ours.stderr)
		return
	}
	if want, got := normal(verb, theirs.stdout), normal(verb, ours.stdout); want != got {
		d.t.Errorf("stdout: want\n%s\ngot\n%s", want, got)
	}
	if want, got := lastLine(theirs.stderr), lastLine(ours.stderr); want != got && !mayDiffer(want, got) {
		d.t.Errorf("stderr: want\n%s\ngot\n%s", theirs.stderr, ours.stderr)
	}
}

func lastLine(s string) string {
	s = strings.TrimSpace(s)
	return s[strings.LastIndexByte(s, '\n')+1:]
}

// normal takes out of an output what may differ: how often progress is told, the
// order of refs and of a directory's files, which ostree 2022.7 takes from a hash
// table and from the file system, and sizes of objects, as each deflates them.
func normal(verb, stdout string) string {
	lines := strings.SplitAfter(stdout, "\n")
	switch verb {
	case "fsck":
		lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "fsck objects (") })
	case "refs", "diff":
		slices.Sort(lines)
		lines = slices.DeleteFunc(lines, func(line string) bool { return strings.HasPrefix(line, "Common Object Size: ") })
	case "prune":
		stdout, _, _ = strings.Cut(stdout, " objects, ")
		return stdout
	case "pull-local":
		if i := strings.Index(stdout, " transferred in "); i >= 0 {
			return stdout[:i]
		}
	}
	return strings.Join(lines, "")
}

// mayDiffer reports whether two errors say the same in other words.
func mayDiffer(theirs, ours string) bool {
	return strings.HasPrefix(theirs, "error: ") && strings.HasPrefix(ours, "error: ")
}

// sameFiles compares a file or directory that each side may have made.
func (d *duel) sameFiles(name string, list func(*testing.T, string) map[string]string) {
	d.t.Helper()
	var found [2]map[string]string
	for i, s := range d.sides {
		path := filepath.Join(s.dir, name)
		if _, err := os.Lstat(path); err == nil {
			found[i] = list(d.t, path)
		}
	}
	same(d.t, name, found[0], found[1])
}

// step runs one random command.
func (d *duel) step() {
	steps := []struct {
		weight int
		run    func(*duel)
	}{
		{10, (*duel).commit}, {4, (*duel).commitTar}, {8, (*duel).checkout}, {6, (*duel).refs}, {3, (*duel).revParse},
		{3, (*duel).log}, {4, (*duel).show}, {4, (*duel).ls}, {2, (*duel).cat}, {4, (*duel).diff}, {2, (*duel).reset},
		{2, (*duel).fsck}, {3, (*duel).prune}, {2, (*duel).export}, {4, (*duel).pullLocal}, {3, (*duel).config},
		{2, (*duel).checksum}, {2, (*duel).remote}, {6, (*duel).change}, {1, (*duel).nonsense},
	}
	total := 0
	for _, s := range steps {
		total += s.weight
	}
	n := d.rng.IntN(total)
	for _, s := range steps {
		if n -= s.weight; n < 0 {
			s.run(d)
			return
		}
	}
}

// change changes the tree that commits are made of.
func (d *duel) change() {
	d.script = append(d.script, "# the tree changes")
	d.tree.change()
}

var branches = []string{"main", "b/c", "b/d", "long/branch/name/x86_64", "z-1.0_x"}

func (d *duel) commit() {
	args := append([]string{"commit"}, d.commitOptions()...)
	switch d.rng.IntN(8) {
	case 0:
		args = append(args, "--tree=ref="+d.rev(), "--tree=dir=../tree")
	case 1:
		args = append(args, "--tree=dir=../tree", "--tree=ref="+d.rev())
	case 2:
		args = append(args, "--base="+cmp.Or(d.rev(), "none"), "../tree")
	case 3:
		args = append(args, "--tree=ref="+d.rev())
	case 4:
		d.commitCheckout(args)
		return
	default:
		args = append(args, "--tree=dir=../tree")
	}
	d.committed(d.do(args...))
}

// commitCheckout commits a directory that may be linked to the repository.
func (d *duel) commitCheckout(args []string) {
	if len(d.checkouts) == 0 {
		return
	}
	args = slices.DeleteFunc(args, func(arg string) bool { return arg == "--table-output" }) // we find more files that are known
	args = d.maybe(args, 2, "--link-checkout-speedup")
	args = d.maybe(args, 4, "--devino-canonical")
	d.committed(d.do(append(args, "--tree=dir="+pick(d, d.checkouts...))...))
}

// committed notes what came of a commit. ostree leaves objects of files in the
// repository that other trees of the same commit replaced; these go.
func (d *duel) committed(a answer) {
	if d.over {
		return
	}
	for _, s := range d.sides {
		run(d.t, "ostree", "prune", "--repo="+s.dir+"/repo")
	}
	d.sameFiles("repo", lasting)
	if c := strings.TrimSpace(a.stdout); a.code == 0 && len(c) == 64 {
		d.commits = append(d.commits, c)
	}
}

func (d *duel) commitOptions() []string {
	d.files++
	args := []string{fmt.Sprintf("--timestamp=@%d", 1700000000+d.rng.IntN(1e7))}
	if d.chance(8) {
		args = append(args, "--orphan")
	} else {
		args = append(args, "--branch="+pick(d, branches...))
	}
	args = d.maybe(args, 2, "--subject="+pick(d, "one", "two words", "ünïcode", ""))
	args = d.maybe(args, 4, "--body="+pick(d, "body", "two\nlines", "trailing\n\n"))
	args = d.maybe(args, 8, "--parent="+cmp.Or(d.rev(), "none"))
	args = d.maybe(args, 5, "--owner-uid=0", "--owner-gid=7")
	args = d.maybe(args, 5, "--canonical-permissions")
	args = d.maybe(args, 5, "--no-xattrs")
	args = d.maybe(args, 8, "--mode-ro-executables")
	args = d.maybe(args, 6, pick(d, "--skip-if-unchanged", "--table-output")) // both: ostree prints what it never counted
	args = d.maybe(args, 6, "--add-metadata-string=version=1."+fmt.Sprint(d.files))
	args = d.maybe(args, 6, "--add-metadata=k="+pick(d, "uint32 5", "'s'", "[1, 2]", "{'a': <1>}", "(", "@ay []", "true"))
	args = d.maybe(args, 8, "--add-detached-metadata-string=d=x")
	args = d.maybe(args, 8, "--keep-metadata="+pick(d, "version", "k"))
	args = d.maybe(args, 8, "--bind-ref="+pick(d, branches...))
	args = d.maybe(args, 8, "--no-bindings")
	if d.mode != "archive" { // where the sizes are those of zlib's streams
		args = d.maybe(args, 8, "--generate-sizes")
	}
	if d.chance(8) {
		args = append(args, "--statoverride="+d.file("+2048 /"+d.tree.regular()+"\n=420 /"+d.tree.regular()+"\n"))
	}
	if d.chance(8) {
		args = append(args, "--skip-list="+d.file("/"+d.tree.name()+"\n"))
	}
	return args
}

// file makes a file that both sides read, and returns its path.
func (d *duel) file(body string) string {
	d.files++
	name := fmt.Sprintf("file-%d", d.files)
	if err := os.WriteFile(filepath.Join(d.base, name), []byte(body), 0o644); err != nil {
		d.t.Fatal(err)
	}
	d.script = append(d.script, fmt.Sprintf("# ../%s is %q", name, body))
	return "../" + name
}

func (d *duel) commitTar() {
	d.files++
	name := fmt.Sprintf("tree-%d.tar", d.files)
	format := pick(d, "gnu", "pax", "ustar")
	tar := exec.Command("tar", "--format="+format, "--sort=name", "-C", d.tree.root, "-cf", filepath.Join(d.base, name), ".")
	if out, err := tar.CombinedOutput(); err != nil && format != "ustar" { // ustar can't hold all
		d.t.Fatalf("tar: %v\n%s", err, out)
	}
	args := append([]string{"commit"}, d.commitOptions()...)
	args = d.maybe(args, 3, "--tar-autocreate-parents")
	args = d.maybe(args, 5, "--tar-pathname-filter="+pick(d, "^d,e", "x,y/z", "^(.),\\1\\1"))
	d.committed(d.do(append(args, "--tree=tar=../"+name)...))
}

// rev is something that may name a commit.
func (d *duel) rev() string {
	if len(d.commits) == 0 || d.chance(12) {
		return pick(d, "nosuch", "main^^^^", "", "../x", "nosuch:a", strings.Repeat("1", 64), strings.Repeat("f", 10))
	}
	c := pick(d, d.commits...)
	switch d.rng.IntN(6) {
	case 0:
		return pick(d, branches...)
	case 1:
		return pick(d, branches...) + "^"
	case 2:
		return c[:8+d.rng.IntN(50)]
	}
	return c
}

func (d *duel) checkout() {
	args := []string{"checkout"}
	if d.mode == "bare-user" || d.chance(2) {
		args = append(args, "-U")
	}
	args = d.maybe(args, 3, "-H")
	args = d.maybe(args, 4, "-C")
	args = d.maybe(args, 4, pick(d, "--union", "--union-add", "--union-identical"))
	args = d.maybe(args, 6, "--whiteouts")
	args = d.maybe(args, 6, "--force-copy-zerosized")
	args = d.maybe(args, 6, "--bareuseronly-dirs")
	args = d.maybe(args, 6, "--subpath=/"+d.tree.name())
	args = d.maybe(args, 6, "--disable-cache")
	args = d.maybe(args, 10, "--allow-noent")
	if d.chance(8) {
		args = append(args, "--skip-list="+d.file("/"+d.tree.name()+"\n"))
	}
	d.files++
	dest := fmt.Sprintf("out-%d", d.files)
	if len(d.checkouts) > 0 && d.chance(3) {
		dest = pick(d, d.checkouts...)
	}
	if a := d.do(append(args, d.rev(), dest)...); a.code == 0 && !slices.Contains(d.checkouts, dest) {
		d.checkouts = append(d.checkouts, dest)
	}
	if slices.Contains(d.checkouts, dest) {
		d.sameFiles(dest, checkedOut)
	}
}

// lasting describes a repository, but for directories of objects that are empty.
func lasting(t *testing.T, repo string) map[string]string {
	all := repository(t, repo)
	used := map[string]bool{}
	for path := range all {
		used[filepath.Dir(path)] = true
	}
	for path := range all {
		if filepath.Dir(path) == "objects" && !used[path] {
			delete(all, path)
		}
	}
	return all
}

// checkedOut describes a checkout, with what is linked to something else.
func checkedOut(t *testing.T, root string) map[string]string {
	found := snapshot(t, root, everything)
	linked, total := hardlinks(t, root)
	found["links"] = fmt.Sprintf("%d of %d files are links", linked, total)
	return found
}

func (d *duel) refs() {
	switch d.rng.IntN(8) {
	case 0:
		d.do("refs", "--create="+pick(d, append(branches, "new", "b", "main/x", "-bad", "x:y", "..")...), d.rev())
	case 1:
		d.do("refs", "--delete", pick(d, append(branches, "b", "nosuch", "new")...))
	case 2:
		d.do("refs", "--alias", "--create="+pick(d, "al", "al/2", "main"), pick(d, append(branches, "nosuch")...))
	case 3:
		d.do("refs", "--list", pick(d, append(branches, "b", "long")...))
	case 4:
		d.do("refs", pick(d, append(branches, "b", "long")...))
	case 5:
		d.do("refs", "--collections")
	case 6:
		d.do("refs", "--force", "--create="+pick(d, branches...), d.rev())
	default:
		d.do(d.maybe([]string{"refs"}, 3, "--alias")...)
	}
}

func (d *duel) revParse() { d.do(d.maybe([]string{"rev-parse", d.rev()}, 3, d.rev())...) }
func (d *duel) log()      { d.do(d.maybe([]string{"log", d.rev()}, 3, "--raw")...) }
func (d *duel) reset()    { d.do("reset", pick(d, branches...), d.rev()) }

func (d *duel) show() {
	args := []string{"show", d.rev()}
	switch d.rng.IntN(6) {
	case 0:
		args = append(args, "--raw")
	case 1:
		args = append(args, "--print-metadata-key="+pick(d, "version", "k", "ostree.ref-binding"))
	case 2:
		args = append(args, "--print-detached-metadata-key=d")
	case 3:
		args = append(args, "--raw", "--no-byteswap")
	case 4:
		args = append(args, "--print-sizes")
	}
	d.do(args...)
}

func (d *duel) ls() {
	args := d.maybe([]string{"ls", d.rev()}, 2, "/"+d.tree.name())
	args = d.maybe(args, 2, "-R")
	args = d.maybe(args, 3, "-C")
	args = d.maybe(args, 3, "-X")
	args = d.maybe(args, 5, "-d")
	d.do(d.maybe(args, 6, "--nul-filenames-only")...)
}

func (d *duel) cat() { d.do("cat", d.rev(), "/"+d.tree.name()) }

func (d *duel) diff() {
	rev := func() string { // of a commit that is not there ostree says that it has no objects
		return strings.Replace(d.rev(), strings.Repeat("1", 64), "nosuch", 1)
	}
	args := []string{"diff", rev()}
	switch d.rng.IntN(4) {
	case 0:
		args = append(args, "./../tree")
	case 1:
	default:
		args = append(args, rev())
	}
	args = d.maybe(args, 4, "--stats")
	args = d.maybe(args, 4, "--fs-diff")
	d.do(d.maybe(args, 4, "--no-xattrs")...)
}

func (d *duel) fsck() {
	args := d.maybe([]string{"fsck"}, 3, "--quiet")
	args = d.maybe(args, 3, "--all")
	args = d.maybe(args, 4, "--verify-bindings")
	d.do(d.maybe(args, 4, "--verify-back-refs")...)
}

// prune has one policy for all branches: where histories of different depths meet,
// ostree forgets what the greater one keeps.
func (d *duel) prune() {
	args := []string{"prune"}
	args = d.maybe(args, 2, "--refs-only")
	args = d.maybe(args, 3, fmt.Sprintf("--depth=%d", d.rng.IntN(4)-1))
	args = d.maybe(args, 3, "--no-prune")
	args = d.maybe(args, 6, "--commit-only")
	args = d.maybe(args, 6, "--keep-younger-than=@1705000000")
	if c := d.commits; len(c) > 0 && d.chance(8) {
		if c := pick(d, c...); d.has(c) { // for one that is not there ostree changes the configuration
			args = append(args, "--delete-commit="+c)
		}
	}
	d.do(args...)
}

// has reports whether a commit is in the repository still.
func (d *duel) has(commit string) bool {
	_, err := os.Lstat(filepath.Join(d.sides[1].dir, "repo/objects", commit[:2], commit[2:]+".commit"))
	return err == nil
}

func (d *duel) export() {
	args := d.maybe([]string{"export", d.rev()}, 3, "--no-xattrs")
	args = d.maybe(args, 4, "--prefix=p/")
	args = append(args, "--repo=repo")
	d.script = append(d.script, "ostree "+quote(args))
	var found [2]map[string]string
	var codes [2]int
	for i, s := range d.sides {
		out := filepath.Join(s.dir, "export")
		if err := os.Mkdir(out, 0o755); err != nil {
			d.t.Fatal(err)
		}
		a := s.run(args)
		if codes[i] = a.code; a.code == 0 {
			tar := exec.Command("tar", "-xpf", "-", "--xattrs", "--xattrs-include=*", "-C", out)
			tar.Stdin = bytes.NewReader([]byte(a.stdout))
			if text, err := tar.CombinedOutput(); err != nil {
				d.t.Errorf("%s's archive: %v\n%s", s.name, err, text)
			}
			found[i] = snapshot(d.t, out, everything)
		}
		os.RemoveAll(out)
	}
	if codes[0] != codes[1] {
		d.t.Errorf("exit code: want %d, got %d", codes[0], codes[1])
	}
	same(d.t, "export", found[0], found[1])
}

func (d *duel) pullLocal() {
	if _, err := os.Lstat(d.sides[1].dir + "/repo2"); err != nil {
		to := pick(d, modes[:4]...)
		if d.mode == "bare-user" && to == "bare-user-only" {
			to = "bare" // ostree shares files there that are not the same in both modes
		}
		if d.remote2 = nil; d.chance(3) {
			d.remote2 = []string{"--remote=far"} // once and for all: ostree takes far:a for a
		}
		d.script = append(d.script, "ostree --repo=repo2 init --mode="+to)
		for _, s := range d.sides {
			if a := s.run([]string{"--repo=repo2", "init", "--mode=" + to}); a.code != 0 {
				d.t.Fatalf("%s", a.stderr)
			}
		}
	}
	args := append([]string{"pull-local", "repo"}, d.remote2...)
	if d.chance(2) {
		args = append(args, pick(d, append(branches, d.rev())...))
	}
	args = d.maybe(args, 4, fmt.Sprintf("--depth=%d", d.rng.IntN(4)-1))
	args = d.maybe(args, 6, "--untrusted")
	args = d.maybe(args, 8, "--commit-metadata-only")
	args = d.maybe(args, 8, "--bareuseronly-files")
	args = append(args, "--disable-verify-bindings", "--repo=repo2") // ostree looks at one ref of a commit
	d.script = append(d.script, "ostree "+quote(args))
	theirs, ours := d.sides[0].run(args), d.sides[1].run(args)
	if d.over = theirs.code < 0; d.over {
		return
	}
	d.compare("pull-local", theirs, ours)
	if theirs.code != 0 { // ostree leaves marks for what it could not pull
		for _, s := range d.sides {
			os.RemoveAll(s.dir + "/repo2")
		}
	}
	d.sameFiles("repo2", lasting)
}

func (d *duel) config() {
	key := pick(d, "core.mode", "core.nosuch", "ex.key", "nodot", "core.tombstone-commits", "a.b.c")
	switch d.rng.IntN(3) {
	case 0:
		d.do("config", "get", key)
	case 1:
		if key != "core.mode" {
			d.do("config", "set", key, pick(d, "true", "false"))
		}
	default:
		if key != "core.mode" {
			d.do("config", "unset", key)
		}
	}
}

func (d *duel) checksum() {
	args := []string{"checksum", "../tree/" + d.tree.name()}
	d.do(d.maybe(args, 3, "--ignore-xattrs")...)
}

func (d *duel) remote() {
	name := pick(d, "origin", "r2", "bad name")
	switch d.rng.IntN(5) {
	case 0, 1:
		d.do(d.maybe([]string{"remote", "add", "--no-gpg-verify", name, "http://example.com/" + name}, 3, "--if-not-exists")...)
	case 2:
		d.do("remote", "delete", name)
	case 3:
		d.do("remote", "show-url", name)
	default:
		d.do(d.maybe([]string{"remote", "list"}, 2, "-u")...)
	}
}

// nonsense is a command line that no program takes.
func (d *duel) nonsense() {
	d.do(pick(d,
		[]string{"nosuch"}, []string{"commit"}, []string{"commit", "--branch=a", "--nosuch"}, []string{"checkout"},
		[]string{"refs", "--delete"}, []string{"log"}, []string{"show"}, []string{"cat"}, []string{"ls"},
		[]string{"prune", "--depth=x"}, []string{"prune", "--retain-branch-depth=a"}, []string{"config", "get"},
		[]string{"commit", "--branch"}, []string{"rev-parse"}, []string{"reset", "a"}, []string{"diff"},
	)...)
}
