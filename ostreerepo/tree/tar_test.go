package tree_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/treenail/treenail/internal/repotest"
	"github.com/treenail/treenail/ostreerepo"
	"github.com/treenail/treenail/ostreerepo/tree"
	"golang.org/x/sys/unix"
)

func root() *tar.Header { return folder("./", 0o755) }

func folder(name string, mode int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: mode}
}

func symlink(name, target string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}
}

func link(name, target string) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target}
}

func special(name string, kind byte) *tar.Header {
	return &tar.Header{Typeflag: kind, Name: name, Mode: 0o644}
}

// member is a regular file.
func member(name, body string) bodied {
	return bodied{&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o644, Size: int64(len(body))}, body}
}

type bodied struct {
	*tar.Header
	body string
}

func owned(e any, uid, gid int) any {
	h := headerOf(e)
	h.Uid, h.Gid = uid, gid
	return e
}

func moded(e any, mode int64) any {
	headerOf(e).Mode = mode
	return e
}

func with(e any, records map[string]string) any {
	headerOf(e).PAXRecords = records
	return e
}

func headerOf(e any) *tar.Header {
	if b, ok := e.(bodied); ok {
		return b.Header
	}
	return e.(*tar.Header)
}

func archive(t testing.TB, entries ...any) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		must(t, w.WriteHeader(headerOf(e)))
		if b, ok := e.(bodied); ok {
			_, err := w.Write([]byte(b.body))
			must(t, err)
		}
	}
	must(t, w.Close())
	return out.Bytes()
}

// accepted are archives that ostree takes, with --tar-autocreate-parents at least.
var accepted = map[string][]any{
	"empty":            {},
	"no root":          {folder("a", 0o700), member("a/b", "x")},
	"root last":        {member("b", "x"), folder(".", 0o711)},
	"missing parent":   {folder("./", 0o700), owned(member("a/b", "x"), 3, 4), owned(member("c/d", "y"), 5, 6)},
	"only files":       {owned(member("a/b/c", "x"), 3, 4), owned(member("a/d", "x"), 5, 6)},
	"absolute":         {root(), member("//b", "x"), member("/./c", "y"), member("././d", "z")},
	"dots inside":      {root(), folder("a", 0o755), member("a/./b", "x"), member("a//c", "y"), folder("...", 0o755)},
	"slashes":          {root(), folder("a//", 0o755), member("a/b", "x")},
	"modes":            {root(), moded(member("suid", "1"), 0o4755), folder("tmp", 0o1777), moded(symlink("to", "suid"), 0o644), moded(member("type", "1"), 0o106711)},
	"owners":           {root(), owned(member("a", "1"), 1<<31, 1<<32-2), owned(symlink("l", "a"), 7, 8), owned(folder("d", 0o755), 9, 10)},
	"twice":            {root(), member("a", "1"), member("a", "2"), folder("d", 0o700), member("d/x", "x"), folder("d", 0o711)},
	"symlink twice":    {root(), member("a", "1"), symlink("a", "b"), symlink("b", "c"), member("b", "2")},
	"symlink targets":  {root(), symlink("a", "/x/../y"), symlink("b", strings.Repeat("long/", 500))},
	"continuous":       {root(), bodied{&tar.Header{Typeflag: tar.TypeCont, Name: "a", Mode: 0o644, Size: 3}, "abc"}},
	"names like magic": {bodied{&tar.Header{Name: "BZh", Mode: 0o644, Size: 1}, "x"}, member("LZIP", "x"), root()},
	"names":            {root(), member("new\nline", "x"), member("日本", "x"), member(strings.Repeat("n", 255), "x"), member("a b\t", "x")},
	"bodies":           {root(), member("0", ""), member("1", random(1, 1<<20)), member("2", random(1, 1<<20+1)), member("3", random(2, 3<<20))},
	"global header":    {&tar.Header{Typeflag: tar.TypeXGlobalHeader, Name: "g", PAXRecords: map[string]string{"comment": "x"}}, root(), member("a", "x")},

	"link":             {root(), member("a", "1"), link("b", "a"), link("c", "./a"), link("d", "/a")},
	"link first":       {root(), link("b", "a"), member("a", "1")},
	"link to itself":   {root(), member("a", "1"), link("a", "a")},
	"link to symlink":  {root(), symlink("a", "q"), link("b", "a")},
	"link over file":   {root(), member("a", "1"), member("b", "2"), link("b", "a")},
	"link, then file":  {root(), member("a", "1"), link("b", "a"), member("b", "2")},
	"target replaced":  {root(), member("a", "1"), link("b", "a"), member("a", "2")},
	"links in folders": {root(), folder("d", 0o755), folder("d/e", 0o755), member("d/a", "1"), link("d/e/b", "d/a"), link("c", "d/a")},

	"xattrs": {with(root(), map[string]string{"SCHILY.xattr.user.root": "r"}),
		with(member("x", "x"), map[string]string{"SCHILY.xattr.user.z": "\xff="}),
		with(member("cap", "x"), map[string]string{"SCHILY.xattr.security.capability": "\x01\x00\x00\x02\x00\x20\x00\x00" + strings.Repeat("\x00", 12)}),
		with(symlink("l", "x"), map[string]string{"SCHILY.xattr.user.l": "x"}), link("h", "x")},
	"libarchive xattrs": {root(), with(member("b", "x"), map[string]string{"LIBARCHIVE.xattr.user.a%3Db": "YmFyMQ=="}),
		with(member("c", "x"), map[string]string{"LIBARCHIVE.xattr.user.c": "YmE"})},
	"selinux": {root(), with(member("b", "x"), map[string]string{"RHT.security.selinux": "system_u:object_r:etc_t:s0"})},
}

func TestTar(t *testing.T) {
	r, oracle := repotest.New(t, ostreerepo.ModeArchive), newOracle(t, "archive")
	path := t.TempDir() + "/tar"
	for name, entries := range accepted {
		data := archive(t, entries...)
		must(t, os.WriteFile(path, data, 0o644))
		for _, auto := range []bool{false, true} {
			o, args := tree.Options{TarAutocreateParents: auto}, []string{"--tree=tar=" + path}
			if auto {
				args = append(args, "--tar-autocreate-parents")
			}
			t.Run(fmt.Sprintf("%s/%v", name, auto), func(t *testing.T) {
				got, err := build(r, o, tars(data))
				want, oracleErr := tryTheirs(oracle, args...)
				if err != nil && oracleErr != nil && !auto {
					return // both miss the parents
				}
				if err != nil || oracleErr != nil {
					t.Fatalf("%v; ostree: %v", err, oracleErr)
				}
				compare(t, r, got, oracle, want)
			})
		}
	}
}

func TestTarOptions(t *testing.T) {
	data := archive(t, accepted["modes"]...)
	data2 := archive(t, accepted["xattrs"]...)
	data3 := archive(t, accepted["only files"]...)
	for _, mode := range []string{"archive", "bare-user-only"} {
		m, err := ostreerepo.ParseMode(mode)
		must(t, err)
		r, oracle := repotest.New(t, m), newOracle(t, mode)
		var args []string
		for i, data := range [][]byte{data, data2, data3} {
			path := fmt.Sprintf("%s/%d", t.TempDir(), i)
			must(t, os.WriteFile(path, data, 0o644))
			args = append(args, "--tree=tar="+path)
		}
		for _, v := range variants {
			v.o.TarAutocreateParents = true
			got := mustBuild(t, r, v.o, tars(data, data2, data3))
			compare(t, r, got, oracle, theirs(t, oracle, append(append(v.args, "--tar-autocreate-parents"), args...)...))
		}
	}
}

// TestTarChains has links to links, which ostree refuses or not by chance.
func TestTarChains(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	want := mustBuild(t, r, tree.Options{}, tars(archive(t, root(), member("a", "1"), member("b", "1"), member("c", "1"))))
	for _, entries := range [][]any{
		{root(), member("a", "1"), link("b", "a"), link("c", "b")},
		{root(), link("c", "b"), link("b", "a"), member("a", "1")},
	} {
		if got := mustBuild(t, r, tree.Options{}, tars(archive(t, entries...))); got != want {
			t.Errorf("%v, want %v", got, want)
		}
	}
}

func TestTarRefused(t *testing.T) {
	big := member("big", "")
	big.Size = 1 << 40
	cut := archive(t, root(), member("first", "x"), member("cut", strings.Repeat("x", 2000)))
	for want, data := range map[string][]byte{
		`archive entry "` + strings.Repeat("deep/", 40) + `"…: path of 5000 bytes`: archive(t, root(), folder(strings.Repeat("deep/", 1000), 0o755)),
		`archive, after entry "./": `:                                        longName(t),
		`archive entry "": empty name`:                                       renamed(archive(t, member("a", "x")), "\x00"),
		`archive entry "../b": Invalid uplink '..'`:                          archive(t, root(), member("../b", "x")),
		`archive entry "/../../b": Invalid uplink '..'`:                      archive(t, root(), member("/../../b", "x")),
		`archive entry "a/../b": Invalid uplink '..'`:                        archive(t, root(), folder("a", 0o755), member("a/../b", "x")),
		`archive entry "b": hard link to "../a": Invalid uplink '..'`:        archive(t, root(), link("b", "../a")),
		`archive entry "a/b": No such file or directory: a`:                  archive(t, root(), member("a/b", "x")),
		`archive entry "a/b": Not a directory: a`:                            archive(t, root(), symlink("a", "/etc"), member("a/b", "x")),
		`archive entry "f/b": Not a directory: f`:                            archive(t, root(), member("f", "x"), member("f/b", "x")),
		`archive entry "a/": Can't replace file with directory: a`:           archive(t, root(), member("a", "x"), folder("a/", 0o755)),
		`archive entry "a": Can't replace directory with file: a`:            archive(t, root(), folder("a", 0o755), member("a", "x")),
		`archive entry "p": Unsupported file type for path "p"`:              archive(t, root(), special("p", tar.TypeFifo)),
		`archive entry "c": Unsupported file type for path "c"`:              archive(t, root(), special("c", tar.TypeChar)),
		`archive entry "k": Unsupported file type for path "k"`:              archive(t, root(), special("k", tar.TypeBlock)),
		`archive entry "z": unsupported entry type 'Z'`:                      archive(t, root(), special("z", 'Z')),
		`archive entry "a\xffb": Invalid UTF-8 in filename`:                  archive(t, root(), member("a\xffb", "x")),
		`archive entry "l": symlink target "\xff" is not UTF-8`:              archive(t, root(), symlink("l", "\xff")),
		`archive entry "l": content object: invalid symlink target ""`:       archive(t, root(), symlink("l", "")),
		`archive entry "./": the root can only be a directory`:               archive(t, symlink("./", "x")),
		`archive entry "./": directory with a body of 1 bytes`:               renamed(archive(t, member("..", "x")), "./"),
		`archive entry "b": hard link to "a": No such file or directory: a`:  archive(t, root(), link("b", "a")),
		`archive entry "c": hard link to "d": No such file or directory: d`:  archive(t, root(), link("d", "c"), link("c", "d")),
		`archive entry "b": hard link to "a": Expected hardlink file target`: archive(t, root(), folder("a", 0o755), link("b", "a")),
		`archive entry "b": Can't replace directory with file: b`:            archive(t, root(), member("a", "x"), folder("b", 0o755), link("b", "a")),
		`archive entry "b": hard link to "/": the root can only be`:          archive(t, root(), link("b", "/")),
		`archive entry "u": owner 8589934592:0 is out of range`:              archive(t, root(), owned(member("u", "x"), 1<<33, 0)),
		`archive entry "x": xattr with an empty name`:                        archive(t, root(), with(member("x", "x"), map[string]string{"SCHILY.xattr.": "x"})),
		`archive entry "x": pax record LIBARCHIVE.xattr.a: illegal base64`:   archive(t, root(), with(member("x", "x"), map[string]string{"LIBARCHIVE.xattr.a": "?"})),
		`archive entry "cut": unexpected EOF`:                                cut[:len(cut)-2500],
		`archive entry "big": `:                                              unfinished(t, big.Header),
		`archive, after entry "./": archive/tar: invalid tar header`:         append(archive(t, root())[:512], bytes.Repeat([]byte("junk"), 128)...),
		`archive: unrecognized format`:                                       bytes.Repeat([]byte("junk"), 1000),
		`archive: unexpected EOF`:                                            []byte("short"),
		`archive: gzip: `:                                                    []byte("\x1f\x8b\x08garbage"),
		`archive: lzip: unsupported compression`:                             []byte("LZIP\x01..."),
	} {
		r := repotest.New(t, ostreerepo.ModeArchive)
		_, err := build(r, tree.Options{}, tars(data))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v\nwant %s", err, want)
		}
		for n, err := range r.Objects() {
			t.Errorf("%s: left object %v, %v", want, n, err)
		}
	}
}

// longName is an archive whose second entry claims a name of 4 GiB.
func longName(t *testing.T) []byte {
	data := archive(t, root())[:512]
	long := archive(t, member("././@LongLink", ""))[:512]
	long[156] = 'L'
	copy(long[124:136], "37777777777\x00")
	return append(data, renamed(long, "././@LongLink")...)
}

// renamed gives the first entry of an archive a name that archive/tar won't write.
func renamed(data []byte, name string) []byte {
	copy(data, name)
	copy(data[148:156], "        ")
	sum := 0
	for _, b := range data[:512] {
		sum += int(b)
	}
	copy(data[148:156], fmt.Sprintf("%06o\x00 ", sum))
	return data
}

// unfinished is an archive that ends within the body of its last entry.
func unfinished(t testing.TB, last *tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	must(t, w.WriteHeader(root()))
	must(t, w.WriteHeader(last))
	out.WriteString("only this")
	return out.Bytes()
}

func TestGNUTar(t *testing.T) {
	top := t.TempDir() + "/top"
	hardBodies(t, top)
	oracle, r := newOracle(t, "archive"), repotest.New(t, ostreerepo.ModeArchive)
	must(t, os.Remove(top+"/links/long")) // more than ustar can hold
	for _, args := range [][]string{
		{"--format=v7"}, {"--format=ustar"}, {"--format=oldgnu"}, {"--format=gnu"}, {"--format=gnu", "--sparse"},
		{"--format=pax", "--sparse", "--sparse-version=0.0"}, {"--format=pax", "--sparse", "--sparse-version=0.1"},
		{"--format=pax", "--sparse", "--sparse-version=1.0"}, {"--format=gnu", "--label=volume"}, {"--format=gnu", "--gzip"}, {"--format=pax", "--zstd"},
		{"--format=gnu", "--bzip2"}, {"--format=gnu", "--xz"}, {"--format=gnu", "--listed-incremental=" + t.TempDir() + "/snapshot"},
	} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			data := gnuTar(t, top, args...)
			path := t.TempDir() + "/tar"
			must(t, os.WriteFile(path, data, 0o644))
			compare(t, r, mustBuild(t, r, tree.Options{}, tars(data)), oracle, theirs(t, oracle, "--tree=tar="+path))
		})
	}
}

// TestXattrOrder has files with several xattrs. ostree stores those of an archive
// in the archive's order and then can't find its objects sound, so the oracle is
// the directory that the archive was made from.
func TestXattrOrder(t *testing.T) {
	top := t.TempDir() + "/top"
	hardXattrs(t, top)
	must(t, unix.Removexattr(top+"/xattrs/file", "user.alpha")) // empty: seen in an archive alone
	r := repotest.New(t, ostreerepo.ModeArchive)
	data := gnuTar(t, top, "--format=pax", "--xattrs", "--xattrs-include=*")
	if got, want := mustBuild(t, r, tree.Options{}, tars(data)), mustBuild(t, r, tree.Options{}, dirs(top)); got != want {
		t.Errorf("%v, want %v", got, want)
	}
	both := map[string]string{"SCHILY.xattr.user.a": "1", "LIBARCHIVE.xattr.user.a": "MQ", "LIBARCHIVE.xattr.user.b": "Mg=="}
	got := mustBuild(t, r, tree.Options{}, tars(archive(t, root(), with(member("a", "x"), both))))
	want := mustBuild(t, r, tree.Options{}, tars(archive(t, root(), with(member("a", "x"), map[string]string{
		"SCHILY.xattr.user.a": "1", "SCHILY.xattr.user.b": "2",
	}))))
	if got != want {
		t.Errorf("records of both kinds: %v, want %v", got, want)
	}
}

// TestDamagedCompression shows that damage is seen also behind the archive's end.
func TestDamagedCompression(t *testing.T) {
	data := archive(t, root(), member("a", "1"))
	for _, program := range []string{"gzip", "zstd", "bzip2", "xz"} {
		packed := run(t, "/", data, program, "-c")
		r := repotest.New(t, ostreerepo.ModeArchive)
		mustBuild(t, r, tree.Options{}, tars(packed))
		if _, err := build(r, tree.Options{}, tars(packed[:len(packed)-1])); err == nil {
			t.Errorf("%s: a truncated stream was taken", program)
		}
		if program == "zstd" {
			continue // its checksum is optional
		}
		packed[len(packed)-8] ^= 1
		if _, err := build(r, tree.Options{}, tars(packed)); err == nil {
			t.Errorf("%s: a stream with a wrong checksum was taken", program)
		}
	}
	padded := append(run(t, "/", data, "gzip", "-c"), make([]byte, 1000)...)
	mustBuild(t, repotest.New(t, ostreerepo.ModeArchive), tree.Options{}, tars(padded))
}

func TestTarOverCommit(t *testing.T) {
	r := repotest.New(t, ostreerepo.ModeArchive)
	overlays(t, r)
	data := archive(t, member("usr/lib/new", "n"), link("usr/lib/alias", "var/x"))
	path := t.TempDir() + "/tar"
	must(t, os.WriteFile(path, data, 0o644))
	got := mustBuild(t, r, tree.Options{}, func(ctx context.Context, tr *tree.Tree) error {
		if err := refs(t, r, "one")(ctx, tr); err != nil {
			return err
		}
		return tr.AddTar(ctx, bytes.NewReader(data))
	})
	compare(t, r, got, r.Path(), theirs(t, r.Path(), "--tree=ref=one", "--tree=tar="+path))
}

func TestTarCancel(t *testing.T) {
	data := archive(t, root(), member("large", strings.Repeat("x", 4<<20)))
	err := repotest.New(t, ostreerepo.ModeArchive).Update(context.Background(), ostreerepo.UpdateOptions{}, func(tx *ostreerepo.Tx) error {
		ctx, cancel := context.WithCancel(context.Background())
		return tree.New(tx, tree.Options{}).AddTar(ctx, &cancelReader{r: bytes.NewReader(data), after: 1 << 20, cancel: cancel})
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want context.Canceled", err)
	}
}

type cancelReader struct {
	r      *bytes.Reader
	after  int
	cancel func()
}

func (c *cancelReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.after -= n; c.after < 0 {
		c.cancel()
	}
	return n, err
}
